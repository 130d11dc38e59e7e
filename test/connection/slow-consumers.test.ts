import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { SlowConsumers } from "../../src/connection/slow-consumers.ts";
import { RawClient, requestFrame } from "../socket/raw-client.ts";
import { connect, type TestClient } from "../support/client.ts";
import { startTestGateway, type TestGateway } from "../support/gateway.ts";
import { fakeConnections } from "./fakes.ts";

const history = { "chat.>": { history: { size: 100_000, seconds: 3600 } } };
/** No limit to how often a test may ask whether all has been handled. */
const settings = { heartbeatsPerMinuteMax: 0 };
const closedSlowly = 'tidegate_connections_closed_total{reason="slow_consumer"}';

/** Publishes numbered messages of about `bytes`, from `from` on, until `isEnough`; resolves to the next number. */
async function publishUntil(
  publisher: TestClient,
  channel: string,
  from: number,
  isEnough: () => boolean | Promise<boolean>,
  bytes = 8000,
): Promise<number> {
  const pad = "x".repeat(bytes);
  let n = from;
  while (!(await isEnough())) {
    for (let i = 0; i < 50; i += 1) {
      publisher.request("message", { channel, message: { n, pad }, echo: false });
      n += 1;
    }
    await publisher.settled();
    assert.ok(n < 20_000, "160 MB did not fill the queue");
  }
  return n;
}

/** A subscriber to `channel` that has stopped reading. */
async function stalledSubscriber(t: TestContext, gateway: TestGateway, channel: string): Promise<RawClient> {
  const client = await RawClient.open(t, gateway.port);
  client.write(requestFrame("subscribe", { channel }));
  await client.next({ action: "subscribe" });
  client.socket.pause();
  return client;
}

/** What a raw subscriber got: its messages, and how the connection ended. */
function received(client: RawClient) {
  const frames = client.frames();
  const messages = frames
    .filter(({ opcode }) => opcode === 1)
    .map(({ payload }) => JSON.parse(payload.toString()))
    .filter(({ action }) => action === "message");
  const closeCode = frames.find(({ opcode }) => opcode === 8)?.payload.readUInt16BE(0) ?? 1006;
  return { messages, closeCode };
}

/** True for 0, 1, 2, 3 … */
const isPrefix = (numbers: readonly unknown[]): boolean => numbers.every((n, i) => n === i);

describe("A subscriber that stops reading", () => {
  it("is cut off and closed; the others of the channel get everything, in order", async (t) => {
    const gateway = await startTestGateway(t, settings);
    const [publisher, witness] = [await connect(t, gateway.url), await connect(t, gateway.url)];
    for (const client of [publisher, witness]) await client.subscribe("chat.a");
    await stalledSubscriber(t, gateway, "chat.a");
    const count = await publishUntil(publisher, "chat.a", 0, async () => (await gateway.metric(closedSlowly)) === 1);
    await witness.next({ action: "message", sender: publisher.connectionId });
    while (witness.of("message").length < count) await witness.settled();
    assert.ok(isPrefix(witness.of("message").map(({ message }) => (message as { n: number }).n)));
    assert.equal(witness.of("message").length, count);
    assert.equal(await gateway.metric('tidegate_connections{format="json"}'), 2);
    assert.equal(await gateway.metric("tidegate_subscriptions"), 2);
    assert.ok((await gateway.metric("tidegate_dropped_messages_total")) > 0);
  });

  it("holds no more than its queue in memory, however much is published", async (t) => {
    const gateway = await startTestGateway(t, settings);
    const publisher = await connect(t, gateway.url);
    await publisher.subscribe("a");
    await stalledSubscriber(t, gateway, "a");
    const isDropped = async () => (await gateway.metric("tidegate_dropped_messages_total")) > 0;
    const count = await publishUntil(publisher, "a", 0, isDropped);
    const { recipients_count } = await publisher.ask("message", { channel: "a", message: "more" });
    assert.equal(recipients_count, 1, "the publisher alone");
    assert.ok(count * 8000 < 32 * 1024 * 1024, `${count} messages: the kernel's 4 to 16 MB and a queue of 1 MB`);
  });

  it("and reads late sees the beginning without a hole, then 4002, and recovers the rest with since", async (t) => {
    const gateway = await startTestGateway(t, { ...settings, channels: history });
    const publisher = await connect(t, gateway.url);
    await publisher.subscribe("chat.a");
    const slow = await stalledSubscriber(t, gateway, "chat.a");
    const isDropped = async () => (await gateway.metric("tidegate_dropped_messages_total")) > 0;
    const count = await publishUntil(publisher, "chat.a", 0, isDropped, 4000);
    slow.socket.resume();
    await slow.over();
    const { messages, closeCode } = received(slow);
    assert.equal(closeCode, 4002);
    assert.equal(await gateway.metric(closedSlowly), 1);
    assert.ok(messages.length > 0 && messages.length < count, `${messages.length} of ${count}`);
    assert.ok(isPrefix(messages.map(({ message }) => message.n)));
    const again = await connect(t, gateway.url);
    const { offset, epoch } = messages.at(-1);
    const { recovered } = await again.subscribe("chat.a", { since: { offset, epoch } });
    // one ring holds half of a queue at most: what it no longer holds is not called recovered
    const missed = count - messages.length;
    if (recovered === true) {
      while (again.of("message").length < missed) await again.next({ action: "message" });
      const numbers = again.of("message").map(({ message }) => (message as { n: number }).n);
      assert.deepEqual(
        numbers,
        Array.from({ length: missed }, (_, i) => messages.length + i),
      );
    } else assert.ok(missed * 4000 > 1_048_576 / 2 - 16_000, `${missed} messages were still there`);
  });

  it("is closed without a close frame where it never reads again", async (t) => {
    const gateway = await startTestGateway(t, settings);
    const publisher = await connect(t, gateway.url);
    await publisher.subscribe("a");
    const slow = await stalledSubscriber(t, gateway, "a");
    await publishUntil(publisher, "a", 0, async () => (await gateway.metric(closedSlowly)) === 1);
    slow.socket.resume();
    await slow.over();
    const { messages, closeCode } = received(slow);
    assert.equal(closeCode, 1006);
    assert.ok(isPrefix(messages.map(({ message }) => message.n)));
  });

  it("and goes away meanwhile is counted as the slow one that it was, once", async (t) => {
    const gateway = await startTestGateway(t, settings);
    const publisher = await connect(t, gateway.url);
    await publisher.subscribe("a");
    const slow = await stalledSubscriber(t, gateway, "a");
    const isDropped = async () => (await gateway.metric("tidegate_dropped_messages_total")) > 0;
    await publishUntil(publisher, "a", 0, isDropped);
    slow.socket.resetAndDestroy();
    while ((await gateway.metric(closedSlowly)) === 0);
    await publisher.settled();
    assert.equal(await gateway.metric('tidegate_connections{format="json"}'), 1);
  });

  it("by its own requests is closed like any other", async (t) => {
    const gateway = await startTestGateway(t, { ...settings, channels: history });
    const publisher = await connect(t, gateway.url);
    await publisher.subscribe("chat.a");
    for (let n = 0; n < 40; n += 1) await publisher.ask("message", { channel: "chat.a", message: "x".repeat(8000) });
    const greedy = await RawClient.open(t, gateway.port);
    greedy.socket.pause();
    while ((await gateway.metric(closedSlowly)) === 0)
      for (let i = 0; i < 5; i += 1) greedy.write(requestFrame("history", { channel: "chat.a", limit: 40 }));
    await publisher.settled();
  });
});

