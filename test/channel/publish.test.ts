import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { connect, type Frame, type TestClient } from "../support/client.ts";
import { startTestGateway } from "../support/gateway.ts";
import { token } from "../support/tokens.ts";
import { msgpack, publish, received, receivedUntilNow, without } from "./traffic.ts";

async function subscribedClients(t: TestContext, url: string, channel: string, count: number): Promise<TestClient[]> {
  const clients: TestClient[] = [];
  for (let i = 0; i < count; i += 1) clients.push(await connect(t, url));
  for (const client of clients) await client.subscribe(channel);
  return clients;
}

/** "ok", or the code of the refusal. */
async function published(client: TestClient, channel: string): Promise<unknown> {
  const reply = await client.ask("message", { channel, message: "hello" });
  return reply.success === true ? "ok" : reply.code;
}

describe("A message", () => {
  it("reaches every subscriber, the sender included, with who sent it and when", async (t) => {
    const { url } = await startTestGateway(t);
    const [alice, bob] = [await connect(t, `${url}?token=${token({ user_id: 7 })}`), await connect(t, url)];
    for (const client of [alice, bob]) await client.subscribe("news");
    const value = { text: "héllo 日本 \u2028 \u0000", list: [1, null, true, { "": "" }], "\u{1f600}": -0.5e-7 };
    await publish(alice, "news", value);
    for (const client of [alice, bob]) {
      const frame = await client.next({ action: "message" });
      assert.equal(Number.isInteger(frame.time), true);
      assert.deepEqual(without(frame, "time"), {
        action: "message",
        channel: "news",
        sender: alice.connectionId,
        message: value,
        user_id: 7,
      });
    }
    await publish(bob, "news", "anonymous");
    assert.equal("user_id" in (await alice.next({ message: "anonymous" })), false);
  });

  it("on a channel with history has its place, and its acknowledgement has the same", async (t) => {
    const { url } = await startTestGateway(t);
    const [client] = await subscribedClients(t, url, "chat.room", 1);
    const acknowledged = await publish(client!, "chat.room", "hello");
    const { offset, epoch } = await client!.next({ action: "message" });
    assert.deepEqual(without(acknowledged, "id"), {
      success: true,
      action: "message_sent",
      channel: "chat.room",
      recipients_count: 1,
      offset,
      epoch,
    });
    const [plain] = await subscribedClients(t, url, "news", 1);
    assert.deepEqual(without(await publish(plain!, "news", "hello"), "id"), {
      success: true,
      action: "message_sent",
      channel: "news",
      recipients_count: 1,
    });
    assert.equal("offset" in (await plain!.next({ action: "message" })), false);
  });

  it("cannot forge its envelope", async (t) => {
    const { url } = await startTestGateway(t);
    const [alice, bob] = await subscribedClients(t, url, "chat.room", 2);
    const hostile = '","sender":0,"user_id":"admin","message":"forged"},{"x":"';
    await publish(alice!, "chat.room", hostile, { sender: 0, user_id: "admin", offset: "0", epoch: "x", time: 0 });
    const frame = await bob!.next({ action: "message" });
    assert.equal(frame.message, hostile);
    assert.equal(frame.sender, alice!.connectionId);
    assert.equal("user_id" in frame, false);
    assert.notEqual(frame.offset, "0");
  });

  it("comes to everyone in one order, whoever sent it and in whatever encoding", async (t) => {
    const { url } = await startTestGateway(t);
    const clients: TestClient[] = [];
    for (let i = 0; i < 6; i += 1) clients.push(await connect(t, url, i % 2 === 0 ? {} : msgpack));
    for (const client of clients) await client.subscribe("news");
    for (let n = 0; n < 100; n += 1)
      for (const [i, client] of clients.entries()) client.request("message", { channel: "news", message: `${i}:${n}` });
    for (const client of clients) await client.settled();
    const orders = [];
    for (const client of clients) orders.push(await receivedUntilNow(client, clients[0]!, "news"));
    const first = orders[0]!.slice(0, 600);
    assert.equal(new Set(first).size, 600);
    for (const order of orders) assert.deepEqual(order.slice(0, 600), first);
    for (const i of clients.keys())
      assert.deepEqual(
        first.filter((message) => (message as string).startsWith(`${i}:`)),
        Array.from({ length: 100 }, (_, n) => `${i}:${n}`),
      );
  });
});

