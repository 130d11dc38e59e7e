import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { type ConnectOptions, connect, type Frame, type TestClient } from "../support/client.ts";
import { startTestGateway } from "../support/gateway.ts";
import { token } from "../support/tokens.ts";
import { msgpack, publish, received, without } from "./traffic.ts";

const channel = "chat.room";
const positionOf = ({ offset, epoch }: Frame) => ({ offset, epoch });

/** Publishes `texts` one after the other; resolves to their positions. */
async function publishAll(
  client: TestClient,
  texts: readonly string[],
): Promise<{ offset: unknown; epoch: unknown }[]> {
  const positions = [];
  for (const text of texts) positions.push(positionOf(await publish(client, channel, text)));
  return positions;
}

async function publisherOf(t: TestContext, url: string): Promise<TestClient> {
  const publisher = await connect(t, url);
  await publisher.subscribe(channel);
  return publisher;
}

/** Subscribes a new connection with `options`; resolves to its reply and all that was replayed. */
async function returned(t: TestContext, url: string, options: object, connectOptions: ConnectOptions = {}) {
  const client = await connect(t, url, connectOptions);
  const reply = await client.subscribe(channel, options);
  await client.settled();
  return { client, reply, replayed: client.of("message") };
}

describe("A client that comes back with since", () => {
  it("gets every message that it missed, once and in order, flagged, then live ones without the flag", async (t) => {
    const { url } = await startTestGateway(t);
    const publisher = await publisherOf(t, url);
    const positions = await publishAll(publisher, ["one", "two", "three", "four"]);
    const missed = publisher.of("message").slice(2);
    for (const options of [{}, msgpack]) {
      const { client, reply, replayed } = await returned(t, url, { since: positions[1] }, options);
      const wanted = { success: true, action: "subscribe", channel, ...positions[3], recovered: true };
      assert.deepEqual(without(reply, "id"), wanted);
      assert.deepEqual(
        replayed,
        missed.map((frame) => ({ ...frame, replayed: true })),
      );
      const here = { connections: [client.connectionId] };
      await publish(publisher, channel, "live", here);
      assert.equal("replayed" in (await client.next({ message: "live" })), false);
    }
  });

  it("with the latest position has missed nothing, and is told so", async (t) => {
    const { url } = await startTestGateway(t);
    const publisher = await publisherOf(t, url);
    const positions = await publishAll(publisher, ["one"]);
    const { reply, replayed } = await returned(t, url, { since: positions[0] });
    assert.deepEqual([reply.recovered, positionOf(reply), replayed], [true, positions[0], []]);
  });

  it("may use the position of its subscribe, also where the channel had no message then", async (t) => {
    const { url } = await startTestGateway(t);
    const { client, reply } = await returned(t, url, {});
    client.socket.terminate();
    const publisher = await publisherOf(t, url);
    await publishAll(publisher, ["one", "two"]);
    const again = await returned(t, url, { since: positionOf(reply) });
    assert.equal(again.reply.recovered, true);
    assert.deepEqual(received(again.client), ["one", "two"]);
  });

  it("may use the position of an acknowledgement, or the one that a subscribe's reply gave after a replay", async (t) => {
    const { url } = await startTestGateway(t);
    const publisher = await publisherOf(t, url);
    const positions = await publishAll(publisher, ["one", "two"]);
    const { reply } = await returned(t, url, { since: positions[0] });
    await publishAll(publisher, ["three"]);
    const again = await returned(t, url, { since: positionOf(reply) });
    assert.deepEqual([again.reply.recovered, received(again.client)], [true, ["three"]]);
  });

  it("gets nothing live before the reply and the replay, though publishers never pause", async (t) => {
    const { url } = await startTestGateway(t);
    const publisher = await publisherOf(t, url);
    const [start] = await publishAll(publisher, ["start"]);
    const client = await connect(t, url);
    for (let round = 0; round < 10; round += 1) {
      client.frames.length = 0;
      for (let n = 0; n < 5; n += 1) publisher.request("message", { channel, message: `${round}:${n}` });
      client.request("subscribe", { channel, options: { since: start } });
      for (let n = 5; n < 8; n += 1) publisher.request("message", { channel, message: `${round}:${n}` });
      await publisher.next({ action: "message", message: `${round}:7` });
      await client.settled();
      const { action, recovered } = client.frames[0]!;
      assert.deepEqual([action, recovered], ["subscribe", true]);
      const flags = client.of("message").map(({ replayed }) => replayed === true);
      assert.deepEqual(flags, [...flags].sort().reverse());
      assert.deepEqual(received(client), received(publisher).slice(1));
      await client.ask("unsubscribe", { channel });
    }
  });
});

