import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { connect, type TestClient } from "../support/client.ts";
import { startTestGateway } from "../support/gateway.ts";
import { token } from "../support/tokens.ts";
import { publish, received, receivedUntilNow } from "./traffic.ts";

const ways = {
  "JSON, by ?batch=true": { query: "?batch=true", subprotocols: [] },
  "JSON, by the subprotocol": { query: "", subprotocols: ["tidegate.json.batch.v1"] },
  "MessagePack, by ?batch=true": { query: "?format=msgpack&batch=true", subprotocols: [] },
  "MessagePack, by the subprotocol": { query: "", subprotocols: ["tidegate.msgpack.batch.v1"] },
};

const room = "chat.room"; // with history
const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

const itemOf = (message: unknown, more: object = {}) => ({
  action: "message",
  data: { channel: room, message, ...more },
});

/** One frame of the client's that publishes all of `messages`, so that they leave together; resolves once it has them. */
async function publishTogether(client: TestClient, messages: readonly unknown[]): Promise<void> {
  const items = messages.map((message) => itemOf(message));
  client.request("batch", { items });
  await client.next({ action: "message", message: messages.at(-1) });
}

/** A publisher who takes frames one by one, and somebody who takes batches, in the same room. */
async function startRoom(t: TestContext, way: (typeof ways)[keyof typeof ways] = ways["JSON, by ?batch=true"]) {
  const gateway = await startTestGateway(t);
  const { url } = gateway;
  const plain = await connect(t, url);
  const batched = await connect(t, url + way.query, { subprotocols: way.subprotocols });
  for (const client of [plain, batched]) await client.subscribe(room);
  return { gateway, url, plain, batched };
}