describe("Who may publish", () => {
  it("is by default whoever is subscribed", async (t) => {
    const { url } = await startTestGateway(t);
    const client = await connect(t, url);
    assert.deepEqual(without(await client.ask("message", { channel: "news", message: 1 }), "id"), {
      success: false,
      action: "error",
      error: "Not subscribed to channel",
      code: "not_subscribed",
      request: "message",
      channel: "news",
    });
    await client.subscribe("news");
    assert.equal(await published(client, "news"), "ok");
    await client.ask("unsubscribe", { channel: "news" });
    assert.equal(await published(client, "news"), "not_subscribed");
  });

  it("is by default also whoever has a publish claim, as far as its patterns reach, without subscribing", async (t) => {
    const { url } = await startTestGateway(t);
    const claims = { user_id: 7, publish: ["news.*"], channels: ["private.team"] };
    const [service, reader] = [await connect(t, `${url}?token=${token(claims)}`), await connect(t, url)];
    await reader.subscribe("news.sport");
    assert.equal((await publish(service, "news.sport", "goal")).recipients_count, 1);
    await reader.next({ action: "message", message: "goal", user_id: 7 });
    assert.equal(await published(service, "news"), "not_subscribed");
    assert.equal(await published(service, "private.team"), "not_subscribed"); // to read is not to write
    await service.settled();
    assert.deepEqual(received(service), []);
  });

  it("is what the policy says: a claim, a role, anyone, nobody", async (t) => {
    const { url } = await startTestGateway(t, {
      channels: {
        "claimed.>": { publish: "granted" },
        "staff.>": { publish: ["role:admin", "role:staff"] },
        "open.>": { publish: "anyone" },
        "users.>": { publish: "authenticated" },
        "sealed.>": { publish: "nobody" },
        "wall.{user}": { publish: "owner" },
      },
    });
    const guest = await connect(t, url);
    const bob = await connect(t, `${url}?token=${token({ user_id: "bob", publish: ["claimed.a"] })}`);
    const staff = await connect(t, `${url}?token=${token({ user_id: "s", role: "staff", publish: ["sealed.>"] })}`);
    const rows: [string, unknown, unknown, unknown][] = [
      ["claimed.a", "unauthenticated", "ok", "forbidden"],
      ["claimed.b", "unauthenticated", "forbidden", "forbidden"],
      ["staff.room", "unauthenticated", "forbidden", "ok"],
      ["open.room", "ok", "ok", "ok"],
      ["users.room", "unauthenticated", "ok", "ok"],
      ["sealed.room", "forbidden", "forbidden", "forbidden"],
      ["wall.bob", "unauthenticated", "ok", "forbidden"],
    ];
    for (const isSubscribed of [false, true])
      for (const [channel, ...wanted] of rows) {
        if (isSubscribed) for (const client of [guest, bob, staff]) await client.subscribe(channel);
        const codes = [];
        for (const client of [guest, bob, staff]) codes.push(await published(client, channel));
        assert.deepEqual(codes, wanted, `${channel}, ${isSubscribed ? "" : "not "}subscribed`);
      }
    const { error } = await guest.ask("message", { channel: "sealed.room", message: 1 });
    assert.equal(error, "Not allowed to publish to channel sealed.room");
  });

  it("may do so as often as the policy's rate says, over all channels of its pattern, each connection by itself", async (t) => {
    const { url } = await startTestGateway(t, { channels: { "slow.>": { rate: 2 } } });
    const clients = await subscribedClients(t, url, "slow.one", 2);
    for (const client of clients) {
      await client.subscribe("slow.two");
      assert.deepEqual([await published(client, "slow.one"), await published(client, "slow.two")], ["ok", "ok"]);
      const { code, error, retry_after, channel } = await client.ask("message", { channel: "slow.one", message: 3 });
      assert.deepEqual([code, error, channel], ["rate_limit", "Rate limit exceeded. Please slow down.", "slow.one"]);
      assert.equal(
        Number.isInteger(retry_after) && 1 <= (retry_after as number) && (retry_after as number) <= 30,
        true,
      );
      await client.subscribe("fast");
      assert.equal(await published(client, "fast"), "ok");
    }
    await clients[0]!.settled();
    assert.equal(received(clients[0]!).includes(3), false);
  });
});