describe("A recovery from the position of another channel", () => {
  it("is proven where nothing behind it has gone: positions are those of the log, which all channels share", async (t) => {
    const { url } = await startTestGateway(t, { channels: { "chat.>": { history: { size: 3, seconds: 300 } } } });
    const publisher = await publisherOf(t, url);
    const elsewhere = await connect(t, url);
    await elsewhere.subscribe("chat.other");
    const early = positionOf(await publish(elsewhere, "chat.other", "elsewhere"));
    await publishAll(publisher, ["1"]);
    const late = positionOf(await publish(elsewhere, "chat.other", "elsewhere"));
    const positions = await publishAll(publisher, ["2", "3", "4"]);
    const recovered = await returned(t, url, { since: late });
    assert.equal(recovered.reply.recovered, true);
    assert.deepEqual(
      recovered.replayed.map(({ message }) => message),
      ["2", "3", "4"],
    );
    const refused = await returned(t, url, { since: early }); // "1" has gone
    assert.deepEqual([refused.reply.recovered, positionOf(refused.reply)], [false, positions[2]]);
  });
});

describe("A recovery that cannot be proven", () => {
  it("is told: recovered false, the present position, and nothing that looks like a recovery", async (t) => {
    const { url } = await startTestGateway(t, { channels: { "chat.>": { history: { size: 3, seconds: 300 } } } });
    const publisher = await publisherOf(t, url);
    const positions = await publishAll(publisher, ["1", "2", "3", "4", "5"]);
    const { offset, epoch } = positions[4]!;
    const future = String(BigInt(String(offset)) + 1000n);
    const hopeless: Record<string, object> = {
      "an evicted offset": positions[0]!,
      "an offset of the future": { offset: future, epoch },
      "a made-up offset": { offset: "made up", epoch },
      "a numeric offset that nobody had": { offset: "1", epoch },
      "a bit of an offset": { offset: String(offset).slice(0, -1), epoch },
      "an offset with a blank": { offset: `${offset} `, epoch },
      "another epoch": { offset, epoch: "made up" },
      "an epoch with a blank": { offset, epoch: `${epoch} ` },
    };
    for (const [name, since] of Object.entries(hopeless)) {
      const { client, reply, replayed } = await returned(t, url, { since });
      assert.deepEqual([reply.recovered, positionOf(reply), replayed], [false, positions[4], []], name);
      const to = { connections: [client.connectionId] };
      await publish(publisher, channel, "live", to);
      await client.next({ message: "live" });
      client.socket.terminate();
    }
  });

  it("begins right behind the edge: one message evicted after the client's is still whole, two are not", async (t) => {
    const { url } = await startTestGateway(t, { channels: { "chat.>": { history: { size: 3, seconds: 300 } } } });
    const publisher = await publisherOf(t, url);
    const positions = await publishAll(publisher, ["1", "2", "3", "4", "5"]);
    const edge = await returned(t, url, { since: positions[1] });
    assert.deepEqual([edge.reply.recovered, received(edge.client)], [true, ["3", "4", "5"]]);
    const behind = await returned(t, url, { since: positions[0] });
    assert.deepEqual([behind.reply.recovered, received(behind.client)], [false, []]);
  });

  it("still replays the latest messages where the history option asks for them; a proven one replays what was missed", async (t) => {
    const { url } = await startTestGateway(t, { channels: { "chat.>": { history: { size: 3, seconds: 300 } } } });
    const publisher = await publisherOf(t, url);
    const positions = await publishAll(publisher, ["1", "2", "3", "4", "5"]);
    const lost = await returned(t, url, { since: positions[0], history: 2 });
    assert.deepEqual([lost.reply.recovered, received(lost.client)], [false, ["4", "5"]]);
    const whole = await returned(t, url, { since: positions[1], history: 2 });
    assert.deepEqual([whole.reply.recovered, received(whole.client)], [true, ["3", "4", "5"]]);
  });

  it("is every one over a restart of the gateway: the log has a new life", async (t) => {
    const [before, after] = [await startTestGateway(t), await startTestGateway(t)];
    const [position] = await publishAll(await publisherOf(t, before.url), ["one"]);
    const [same] = await publishAll(await publisherOf(t, after.url), ["one"]);
    assert.equal(position!.offset, same!.offset); // the offset alone would fit
    const { reply } = await returned(t, after.url, { since: position });
    assert.deepEqual([reply.recovered, positionOf(reply)], [false, same]);
  });

  it("is every one on a channel without history, which has no position either", async (t) => {
    const { url } = await startTestGateway(t);
    const client = await connect(t, url);
    const reply = await client.ask("subscribe", { channel: "news", options: { since: { offset: "1", epoch: "e" } } });
    assert.deepEqual(without(reply, "id"), { success: true, action: "subscribe", channel: "news", recovered: false });
  });

  it("is counted, as a proven one is", async (t) => {
    const gateway = await startTestGateway(t);
    const publisher = await publisherOf(t, gateway.url);
    const [position] = await publishAll(publisher, ["1", "2"]);
    await returned(t, gateway.url, { since: position });
    await returned(t, gateway.url, { since: { ...position, offset: "made up" } });
    assert.equal(await gateway.metric('tidegate_recoveries_total{result="recovered"}'), 1);
    assert.equal(await gateway.metric('tidegate_recoveries_total{result="failed"}'), 1);
  });
});

/** A subscriber that loses its connection again and again, and goes on from the last message that it has. */
class Wanderer {
  readonly #t: TestContext;
  readonly #url: string;
  readonly #options: ConnectOptions;
  readonly heard: unknown[] = [];
  replayed = 0;
  client: TestClient | undefined;
  #since: object | undefined;

