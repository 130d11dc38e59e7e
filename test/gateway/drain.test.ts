import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { systemClock } from "../../src/clock/clock.ts";
import type { Connections } from "../../src/connection/connections.ts";
import { drainConnections } from "../../src/gateway/drain.ts";
import { fakeConnections, ManualClock } from "../connection/fakes.ts";
import { handshakeText, RawClient } from "../socket/raw-client.ts";
import { freePort } from "../support/child.ts";
import { connect } from "../support/client.ts";
import { startTestGateway } from "../support/gateway.ts";
import { statusOf } from "./process.ts";

/** Lets promises that are settled run on. */
const settle = async (): Promise<void> => {
  for (let i = 0; i < 20; i += 1) await Promise.resolve();
};

const quiet = { debug() {}, info() {} };

/** A drain whose clock and timer the test drives. */
function drivenDrain(t: TestContext, connections: Connections, seconds: number) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const clock = new ManualClock();
  const draining = drainConnections(connections, seconds, { clock, log: quiet });
  /** Ends a step, `ms` after the one before, and returns how many it sent away. */
  const step = async (ms = 50): Promise<number> => {
    const before = connections.count;
    clock.ms += ms;
    t.mock.timers.tick(ms);
    await settle();
    return before - connections.count;
  };
  return { draining, step };
}

describe("drainConnections", () => {
  for (const [count, seconds] of [
    [100, 10],
    [1000, 10],
    [7, 10],
    [200, 1],
    [1, 60],
  ] as const) {
    it(`sends ${count} away evenly over ${seconds} s, and resolves with the last`, async (t) => {
      const { connections, open } = fakeConnections();
      for (let i = 0; i < count; i += 1) open();
      const { draining, step } = drivenDrain(t, connections, seconds);
      let isDone = false;
      const done = draining.then(() => {
        isDone = true;
      });
      await settle();
      const steps = seconds * 20;
      const closedInStep = [count - connections.count];
      for (let i = 1; i < steps; i += 1) {
        assert.equal(isDone, connections.count === 0, `step ${i}`);
        closedInStep.push(await step());
      }
      await done;
      assert.equal(connections.count, 0);
      assert.ok(
        Math.max(...closedInStep) <= Math.ceil(count / steps),
        `at most ${Math.max(...closedInStep)} in a step`,
      );
    });
  }

  it("is not late for timers that come late: the window ends by the clock", async (t) => {
    const { connections, open } = fakeConnections();
    for (let i = 0; i < 1000; i += 1) open();
    const { draining, step } = drivenDrain(t, connections, 10);
    for (let ms = 0; ms < 9950; ms += 62) await step(62);
    assert.equal(connections.count, 0);
    await draining;
  });

  it("makes up at twice the pace, and no faster, for a time in which the process stood still", async (t) => {
    const { connections, open } = fakeConnections();
    for (let i = 0; i < 1000; i += 1) open();
    const { draining, step } = drivenDrain(t, connections, 10); // 5 in a step
    assert.equal(await step(), 5);
    const after = [await step(2000)];
    while (after.at(-1) === 10) after.push(await step());
    assert.equal(after.length, 40, "half of the steps that it lost, and as many again meanwhile");
    assert.equal(await step(), 5);
    while (connections.count > 0) assert.ok((await step()) <= 10);
    await draining;
  });

  it("sends all away at once for 0 s", async () => {
    const { connections, open } = fakeConnections();
    for (let i = 0; i < 50; i += 1) open();
    const draining = drainConnections(connections, 0, { clock: systemClock, log: quiet });
    assert.equal(connections.count, 0);
    await draining;
  });

  it("tells each when to come back, each a time of its own within a second, then closes it with 1001", async () => {
    const { connections, counters, open } = fakeConnections();
    const sockets = Array.from({ length: 100 }, () => open().socket);
    await drainConnections(connections, 0, { clock: systemClock, log: quiet });
    const times = sockets.map(({ frames }) => {
      assert.deepEqual(Object.keys(frames[0] ?? {}), ["action", "retry_in_ms"]);
      assert.equal(frames.length, 1);
      return Number(frames[0]?.retry_in_ms);
    });
    assert.ok(times.every((ms) => Number.isInteger(ms) && ms >= 0 && ms < 1000));
    assert.ok(new Set(times).size > 50);
    assert.deepEqual([...new Set(sockets.map(({ closed }) => closed?.code))], [1001]);
    assert.equal(counters.closed.going_away, 100);
  });

  it("passes over those who have gone by themselves, and those who are being closed", async (t) => {
    const { connections, open } = fakeConnections();
    const opened = Array.from({ length: 10 }, () => open());
    const { draining, step } = drivenDrain(t, connections, 1);
    for (const { socket } of opened.slice(0, 5)) if (socket.closed === undefined) socket.close();
    const slow = opened[5]!;
    slow.connection.closing = "slow_consumer";
    for (let i = 0; i < 25; i += 1) await step();
    await draining;
    assert.deepEqual([slow.socket.frames, slow.socket.closed], [[], undefined]);
    assert.deepEqual([...connections], [slow.connection]);
  });
});