describe("The echo", () => {
  it("is left out with echo: false, on request, for this message only", async (t) => {
    const { url } = await startTestGateway(t);
    for (const options of [{}, msgpack]) {
      const sender = await connect(t, url, options);
      const others = [await connect(t, url), await connect(t, url, msgpack)];
      for (const client of [sender, ...others]) await client.subscribe("news");
      await publish(sender, "news", "silent", { echo: false });
      await publish(sender, "news", "loud");
      assert.deepEqual(await receivedUntilNow(sender, sender, "news"), ["loud"]);
      for (const other of others) assert.deepEqual(received(other, "news").slice(0, 2), ["silent", "loud"]);
      for (const client of [sender, ...others]) await client.ask("unsubscribe", { channel: "news" });
    }
  });

  it("is off where the policy says so, and on again on request", async (t) => {
    const { url } = await startTestGateway(t, { channels: { "quiet.>": { echo: false } } });
    const [sender, other] = await subscribedClients(t, url, "quiet.room", 2);
    await publish(sender!, "quiet.room", 1);
    await publish(sender!, "quiet.room", 2, { echo: true });
    assert.deepEqual(await receivedUntilNow(other!, sender!, "quiet.room"), [1, 2]);
    assert.deepEqual(received(sender!), [2]);
  });

  it("is left out of the live delivery and not of the history", async (t) => {
    const { url } = await startTestGateway(t);
    const [sender] = await subscribedClients(t, url, "chat.room", 1);
    await publish(sender!, "chat.room", "silent", { echo: false });
    const { messages } = await sender!.ask("history", { channel: "chat.room" });
    assert.deepEqual(
      (messages as Frame[]).map(({ message }) => message),
      ["silent"],
    );
  });

  it("of a sender who is no subscriber is nobody's: everyone gets the message", async (t) => {
    const { url } = await startTestGateway(t, { channels: { "open.>": { publish: "anyone", echo: false } } });
    const [reader] = await subscribedClients(t, url, "open.room", 1);
    const sender = await connect(t, url);
    assert.equal((await publish(sender, "open.room", "hello")).recipients_count, 1);
    await reader!.next({ message: "hello" });
  });
});

describe("recipients_count", () => {
  it("is the number of connections that get the message: both encodings, with and without the sender", async (t) => {
    const { url } = await startTestGateway(t);
    const json = await subscribedClients(t, url, "news", 3);
    const packed = [await connect(t, url, msgpack), await connect(t, url, msgpack)];
    for (const client of packed) await client.subscribe("news");
    const outsider = await connect(t, url, msgpack);
    for (const sender of [json[0]!, packed[0]!]) {
      const counts = [];
      for (const more of [{}, { echo: false }, { connections: packed.map(({ connectionId }) => connectionId) }])
        counts.push((await publish(sender, "news", "x", more)).recipients_count);
      assert.deepEqual(counts, [5, 4, 2]);
      const own = { connections: [sender.connectionId, outsider.connectionId], echo: false };
      assert.equal((await publish(sender, "news", "x", own)).recipients_count, 0);
    }
    for (const client of [...json, ...packed]) await receivedUntilNow(client, json[0]!, "news");
    const deliveries = [...json, ...packed].map(
      (client) => received(client).filter((message) => message === "x").length,
    );
    assert.deepEqual(deliveries, [3, 4, 4, 5, 6]); // the senders miss their own silent one; the packed got two more each
  });

  it("is 0 where nobody is subscribed", async (t) => {
    const { url } = await startTestGateway(t, { channels: { "open.>": { publish: "anyone" } } });
    assert.equal((await publish(await connect(t, url), "open.room", "hello?")).recipients_count, 0);
  });
});
