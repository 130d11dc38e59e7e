/** What the tests of inbound frames need beside a client: others who must notice nothing, and a clock that they move. */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { setImmediate } from "node:timers/promises";
import { systemClock } from "../../src/clock/clock.ts";
import { connect, type TestClient } from "../support/client.ts";
import type { TestGateway } from "../support/gateway.ts";

/** Stops the gateway's monotonic clock, until `advance` moves it. Call it before the gateway starts. */
export function stoppedClock(t: TestContext): { advance(ms: number): void } {
  let nowMs = systemClock.nowMs();
  t.mock.method(systemClock, "nowMs", () => nowMs);
  return {
    advance(ms) {
      nowMs += ms;
    },
  };
}

/**
 * Two connections, one of each encoding, that chat with each other from now on. `stop` has them exchange one message more
 * and then checks that none was lost, that all came in order, and that the process met no error meanwhile.
 */
export async function bystanders(t: TestContext, gateway: TestGateway, query = ""): Promise<{ stop(): Promise<void> }> {
  const channel = "bystanders.only";
  const speaker = await connect(t, `${gateway.url}/?${query}`);
  const listener = await connect(t, `${gateway.url}/?format=msgpack&${query}`);
  for (const client of [speaker, listener]) await client.subscribe(channel);
  const uncaught: unknown[] = [];
  const note = (error: unknown): void => void uncaught.push(error);
  process.on("uncaughtExceptionMonitor", note);
  t.after(() => process.off("uncaughtExceptionMonitor", note));

  let said = 0;
  const sayOne = async (): Promise<void> => {
    said += 1;
    speaker.request("message", { channel, message: said });
    for (const client of [listener, speaker]) await client.next({ action: "message", channel, message: said });
  };
  let isOver = false;
  const talk = async (): Promise<void> => {
    while (!isOver) {
      await sayOne();
      await setImmediate();
    }
    await sayOne();
  };
  const talking = talk();
  talking.catch(() => {}); // `stop` tells
  return {
    async stop() {
      isOver = true;
      await talking;
      const expected = Array.from({ length: said }, (_, i) => i + 1);
      for (const { frames } of [speaker, listener]) {
        const heard = frames.filter((frame) => frame.action === "message");
        assert.deepEqual(
          heard.map(({ message }) => message),
          expected,
        );
      }
      assert.deepEqual(uncaught, []);
      assert.deepEqual(
        gateway.logLines.filter(({ level }) => level === "error" || level === "fatal"),
        [],
      );
    },
  };
}

/** The error frames that `client` got so far, by their codes. */
export const codesOf = (client: TestClient): unknown[] => client.of("error").map(({ code }) => code);