  constructor(t: TestContext, url: string, options: ConnectOptions) {
    this.#t = t;
    this.#url = url;
    this.#options = options;
  }

  async arrive(): Promise<void> {
    this.client = await connect(this.#t, this.#url, this.#options);
    const reply = await this.client.subscribe(channel, { since: this.#since });
    if (this.#since !== undefined) assert.equal(reply.recovered, true);
    this.#since ??= positionOf(reply);
  }

  /** Cuts the line; what the client has not read by now counts as never received. */
  leave(): void {
    const { client } = this;
    if (client === undefined) return;
    this.client = undefined;
    client.socket.terminate();
    const messages = client.of("message");
    for (const { message } of messages) this.heard.push(message);
    this.replayed += messages.filter(({ replayed }) => replayed).length;
    if (messages.length > 0) this.#since = positionOf(messages.at(-1)!);
  }
}

describe("Recovery while publishers never pause", () => {
  it("loses nothing, doubles nothing and keeps the order, over many returns in both encodings", async (t) => {
    const { url } = await startTestGateway(t, { channels: { "chat.>": { history: { size: 5000, seconds: 300 } } } });
    const witness = await publisherOf(t, url);
    const wanderers = [{}, msgpack, {}, msgpack].map((options) => new Wanderer(t, url, options));
    for (const wanderer of wanderers) await wanderer.arrive();
    const publishers: TestClient[] = [];
    for (let i = 0; i < 3; i += 1) publishers.push(await publisherOf(t, url));
    let isOver = false;
    const publishing = publishers.map(async (publisher, i) => {
      let n = 0;
      for (; !isOver; n += 1) await publish(publisher, channel, `${i}:${n}`, { echo: n % 2 === 0 });
      return n;
    });
    const wandering = wanderers.map(async (wanderer, i) => {
      for (let round = 0; round < 12; round += 1) {
        await wanderer.client!.next({ action: "message" });
        await new Promise((resolve) => setTimeout(resolve, (round * 7 + i * 5) % 20));
        wanderer.leave();
        await new Promise((resolve) => setTimeout(resolve, (round * 5 + i * 3) % 15));
        await wanderer.arrive();
      }
    });
    await Promise.all(wandering);
    isOver = true;
    const counts = await Promise.all(publishing);
    await publish(witness, channel, "end");
    await witness.next({ message: "end" });
    const wanted = received(witness);
    assert.equal(wanted.length, counts.reduce((sum, count) => sum + count, 0) + 1);
    for (const wanderer of wanderers) {
      await wanderer.client!.next({ message: "end" });
      wanderer.leave();
      assert.deepEqual(wanderer.heard, wanted);
      assert.equal(wanderer.replayed > 0, true); // or nothing was recovered and the test showed nothing
    }
  });

  it("is whole for a publisher whose own messages were under way: sent again with their keys, each comes once", async (t) => {
    const { url } = await startTestGateway(t);
    const witness = await publisherOf(t, url);
    const address = `${url}?token=${token({ user_id: "alice" })}`;
    let since: object = positionOf(await publish(witness, channel, "start"));
    const heard: unknown[] = [];
    const acknowledged = new Set<number>();
    let sent = 0;
    let resent = 0;
    let rounds = 0;
    while (acknowledged.size < 120) {
      const alice = await connect(t, address);
      alice.socket.on("message", (data: Buffer) => {
        const frame = JSON.parse(data.toString()) as Frame;
        if (frame.action === "message_sent") acknowledged.add(frame.id as number);
        if (frame.action !== "message") return;
        heard.push(frame.message);
        since = positionOf(frame);
      });
      const reply = await alice.subscribe(channel, { since });
      assert.equal(reply.recovered, true);
      const publishOne = (n: number) => alice.request("message", { channel, message: n, key: `run:alice:${n}` }, n);
      const unanswered = Array.from({ length: sent }, (_, n) => n).filter((n) => !acknowledged.has(n));
      for (const n of unanswered) publishOne(n);
      resent += unanswered.length;
      for (let n = 0; n < 8; n += 1) publishOne(sent++);
      // Cut now here, now there: before anything can have come back, in the middle of it, or behind everything.
      rounds += 1;
      if (rounds % 3 === 0) await alice.settled();
      else if (rounds % 3 === 1) await new Promise((resolve) => setImmediate(resolve));
      else await new Promise<void>((resolve) => alice.socket.once("message", () => resolve()));
      alice.socket.terminate();
      alice.socket.removeAllListeners("message");
    }
    assert.equal(resent > 0, true); // or the line was never cut in time
    const last = await returned(t, address, { since });
    await publish(witness, channel, "end");
    await last.client.next({ message: "end" });
    heard.push(...received(last.client));
    await witness.settled();
    const wanted = received(witness).slice(1);
    assert.deepEqual(heard, wanted);
    const count = wanted.length - 1;
    assert.deepEqual(wanted, [...Array.from({ length: count }, (_, n) => n), "end"]);
    assert.equal(count >= 120 && count <= sent, true);
  });
});
