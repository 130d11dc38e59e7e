import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { connect } from "../support/client.ts";
import { startTestGateway } from "../support/gateway.ts";
import { msgpack, publish, received, receivedUntilNow, without } from "./traffic.ts";

describe("Subscribing", () => {
  it("is answered with the channel, and with its position where it keeps history", async (t) => {
    const { url } = await startTestGateway(t);
    for (const options of [{}, msgpack]) {
      const client = await connect(t, url, options);
      const plain = await client.ask("subscribe", { channel: "news" });
      assert.deepEqual(without(plain, "id"), { success: true, action: "subscribe", channel: "news" });
      const kept = await client.ask("subscribe", { channel: "chat.room" });
      assert.deepEqual(Object.keys(without(kept, "id")), ["success", "action", "channel", "offset", "epoch"]);
      assert.equal(typeof kept.offset, "string");
      assert.equal(typeof kept.epoch, "string");
    }
  });

  it("without an id is answered without one", async (t) => {
    const { url } = await startTestGateway(t);
    const client = await connect(t, url);
    client.request("subscribe", { channel: "news" });
    assert.deepEqual(await client.next(), { success: true, action: "subscribe", channel: "news" });
  });

  it("a second time is answered alike, and delivers nothing twice", async (t) => {
    const { url } = await startTestGateway(t);
    for (const options of [{}, msgpack]) {
      const client = await connect(t, url, options);
      const replies = [await client.subscribe("chat.room"), await client.subscribe("chat.room")];
      assert.deepEqual(without(replies[0]!, "id"), without(replies[1]!, "id"));
      const { recipients_count } = await publish(client, "chat.room", "once");
      assert.equal(recipients_count, 1);
      assert.deepEqual(await receivedUntilNow(client, client, "chat.room"), ["once"]);
      client.socket.close();
      await client.close();
    }
  });

  it("carries exactly one channel: not one that begins or ends alike", async (t) => {
    const { url } = await startTestGateway(t);
    const [client, publisher] = [await connect(t, url), await connect(t, url)];
    await client.subscribe("news.sport");
    for (const channel of ["news", "news.sport", "news.sport.ski", "news.spor", "News.sport", "sport"]) {
      await publisher.subscribe(channel);
      await publish(publisher, channel, channel);
    }
    assert.deepEqual(await receivedUntilNow(client, publisher, "news.sport"), ["news.sport"]);
    assert.deepEqual(received(client).length, 2);
  });

  it("is refused beyond channelsPerConnectionMax; channels held already count once, and one given back is free", async (t) => {
    const { url } = await startTestGateway(t, { channelsPerConnectionMax: 2 });
    const client = await connect(t, url);
    await client.subscribe("one");
    await client.subscribe("two");
    await client.subscribe("two");
    const refused = await client.ask("subscribe", { channel: "three" });
    assert.deepEqual(without(refused, "id"), {
      success: false,
      action: "error",
      error: "Limit reached: at most 2 channels for one connection",
      code: "limit_reached",
      request: "subscribe",
      channel: "three",
    });
    await client.ask("unsubscribe", { channel: "three" });
    assert.equal((await client.ask("subscribe", { channel: "three" })).code, "limit_reached");
    await client.ask("unsubscribe", { channel: "one" });
    await client.subscribe("three");
    await publish(client, "three", "hello");
    await (await connect(t, url)).subscribe("three"); // the limit is each connection's own
  });

  it("is refused to everybody where the policy says nobody", async (t) => {
    const { url } = await startTestGateway(t, { channels: { "closed.>": { subscribe: "nobody" } } });
    const client = await connect(t, url);
    const { code, error } = await client.ask("subscribe", { channel: "closed.room" });
    assert.deepEqual([code, error], ["forbidden", "Not allowed to subscribe to channel closed.room"]);
  });
});

describe("Unsubscribing", () => {
  it("is answered alike whether the connection was subscribed or not", async (t) => {
    const { url } = await startTestGateway(t);
    const client = await connect(t, url);
    await client.subscribe("news");
    const wanted = { success: true, action: "unsubscribe", channel: "news" };
    for (let i = 0; i < 3; i += 1)
      assert.deepEqual(without(await client.ask("unsubscribe", { channel: "news" }), "id"), wanted);
    const other = await client.ask("unsubscribe", { channel: "never.seen" });
    assert.deepEqual(without(other, "id"), { ...wanted, channel: "never.seen" });
  });

  it("ends the delivery of its channel and of no other", async (t) => {
    const { url } = await startTestGateway(t);
    const [client, publisher] = [await connect(t, url), await connect(t, url)];
    for (const channel of ["one", "two"]) for (const each of [client, publisher]) await each.subscribe(channel);
    await client.ask("unsubscribe", { channel: "one" });
    assert.equal((await publish(publisher, "one", "not for you")).recipients_count, 1);
    await publish(publisher, "two", "for you");
    assert.deepEqual(await receivedUntilNow(client, publisher, "two"), ["for you"]);
    assert.deepEqual(received(client, "one"), []);
  });

  it("comes after what was acknowledged before it, and before everything after", async (t) => {
    const { url } = await startTestGateway(t);
    for (const options of [{}, msgpack]) {
      const [client, publisher] = [await connect(t, url, options), await connect(t, url)];
      await publisher.subscribe("news");
      for (let round = 0; round < 20; round += 1) {
        await client.subscribe("news");
        // One after the other in one turn of the event loop: nothing has left the gateway when the client goes.
        publisher.request("message", { channel: "news", message: `${round} before` });
        client.request("unsubscribe", { channel: "news" });
        const { recipients_count } = await publisher.next({ action: "message_sent" });
        publisher.request("message", { channel: "news", message: `${round} after` });
        await client.next({ action: "unsubscribe" });
        await publisher.next({ action: "message_sent" });
        await client.settled();
        const got = received(client, "news").filter((message) => (message as string).startsWith(`${round} `));
        assert.deepEqual(got.slice(0, 1), recipients_count === 2 ? [`${round} before`] : []);
      }
      client.request("batch", {
        items: [
          { action: "subscribe", data: { channel: "own" } },
          { action: "message", data: { channel: "own", message: "before" } },
          { action: "unsubscribe", data: { channel: "own" } },
          { action: "message", data: { channel: "own", message: "after" } },
        ],
      });
      const error = await client.next({ action: "error", channel: "own" });
      assert.equal(error.code, "not_subscribed");
      const order = client.frames.filter(({ channel }) => channel === "own").map(({ action }) => action);
      assert.deepEqual(order, ["subscribe", "message_sent", "message", "unsubscribe", "error"]);
      publisher.socket.close();
      client.socket.close();
    }
  });

  it("happens by itself when the connection ends", async (t) => {
    const { url } = await startTestGateway(t);
    const [client, publisher] = [await connect(t, url), await connect(t, url)];
    for (const each of [client, publisher]) await each.subscribe("news");
    client.socket.close();
    await client.close();
    await publisher.settled();
    assert.equal((await publish(publisher, "news", "alone")).recipients_count, 1);
  });
});
