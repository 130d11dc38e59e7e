import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { connect } from "../support/client.ts";
import { startTestGateway } from "../support/gateway.ts";
import { token } from "../support/tokens.ts";
import { publish, receivedUntilNow, without } from "./traffic.ts";

const channel = "chat.room";

describe("A publication with a key", () => {
  it("that comes again is acknowledged with the first one's place, and delivered once", async (t) => {
    const gateway = await startTestGateway(t);
    const client = await connect(t, gateway.url);
    await client.subscribe(channel);
    const first = await publish(client, channel, "hello", { key: "k1" });
    const other = await publish(client, channel, "other", { key: "k2" });
    const again = await publish(client, channel, "hello", { key: "k1" });
    assert.deepEqual(without(again, "id"), { ...without(first, "id"), recipients_count: 0 });
    assert.notEqual(other.offset, first.offset);
    assert.deepEqual(await receivedUntilNow(client, client, channel), ["hello", "other"]);
    const { messages } = await client.ask("history", { channel });
    assert.equal((messages as unknown[]).length, 3);
    assert.equal(await gateway.metric("tidegate_duplicates_total"), 1);
  });

  it("is delivered once also when it comes twice in one frame, or with another message", async (t) => {
    const { url } = await startTestGateway(t);
    const client = await connect(t, url);
    await client.subscribe(channel);
    const item = (message: string) => ({ action: "message", data: { channel, message, key: "k" } });
    client.request("batch", { items: [item("first"), item("second"), item("third")] });
    const offsets = [];
    for (let i = 0; i < 3; i += 1) offsets.push((await client.next({ action: "message_sent" })).offset);
    assert.equal(new Set(offsets).size, 1);
    assert.deepEqual(await receivedUntilNow(client, client, channel), ["first"]);
  });

  it("is independent of the same key of another user or in another channel", async (t) => {
    const { url } = await startTestGateway(t);
    const [alice, bob, guest] = [
      await connect(t, `${url}?token=${token({ user_id: "alice" })}`),
      await connect(t, `${url}?token=${token({ user_id: "bob" })}`),
      await connect(t, url),
    ];
    for (const client of [alice, bob, guest]) {
      await client.subscribe(channel);
      await client.subscribe("chat.other");
    }
    await publish(alice, channel, "Alice's", { key: "k" });
    await publish(bob, channel, "Bob's", { key: "k" });
    await publish(guest, channel, "a guest's", { key: "k" });
    await publish(alice, "chat.other", "Alice's elsewhere", { key: "k" });
    assert.deepEqual(await receivedUntilNow(guest, alice, channel), ["Alice's", "Bob's", "a guest's"]);
    assert.deepEqual(await receivedUntilNow(guest, alice, "chat.other"), ["Alice's elsewhere"]);
  });

  it("cannot be spent by an outsider who forges the user into the key", async (t) => {
    const { url } = await startTestGateway(t);
    const [bob, guest] = [await connect(t, `${url}?token=${token({ user_id: "bob" })}`), await connect(t, url)];
    for (const client of [bob, guest]) await client.subscribe(channel);
    for (const key of ["3:bob k", "bob k", " 3:bob k", "k"]) await publish(guest, channel, "spent", { key });
    assert.equal((await publish(bob, channel, "Bob's", { key: "k" })).recipients_count, 2);
    await guest.next({ message: "Bob's" });
  });

  it("is remembered over the publisher's connection: it reconnects and sends again", async (t) => {
    const { url } = await startTestGateway(t);
    const reader = await connect(t, url);
    await reader.subscribe(channel);
    const address = `${url}?token=${token({ user_id: "alice" })}`;
    const offsets = [];
    for (let i = 0; i < 3; i += 1) {
      const alice = await connect(t, address);
      await alice.subscribe(channel);
      offsets.push((await publish(alice, channel, "hello", { key: "k" })).offset);
      alice.socket.terminate();
    }
    assert.equal(new Set(offsets).size, 1);
    assert.deepEqual(await receivedUntilNow(reader, reader, channel), ["hello"]);
  });

  it("works alike on channels without history and for targeted messages", async (t) => {
    const { url } = await startTestGateway(t);
    const client = await connect(t, url);
    await client.subscribe("news");
    for (let i = 0; i < 2; i += 1) {
      const plain = await publish(client, "news", "to all", { key: "k1" });
      assert.equal("offset" in plain, false);
      await publish(client, "news", "to me", { key: "k2", connections: [client.connectionId] });
    }
    assert.deepEqual(await receivedUntilNow(client, client, "news"), ["to all", "to me"]);
  });

  it("does not spend its key where it is refused", async (t) => {
    const { url } = await startTestGateway(t);
    const client = await connect(t, url);
    assert.equal((await client.ask("message", { channel, message: "hello", key: "k" })).code, "not_subscribed");
    await client.subscribe(channel);
    await publish(client, channel, "hello", { key: "k" });
    assert.deepEqual(await receivedUntilNow(client, client, channel), ["hello"]);
  });

  it("is delivered again once the key is forgotten", async (t) => {
    const { url } = await startTestGateway(t, { idempotency: { keysMax: 2 } });
    const client = await connect(t, url);
    await client.subscribe(channel);
    for (const key of ["a", "b", "a", "c", "a"]) await publish(client, channel, key, { key });
    assert.deepEqual(await receivedUntilNow(client, client, channel), ["a", "b", "c", "a"]);
  });
});
