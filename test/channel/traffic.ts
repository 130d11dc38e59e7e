/** What the tests of channels ask of their clients again and again. */
import type { Frame, TestClient } from "../support/client.ts";

export const msgpack = { subprotocols: ["tidegate.msgpack.v1"] };

/** The values published to `channel` that reached `client` so far, in their order. */
export function received(client: TestClient, channel?: string): unknown[] {
  return client
    .of("message")
    .filter((frame) => channel === undefined || frame.channel === channel)
    .map(({ message }) => message);
}

/** Publishes and resolves to the acknowledgement; throws where it is refused. */
export async function publish(client: TestClient, channel: string, message: unknown, more?: object): Promise<Frame> {
  const reply = await client.ask("message", { channel, message, ...more });
  if (reply.success !== true) throw new Error(`publication refused: ${JSON.stringify(reply)}`);
  return reply;
}

/**
 * What reached `client` on `channel` up to a last message, which `publisher` sends now: whatever was to come before it has
 * come. Both are subscribed.
 */
export async function receivedUntilNow(client: TestClient, publisher: TestClient, channel: string): Promise<unknown[]> {
  const last = `last ${Math.random()}`;
  publisher.request("message", { channel, message: last });
  await client.next({ action: "message", channel, message: last });
  return received(client, channel).filter((message) => message !== last);
}

/** A frame without the fields that differ from run to run. */
export function without(frame: Frame, ...names: string[]): Frame {
  return Object.fromEntries(Object.entries(frame).filter(([name]) => !names.includes(name)));
}