describe("A connection that takes batches", () => {
  for (const [name, way] of Object.entries(ways)) {
    it(`gets publications that leave together as one array, equal to the frames that others get: ${name}`, async (t) => {
      const { plain, batched } = await startRoom(t, way);
      const texts = numbers(50).map((i) => `\u{1f600} ${i} "\\`);
      await publishTogether(plain, texts);
      await batched.next({ action: "message", message: texts.at(-1) });
      assert.deepEqual(received(batched), texts);
      assert.deepEqual(batched.arrays, [50]);
      assert.deepEqual(batched.of("message"), plain.of("message"));
      assert.deepEqual(plain.arrays, []);
    });
  }

  it("gets a publication that leaves alone, a reply, and what it missed as frames of their own", async (t) => {
    const { url, plain, batched } = await startRoom(t);
    const { offset, epoch } = await publish(batched, room, "alone");
    await publishTogether(plain, numbers(20));
    const late = await connect(t, `${url}?batch=true`);
    await late.subscribe(room, { since: { offset, epoch } });
    await late.settled();
    assert.deepEqual(received(late), numbers(20));
    assert.deepEqual(late.arrays, []);
    assert.equal(batched.of("message")[0]?.message, "alone");
    await batched.next({ message: 19 });
    assert.deepEqual(batched.arrays, [20]);
  });

  it("gets several arrays where one would be longer than 60,000 characters, in order", async (t) => {
    const { url, batched } = await startRoom(t);
    const packing = await connect(t, `${url}?format=msgpack`);
    await packing.subscribe(room);
    const escaped = "\u0001"; // a byte in MessagePack, six characters in JSON
    const texts = [...numbers(30).map((i) => String(i) + escaped.repeat(1000)), escaped.repeat(15_000), "last"];
    await publishTogether(packing, texts);
    await batched.next({ message: "last" });
    assert.deepEqual(received(batched), texts);
    assert.ok(batched.arrays.length >= 3, String(batched.arrays));
    assert.ok(Math.max(...batched.arrays) < 10, String(batched.arrays));
  });

  it("gets them in the order of the channel, also between those that are not for all", async (t) => {
    const { url, plain, batched } = await startRoom(t);
    const other = await connect(t, `${url}?batch=true`);
    await other.subscribe(room);
    const mixed = (client: TestClient): void => {
      const to = { recipients: [batched, plain, other].map(({ connectionId }) => connectionId) };
      const items = numbers(30).map((i) => itemOf(i, i % 5 === 3 ? to : i % 7 === 4 ? { echo: false } : {}));
      client.request("batch", { items });
    };
    const withoutEchoes = numbers(30).filter((i) => i % 5 === 3 || i % 7 !== 4);
    mixed(batched);
    assert.deepEqual(await receivedUntilNow(plain, batched, room), numbers(30));
    assert.deepEqual(await receivedUntilNow(other, plain, room), [...numbers(30), received(plain)[30]]);
    assert.deepEqual(received(batched).slice(0, withoutEchoes.length), withoutEchoes);
    mixed(plain);
    assert.deepEqual((await receivedUntilNow(batched, plain, room)).slice(-30), numbers(30));
  });

  it("gets joins and leaves among them, in the order of the channel", async (t) => {
    const { url, plain, batched } = await startRoom(t);
    const channel = "presence.room";
    for (const client of [plain, batched]) await client.subscribe(channel);
    const guest = await connect(t, url);
    const items = numbers(20).flatMap((message) => [
      { action: "subscribe", data: { channel } },
      { action: "message", data: { channel, message } },
      { action: "unsubscribe", data: { channel } },
    ]);
    guest.request("batch", { items });
    const heard = async (client: TestClient): Promise<unknown[]> => {
      while (client.of("presence").filter(({ event }) => event === "leave").length < 20) await client.settled();
      return client.frames.filter((frame) => frame.channel === channel && frame.sender !== client.connectionId);
    };
    const ofGuest = (frames: unknown[]): unknown[] => frames.slice(-60);
    assert.deepEqual(ofGuest(await heard(batched)), ofGuest(await heard(plain)));
    assert.ok(batched.arrays.length > 0);
  });

  it("gets one array too of somebody who wants no echo, whatever encoding that one has", async (t) => {
    const { url, plain, batched } = await startRoom(t);
    const other = await connect(t, `${url}?batch=true`);
    await other.subscribe(room);
    for (const [name, publisher] of Object.entries({ plain, batched })) {
      publisher.request("batch", { items: numbers(10).map((i) => itemOf(`${name} ${i}`, { echo: false })) });
      await other.next({ message: `${name} 9` });
    }
    await batched.settled();
    assert.deepEqual(other.arrays, [10, 10]);
    assert.deepEqual(batched.arrays, [10]);
  });

  it("is counted with a delivery for each message, and with a frame for each array", async (t) => {
    const { gateway, plain, batched } = await startRoom(t);
    let bytes = 0;
    for (const { socket } of [plain, batched]) socket.on("message", (data: Buffer) => (bytes += data.length));
    const names = ["deliveries_total", "frames_sent_total", "sent_bytes_total"].map((name) => `tidegate_${name}`);
    const figures = () => Promise.all(names.map((name) => gateway.metric(name)));
    const before = await figures();
    await publishTogether(plain, numbers(10));
    for (const client of [plain, batched]) await publish(client, room, "for the other", { echo: false });
    for (const client of [plain, batched]) await client.settled();
    const after = await figures();
    assert.deepEqual(
      after.map((figure, i) => figure - before[i]!),
      [20 + 2, 10 + 10 + 1 + 3 * 2, bytes],
    );
  });

  it("is found by its channels, and loses those that a new token does not open", async (t) => {
    const gateway = await startTestGateway(t);
    const channel = "private.team.a";
    const path = `?batch=true&token=${token({ user_id: 1, channels: ["private.team.a"] })}`;
    const batched = await connect(t, `${gateway.url}/${path}`);
    await batched.subscribe(channel);
    const found = await gateway.calls.channels({});
    assert.deepEqual(found.items, [{ channel, subscribers: 1 }]);
    await batched.ask("authenticate", { token: token({ user_id: 1 }) });
    await batched.next({ action: "error", channel, code: "forbidden" });
    assert.equal(await gateway.metric("tidegate_subscriptions"), 0);
  });

  it("counts among the connections and the recipients, beside those of every other encoding", async (t) => {
    const { gateway, url, plain } = await startRoom(t);
    for (const query of ["?format=msgpack", "?format=msgpack&batch=true"])
      await (await connect(t, url + query)).subscribe(room);
    const to = await publish(plain, room, "for all");
    assert.equal(to.recipients_count, 4);
    for (const format of ["json", "msgpack"])
      assert.equal(await gateway.metric(`tidegate_connections{format="${format}"}`), 2);
  });

  it("gets nothing more of a channel that it has left", async (t) => {
    const { plain, batched } = await startRoom(t);
    await publishTogether(plain, numbers(10));
    await batched.next({ message: 9 });
    await batched.ask("unsubscribe", { channel: room });
    await publishTogether(plain, numbers(10));
    await batched.settled();
    assert.equal(received(batched).length, 10);
  });
});