describe("The stop of a gateway", () => {
  it("refuses handshakes on connections that were open before with 503 and Retry-After", async (t) => {
    const gateway = await startTestGateway(t);
    const waiting = await RawClient.connect(t, gateway.port);
    await connect(t, gateway.url); // accepted in order: so the one before is accepted
    const clients = await Promise.all(Array.from({ length: 4 }, () => connect(t, gateway.url)));
    const stopping = gateway.stop({ delaySeconds: 0, seconds: 2 });
    await Promise.race(clients.map((client) => client.close()));
    waiting.write(handshakeText());
    const { status, headers } = await waiting.answer();
    assert.equal(status, 503);
    assert.match(headers["retry-after"] ?? "", /^[1-9]\d*$/);
    assert.equal(await gateway.metric("tidegate_draining"), 1);
    await stopping;
  });

  it("says no on both ports at once, and accepts handshakes until the delay is over", async (t) => {
    const gateway = await startTestGateway(t);
    const client = await connect(t, gateway.url);
    const stopping = gateway.stop({ delaySeconds: 3, seconds: 0 });
    for (const port of [gateway.port, gateway.adminPort]) {
      assert.equal(await statusOf(port, "/readyz"), 503);
      assert.equal(await statusOf(port, "/healthz"), 200);
    }
    assert.equal(await gateway.metric("tidegate_ready"), 0);
    const late = await connect(t, gateway.url);
    await late.settled();
    await stopping;
    for (const one of [client, late]) assert.equal((await one.close()).code, 1001);
  });

  it("delivers what was acknowledged before", async (t) => {
    const gateway = await startTestGateway(t);
    const [publisher, subscriber] = [await connect(t, gateway.url), await connect(t, gateway.url)];
    for (const client of [publisher, subscriber]) await client.subscribe("chat.a");
    for (let i = 0; i < 500; i += 1) publisher.request("message", { channel: "chat.a", message: i });
    await publisher.settled();
    await gateway.stop();
    await subscriber.close();
    assert.equal(subscriber.of("message").length, 500);
    assert.equal(subscriber.frames.at(-1)?.action, "reconnect");
  });

  it("ends clients that never answer the close", async (t) => {
    const gateway = await startTestGateway(t);
    const stuck = await RawClient.open(t, gateway.port);
    stuck.socket.pause();
    await gateway.stop();
    stuck.socket.resume();
    await stuck.over();
    const codes = stuck.frames().filter(({ opcode }) => opcode === 8);
    assert.deepEqual(
      codes.map(({ payload }) => payload.readUInt16BE(0)),
      [1001],
    );
  });

  it("frees the ports at once, whatever state the connections of before are in", async (t) => {
    const ports = { port: await freePort(), adminPort: await freePort() };
    const gateway = await startTestGateway(t, ports);
    await connect(t, gateway.url);
    const open = [await RawClient.connect(t, ports.port), await RawClient.connect(t, ports.adminPort)];
    for (const { socket } of open) socket.allowHalfOpen = true; // does not close its side
    await fetch(gateway.adminUrl); // its connection is kept alive by the client
    await gateway.stop();
    const again = await startTestGateway(t, ports);
    await connect(t, again.url);
  });
});
