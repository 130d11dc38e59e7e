/** Clients for tests: of a real gateway, over the package `ws`, disconnected when the test ends. */
import { once } from "node:events";
import type { TestContext } from "node:test";
import WebSocket from "ws";
import { type Channel, type Client, type ClientOptions, createClient, type Message } from "../../src/client/index.ts";
import { until } from "../support/child.ts";

/** Every socket that was opened, oldest first, with what it sent and whether it is cut off. */
export class Sockets {
  readonly all: WebSocket[] = [];
  readonly sent: Record<string, unknown>[] = [];

  get open(): NonNullable<ClientOptions["WebSocket"]> {
    const { all, sent } = this;
    return class extends WebSocket {
      constructor(url: string, protocols: string[]) {
        super(url, protocols);
        all.push(this);
      }

      override send(data: never): void {
        if (typeof data === "string") sent.push(JSON.parse(data));
        super.send(data);
      }
    };
  }

  /** The actions that were sent, but for heartbeats. */
  get actions(): unknown[] {
    return this.sent.map(({ action }) => action).filter((action) => action !== "ping" && action !== "pong");
  }

  /** Ends the connection without a close frame. */
  async cut(): Promise<void> {
    const socket = this.all.at(-1)!;
    const closed = once(socket, "close");
    socket.terminate();
    await closed;
  }
}

export interface TestSdk extends Client {
  readonly sockets: Sockets;
  /** Resolves once it is in this state. */
  reaches(state: Client["state"]): Promise<void>;
}

/** A client that comes back quickly. */
export function startClient(t: TestContext, { url }: { readonly url: string }, options: ClientOptions = {}): TestSdk {
  const sockets = new Sockets();
  const client = createClient(url, { WebSocket: sockets.open, backoffMinMs: 20, ...options });
  t.after(() => {
    client.disconnect();
    for (const socket of sockets.all) socket.terminate(); // one that is paused would wait for an answer to its close
  });
  const reaches = (state: Client["state"]): Promise<void> =>
    until(
      () => client.state === state,
      () => `the client is ${client.state}, not ${state}`,
    );
  return Object.assign(client, { sockets, reaches });
}

/** The values of a channel's messages, in the order they came. */
export function valuesOf(channel: Channel): unknown[] {
  const values: unknown[] = [];
  channel.on("message", ({ message }: Message) => void values.push(message));
  return values;
}

/** Waits until `list` has `count` items. */
export const have = (list: readonly unknown[], count: number): Promise<void> =>
  until(
    () => list.length >= count,
    () => `${list.length} of ${count}: ${JSON.stringify(list).slice(0, 500)}`,
  );
