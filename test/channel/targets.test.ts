import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { connect, type Frame, type TestClient } from "../support/client.ts";
import { startTestGateway } from "../support/gateway.ts";
import { token } from "../support/tokens.ts";
import { msgpack, publish, received, receivedUntilNow } from "./traffic.ts";

const channel = "chat.room";

/** Alice with two tabs, Bob with MessagePack, a guest, all subscribed; and an outsider who is Alice, too. */
async function room(t: TestContext) {
  const { url } = await startTestGateway(t);
  const as = (userId: number | string) => `${url}?token=${token({ user_id: userId })}`;
  const alice = await connect(t, as("alice"));
  const tab = await connect(t, as("alice"));
  const bob = await connect(t, as(42), msgpack);
  const guest = await connect(t, url);
  const outsider = await connect(t, as("alice"));
  const clients = { alice, tab, bob, guest };
  for (const client of Object.values(clients)) await client.subscribe(channel);
  return {
    ...clients,
    outsider,
    /** The guest publishes with `target`; resolves to who got it, and checks that the acknowledgement says how many. */
    async reached(target: object, sender: TestClient = guest): Promise<string[]> {
      const text = `targeted ${Math.random()}`;
      const { recipients_count } = await publish(sender, channel, text, target);
      for (const client of Object.values(clients)) await receivedUntilNow(client, guest, channel);
      await outsider.settled();
      assert.deepEqual(received(outsider), []);
      const names = Object.entries(clients).flatMap(([name, client]) =>
        received(client, channel).flatMap((message) => (message === text ? [name] : [])),
      );
      assert.equal(recipients_count, names.length);
      return names;
    },
  };
}

const everyone = ["alice", "tab", "bob", "guest"];

describe("A targeted message", () => {
  it("with recipients reaches these connections, named by number or text", async (t) => {
    const { reached, alice, bob } = await room(t);
    assert.deepEqual(await reached({ recipients: [alice.connectionId] }), ["alice"]);
    assert.deepEqual(await reached({ recipients: [String(alice.connectionId), bob.connectionId] }), ["alice", "bob"]);
  });

  it("with empty or absent recipients reaches everyone", async (t) => {
    const { reached } = await room(t);
    assert.deepEqual(await reached({ recipients: [] }), everyone);
    assert.deepEqual(await reached({ recipients: null, users: null, connections: null }), everyone);
    assert.deepEqual(await reached({}), everyone);
  });

  it("with empty connections or users reaches nobody", async (t) => {
    const { reached } = await room(t);
    assert.deepEqual(await reached({ connections: [] }), []);
    assert.deepEqual(await reached({ users: [] }), []);
    assert.deepEqual(await reached({ recipients: [], users: [] }), []);
  });

  it("ignores unknown recipients, and reaches nobody where all are unknown", async (t) => {
    const { reached, alice, outsider } = await room(t);
    const unknown = [999_999, -1, 0, 1.5, 2 ** 53 - 1, "", "x", "NaN", "1e99", outsider.connectionId];
    assert.deepEqual(await reached({ recipients: [...unknown, alice.connectionId] }), ["alice"]);
    assert.deepEqual(await reached({ recipients: unknown }), []);
    assert.deepEqual(await reached({ users: ["nobody", "", "__proto__", "constructor"] }), []);
  });

  it("with users reaches all their connections, by number or text", async (t) => {
    const { reached } = await room(t);
    assert.deepEqual(await reached({ users: ["alice"] }), ["alice", "tab"]);
    assert.deepEqual(await reached({ users: [42] }), ["bob"]);
    assert.deepEqual(await reached({ users: ["42", "alice"] }), ["alice", "tab", "bob"]);
  });

  it("reaches whoever stands in any of the lists, each once", async (t) => {
    const { reached, alice, guest, tab } = await room(t);
    const ids = { recipients: [alice.connectionId, alice.connectionId], connections: [guest.connectionId] };
    assert.deepEqual(await reached({ ...ids, users: ["alice", "alice"] }), ["alice", "tab", "guest"]);
    assert.deepEqual(await reached({ connections: [tab.connectionId, String(tab.connectionId)] }), ["tab"]);
  });

  it("leaves its sender out with echo: false only", async (t) => {
    const { reached, alice } = await room(t);
    const target = { users: ["alice"] };
    assert.deepEqual(await reached(target, alice), ["alice", "tab"]);
    assert.deepEqual(await reached({ ...target, echo: false }, alice), ["tab"]);
  });

  it("reaches subscribers only: a connection that left the channel gets none", async (t) => {
    const { reached, tab, guest } = await room(t);
    await tab.ask("unsubscribe", { channel });
    const { recipients_count } = await publish(guest, channel, "who", { users: ["alice"] });
    assert.equal(recipients_count, 1);
    await tab.subscribe(channel);
    assert.deepEqual(await reached({ users: ["alice"] }), ["alice", "tab"]);
  });

  it("has no place in the history: none in its frame and acknowledgement, none in a replay", async (t) => {
    const { alice, guest } = await room(t);
    const before = await publish(guest, channel, "one");
    const acknowledged = await publish(guest, channel, "for Alice", { users: ["alice"] });
    await publish(guest, channel, "two");
    assert.deepEqual(["offset" in acknowledged, "epoch" in acknowledged], [false, false]);
    const targeted = await alice.next({ action: "message", message: "for Alice" });
    assert.deepEqual(["offset" in targeted, "epoch" in targeted], [false, false]);

    const { messages } = await alice.ask("history", { channel });
    assert.deepEqual(
      (messages as Frame[]).map(({ message }) => message),
      ["one", "two"],
    );
    await alice.ask("unsubscribe", { channel });
    const { recovered } = await alice.subscribe(channel, { since: { offset: before.offset, epoch: before.epoch } });
    assert.equal(recovered, true);
    await alice.next({ replayed: true, message: "two" });
    await alice.settled();
    assert.deepEqual(alice.frames.filter(({ replayed }) => replayed).length, 1);
  });

  it("stands in one order with the messages to everyone", async (t) => {
    const { alice, bob, guest } = await room(t);
    const users = ["alice", 42];
    for (let n = 0; n < 300; n += 1)
      guest.request("message", {
        channel,
        message: n,
        ...(n % 3 === 0 ? {} : n % 3 === 1 ? { users } : { echo: false }),
      });
    const wanted = Array.from({ length: 300 }, (_, n) => n);
    for (const client of [alice, bob]) {
      await client.next({ message: 299 });
      assert.deepEqual(received(client, channel), wanted);
    }
  });

  it("that is malformed is refused whole", async (t) => {
    const { guest } = await room(t);
    for (const target of [{ recipients: "1" }, { users: [{}] }, { connections: [null] }, { users: { 0: "alice" } }]) {
      const { code } = await guest.ask("message", { channel, message: "x", ...target });
      assert.equal(code, "invalid_field", JSON.stringify(target));
    }
    await guest.settled();
    assert.deepEqual(received(guest), []);
  });
});
