import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { systemClock } from "../../src/clock/clock.ts";
import type { Connection } from "../../src/connection/connection.ts";
import { Connections } from "../../src/connection/connections.ts";
import { SlowConsumers } from "../../src/connection/slow-consumers.ts";
import { Sweep } from "../../src/connection/sweep.ts";
import { Limits } from "../../src/inbound/limits.ts";
import { Receiver } from "../../src/inbound/receive.ts";
import { AddressCounts } from "../../src/limit/address-counts.ts";
import { createLog } from "../../src/log/log.ts";
import { Counters } from "../../src/metrics/counters.ts";
import { Health } from "../../src/metrics/health.ts";
import { TrustedProxies } from "../../src/socket/client-address.ts";
import { Origins } from "../../src/socket/origins.ts";
import { SocketServer } from "../../src/socket/server.ts";
import { RawClient } from "./raw-client.ts";

const queueBytesMax = 65_536;

/** A server with all that is needed below it and nothing above: the test subscribes and publishes itself. */
async function startServer(t: TestContext) {
  const counters = new Counters();
  const connections = new Connections(
    { node: 0, incarnation: "test", isShared: false },
    { counters, compress: false, flushReplies: () => {} },
  );
  const slowConsumers = new SlowConsumers(queueBytesMax, counters);
  const lines: string[] = [];
  const log = createLog({ level: "warn", format: "json" }, { write: (line) => void lines.push(line) });
  const times = { heartbeatInterval: 30, connectionTimeout: 300, expiringNoticeSeconds: 60, expiryGraceSeconds: 10 };
  const sweep = new Sweep(connections, times, systemClock);
  const limits = new Limits(
    {
      maxMessagesPerMinute: 0,
      heartbeatsPerMinuteMax: 0,
      bytesPerSecondMax: 0,
      floodRefusalsPerMinuteMax: 0,
      messageBytesMax: 1024,
    },
    connections.slots.capacity,
  );
  const receiver = new Receiver(
    { messageBytesMax: 1024, batchItemsMax: 1, depthMax: 1, inboxBytesMax: 1024 },
    { limits, sweep, counters, clock: systemClock, log, dispatch: () => undefined },
  );
  const server = new SocketServer({
    host: "127.0.0.1",
    port: 0,
    sharesPort: false,
    messageBytesMax: 1024,
    sendQueueBytesMax: queueBytesMax,
    compression: "disabled",
    tls: { certFile: "", keyFile: "", passphrase: "" },
  });
  const port = await server.listen({
    verifier: { verify: () => "invalid_token", verifySubscription: () => "invalid_token" },
    authRequired: false,
    origins: new Origins(["*"]),
    proxies: new TrustedProxies([]),
    addresses: new AddressCounts(0),
    counters,
    log,
    closedFor: () => undefined,
    connect: undefined,
    connections,
    receiver,
    slowConsumers,
    clock: systemClock,
    health: new Health(),
    welcome: () => '{"action":"welcome"}',
  });
  t.after(() => server.closeAll());
  /** A client, subscribed to `topics`, that does not read. */
  const stalled = async (...topics: string[]): Promise<{ client: RawClient; connection: Connection }> => {
    const client = await RawClient.open(t, port);
    client.socket.pause();
    const connection = [...connections].at(-1)!;
    for (const topic of topics) connection.socket?.subscribe(topic);
    return { client, connection };
  };
  return { server, counters, connections, slowConsumers, lines, stalled };
}

describe("SocketServer.publish", () => {
  for (const bytes of [1000, 15_000, 20_000]) {
    // uWebSockets.js would take the next frame as soon as there is room, which a client makes at any moment.
    it(`hands a subscriber nothing more after it has lost a frame of ${bytes} bytes, in the same turn too`, async (t) => {
      const { server, counters, slowConsumers, stalled } = await startServer(t);
      const { client, connection } = await stalled("a", "b");
      const pad = "x".repeat(bytes);
      let published = 0;
      let lost = 0;
      while (lost === 0) {
        await turn(); // the kernel takes what it can
        slowConsumers.cut(); // as every flush begins
        for (let i = 0; i < 200 && counters.dropped === 0; i += 1) {
          server.publish("a", `${published} ${pad}`, false, undefined);
          published += 1;
        }
        if (counters.dropped === 0) continue;
        // still in the turn of the loss: neither the event loop nor another flush has come in between
        lost = published;
        assert.deepEqual([connection.closing, connection.socket?.getTopics()], ["slow_consumer", []]);
        assert.deepEqual([server.numSubscribers("a"), server.numSubscribers("b")], [0, 0]);
        for (let i = 0; i < 200; i += 1) server.publish("a", `${published + i} ${pad}`, false, undefined);
      }
      client.socket.resume();
      await client.over();
      const numbers = client
        .frames()
        .filter(({ opcode }) => opcode === 1)
        .map(({ payload }) => Number.parseInt(payload.toString(), 10));
      assert.deepEqual(numbers, [...numbers.keys()]);
      assert.ok(numbers.length < lost, `${numbers.length} of ${lost}`);
    });
  }

  it("leaves out the given socket, on its own topic and on no other", async (t) => {
    const { server, stalled } = await startServer(t);
    const [one, other] = [await stalled("a"), await stalled("a", "b")];
    server.publish("a", "to the other", false, one.connection.socket);
    server.publish("b", "to the subscriber of b", false, one.connection.socket);
    server.publish("a", "to both", false, undefined);
    for (const { client } of [one, other]) client.socket.resume();
    const texts = async (client: RawClient, count: number) => {
      const got: string[] = [];
      while (got.length < count) got.push((await client.frame()).payload.toString());
      return got;
    };
    assert.deepEqual(await texts(one.client, 1), ["to both"]);
    assert.deepEqual(await texts(other.client, 3), ["to the other", "to the subscriber of b", "to both"]);
  });

  it("may be given a socket that is closed by now: everyone gets the frame", async (t) => {
    const { server, stalled } = await startServer(t);
    const [gone, there] = [await stalled("a"), await stalled("a")];
    const { socket } = gone.connection;
    gone.connection.close("disconnected", "");
    server.publish("a", "hello", false, socket);
    there.client.socket.resume();
    assert.equal((await there.client.frame()).payload.toString(), "hello");
  });

  it("sends text as text and bytes as bytes", async (t) => {
    const { server, stalled } = await startServer(t);
    const { client } = await stalled("a", "~a");
    server.publish("a", "text", false, undefined);
    server.publish("~a", Buffer.of(1, 2, 3), true, undefined);
    client.socket.resume();
    const [text, bytes] = [await client.frame(), await client.frame()];
    assert.deepEqual([text.opcode, text.payload.toString()], [1, "text"]);
    assert.deepEqual([bytes.opcode, [...bytes.payload]], [2, [1, 2, 3]]);
  });
});