describe("SlowConsumers", () => {
  const limit = 1000;
  const pass = (t: TestContext, ms: number): void => {
    for (let passed = 0; passed < ms; passed += 100) t.mock.timers.tick(100);
  };
  function setUp() {
    const { open, counters } = fakeConnections();
    const slowConsumers = new SlowConsumers(limit, counters);
    const { connection, socket } = open();
    socket.subscribe("a");
    socket.subscribe("~b");
    return { slowConsumers, connection, socket };
  }

  it("touch nothing inside the drop handler", () => {
    const { slowConsumers, connection, socket } = setUp();
    slowConsumers.dropped(connection, 100);
    assert.deepEqual([socket.topics.size, socket.closed, connection.isOpen], [2, undefined, false]);
  });

  it("are off all their topics after the cut", () => {
    const { slowConsumers, connection, socket } = setUp();
    socket.buffered = limit;
    slowConsumers.dropped(connection, 100);
    slowConsumers.cut();
    assert.deepEqual([socket.topics.size, socket.closed], [0, undefined]);
  });

  it("are cut by the event loop where nothing else does", async () => {
    const { slowConsumers, connection, socket } = setUp();
    slowConsumers.dropped(connection, 100);
    await turn();
    assert.deepEqual([socket.topics.size, socket.closed?.code], [0, 4002]);
  });

  it("may read what is queued, and are closed with 4002 once half of it is gone", (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const { slowConsumers, connection, socket } = setUp();
    socket.buffered = limit + 1;
    slowConsumers.dropped(connection, 100);
    slowConsumers.cut();
    pass(t, 1000);
    assert.equal(socket.closed, undefined);
    socket.buffered = limit / 2 - 1;
    pass(t, 100);
    assert.deepEqual(socket.closed, { code: 4002, reason: "too slow: reconnect and recover" });
  });

  it("are closed without a frame after two seconds", (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const { slowConsumers, connection, socket } = setUp();
    socket.buffered = limit + 1;
    slowConsumers.dropped(connection, 100);
    slowConsumers.cut();
    pass(t, 1900);
    assert.equal(socket.closed, undefined);
    pass(t, 200);
    assert.equal(connection.socket, undefined);
  });

  it("are left alone once they have gone by themselves", (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const { slowConsumers, connection, socket } = setUp();
    socket.buffered = limit + 1;
    slowConsumers.dropped(connection, 100);
    slowConsumers.cut();
    socket.close();
    pass(t, 5000);
    slowConsumers.cut();
  });

  it("are noted once, however many messages they lose", () => {
    const { open, counters } = fakeConnections();
    const slowConsumers = new SlowConsumers(limit, counters);
    const { connection } = open();
    for (let i = 0; i < 5; i += 1) slowConsumers.dropped(connection, 100);
    slowConsumers.cut();
    assert.deepEqual([counters.dropped, counters.closed.slow_consumer], [5, 1]);
  });

  // uWebSockets.js sends a frame of 16 KB or more behind the collected ones, of which some may have been lost just then.
  const [small, large] = ["x".repeat(16_383), "x".repeat(16_384)];
  const cases: [lost: number, published: string | Uint8Array | undefined, isClosedAtOnce: boolean][] = [
    [100, large, true],
    [100, Buffer.from(large), true],
    [100, "ü".repeat(8192), true],
    [16_384, large, false],
    [100, small, false],
    [100, undefined, false],
  ];
  for (const [lost, published, isClosedAtOnce] of cases) {
    it(`that lose ${lost} bytes at a publication of ${published?.length ?? "no"} may ${isClosedAtOnce ? "not read on" : "read on"}`, () => {
      const { slowConsumers, connection, socket } = setUp();
      socket.buffered = limit;
      slowConsumers.dropped(connection, lost);
      slowConsumers.cut(published);
      assert.equal(socket.closed !== undefined, isClosedAtOnce);
    });
  }
});
