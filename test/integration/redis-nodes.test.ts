/** Several nodes on one Redis are one gateway: one order, every way to address a message, recovery on any of them. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { assertNothingLost } from "../support/account.ts";
import { connect, type Frame, type TestClient } from "../support/client.ts";
import { eventually, startProxy, startRedis } from "../support/redis.ts";
import { token } from "../support/tokens.ts";
import { Traffic } from "../support/traffic.ts";
import { startNodes, urlsOf } from "./redis-nodes.ts";

const channel = "chat.room";

/** The messages that reached `client`, after whatever was on its way: a last one that `from` sends now ends the wait. */
async function received(client: TestClient, from: TestClient): Promise<unknown[]> {
  const last = `last ${Math.random()}`;
  await from.ask("message", { channel, message: last });
  await client.next({ action: "message", message: last });
  return client
    .of("message")
    .map(({ message }) => message)
    .filter((message) => !String(message).startsWith("last"));
}

describe("Three nodes on one Redis", () => {
  it("have one order in every channel, with publishers on all of them and three streams", async (t) => {
    const redis = await startRedis(t);
    const nodes = await startNodes(t, [redis.url, redis.url, redis.url], { shards: 3 });
    const traffic = new Traffic(t, urlsOf(nodes), { clients: 60, channels: 10, publishersPerChannel: 6 });
    await traffic.subscribed();
    traffic.publish(15_000);
    await traffic.settled();
    const { acknowledged, delivered } = assertNothingLost(traffic.clients);
    assert.equal(delivered, 6 * acknowledged);
    assert.equal((await redis.client.keys("websocket:stream:*")).length, 3);
  });

  it("pack what is published at once into few entries", async (t) => {
    const redis = await startRedis(t);
    const nodes = await startNodes(t, [redis.url]);
    const client = await connect(t, nodes[0]!.url);
    await client.subscribe(channel);
    const before = (await redis.commandCounts()).xadd ?? 0;
    const items = Array.from({ length: 100 }, (_, n) => ({ action: "message", data: { channel, message: n } }));
    for (let n = 0; n < 20; n += 1) client.request("batch", { items });
    await eventually(() => client.of("message").length === 2000, "2,000 messages");
    const entries = (await redis.commandCounts()).xadd! - before;
    assert.equal(entries <= 100, true, `${entries} entries`);
  });

  it("give connections ids and nodes names that no two of them share", async (t) => {
    const redis = await startRedis(t);
    const nodes = await startNodes(t, [redis.url, redis.url, redis.url]);
    const clients: TestClient[] = [];
    for (let n = 0; n < 12; n += 1) clients.push(await connect(t, nodes[n % 3]!.url));
    assert.equal(new Set(clients.map(({ connectionId }) => connectionId)).size, 12);
    assert.equal(new Set(clients.map(({ frames }) => frames[0]!.node)).size, 3);
    assert.equal(new Set(clients.map(({ frames }) => frames[0]!.session)).size, 12);
  });

  it("address by recipients, connections and users, leave the sender out, and know keys, across all of them", async (t) => {
    const redis = await startRedis(t);
    const nodes = await startNodes(t, [redis.url, redis.url, redis.url]);
    const on = (node: number, claims?: Frame) =>
      connect(t, claims === undefined ? nodes[node]!.url : `${nodes[node]!.url}?token=${token(claims)}`);
    const sender = await on(0, { user_id: "sender" });
    const near = await on(0);
    const far = await on(1);
    const [anna1, anna2, bert] = await Promise.all([
      on(1, { user_id: "anna" }),
      on(2, { user_id: "anna" }),
      on(2, { user_id: "bert" }),
    ]);
    const all = [sender, near, far, anna1, anna2, bert];
    for (const client of all) await client.subscribe(channel);
    const send = (message: string, more: object) => sender.ask("message", { channel, message, ...more });

    await send("by recipient", { recipients: [String(far.connectionId), near.connectionId, 99] });
    await send("by connection", { connections: [bert.connectionId] });
    await send("to nobody", { connections: [] });
    await send("by user", { users: ["anna"] });
    const sent = await send("without echo", { echo: false, key: "k1" });
    assert.equal(sent.recipients_exact, false);
    await send("again", { echo: false, key: "k1" });
    const other = await far.ask("message", { channel, message: "another's key", key: "k1" }); // nobody's: it has no user
    assert.equal(other.success, true);
    const wanted = new Map<TestClient, string[]>([
      [sender, ["another's key"]],
      [near, ["by recipient", "without echo", "another's key"]],
      [far, ["by recipient", "without echo", "another's key"]],
      [anna1, ["by user", "without echo", "another's key"]],
      [anna2, ["by user", "without echo", "another's key"]],
      [bert, ["by connection", "without echo", "another's key"]],
    ]);
    for (const [client, messages] of wanted) assert.deepEqual(await received(client, near), messages);

    const senderElsewhere = await on(2, { user_id: "sender" });
    await senderElsewhere.subscribe(channel);
    await senderElsewhere.ask("message", { channel, message: "the same key on another node", key: "k1" });
    assert.deepEqual((await received(bert, far)).slice(-1), ["another's key"]);
    assert.deepEqual(await redis.client.keys("*chat*"), [], "there is no key per channel");
  });
});

describe("Recovery on any node", () => {
  it("gives a client on a quiet channel what it missed when its node died, with one stream and with three", async (t) => {
    for (const shards of [1, 3]) {
      const redis = await startRedis(t);
      const nodes = await startNodes(t, [redis.url, redis.url], { shards });
      const names = ["chat.quiet", "chat.silent", "chat.still", "chat.calm"];
      const away = await connect(t, nodes[0]!.url);
      const positions: { offset: unknown; epoch: unknown }[] = [];
      for (const name of names)
        positions.push(await away.subscribe(name).then(({ offset, epoch }) => ({ offset, epoch })));
      away.socket.terminate();
      await nodes[0]!.stop({ delaySeconds: 0, seconds: 0 });
      const publisher = await connect(t, nodes[1]!.url);
      for (const name of names) {
        await publisher.subscribe(name);
        await publisher.ask("message", { channel: name, message: `missed on ${name}` });
      }
      const [late] = await startNodes(t, [redis.url], { shards }); // one that read all of it as its past
      for (const { url } of [nodes[1]!, late!]) {
        const back = await connect(t, url);
        for (const [i, name] of names.entries()) {
          assert.equal((await back.subscribe(name, { since: positions[i] })).recovered, true, `${name}, ${shards}`);
          assert.equal((await back.next({ action: "message", channel: name })).message, `missed on ${name}`);
        }
        for (const since of [
          { ...positions[0], epoch: "other" },
          { ...positions[0], offset: String(positions[0]!.offset).replace(/\d{4}$/, "0099") },
          { ...positions[0], offset: "01795388408002-00000000-0000" },
          { ...positions[0], offset: "" },
        ])
          assert.notEqual((await back.ask("subscribe", { channel: names[1], options: { since } })).recovered, true);
      }
    }
  });

  it("waits for a node that has not read as far as the client that comes to it", async (t) => {
    const redis = await startRedis(t);
    const proxy = await startProxy(t, redis);
    const [ahead, behind] = await startNodes(t, [redis.url, proxy.url]);
    const reader = await connect(t, ahead!.url);
    await reader.subscribe("chat.room");
    await reader.ask("message", { channel: "chat.room", message: "both nodes know it" });
    proxy.delayMs = 500;
    const { offset, epoch } = await reader.ask("message", { channel: "chat.room", message: "one node knows it" });
    const moved = await connect(t, behind!.url);
    const reply = await moved.subscribe("chat.room", { since: { offset, epoch } });
    assert.deepEqual([reply.recovered, reply.offset], [true, offset]);
    await moved.settled();
    assert.deepEqual(moved.of("message"), []);
  });

  it("costs Redis nothing: 300 clients come back at once, each with 50 messages to catch up on", async (t) => {
    const redis = await startRedis(t);
    const nodes = await startNodes(t, [redis.url, redis.url, redis.url]);
    const publisher = await connect(t, nodes[0]!.url);
    const since = await publisher.subscribe(channel);
    for (let n = 0; n < 50; n += 1) await publisher.ask("message", { channel, message: n });
    await sleep(500);
    const count = async () => {
      const counts = await redis.commandCounts();
      return Object.values(counts).reduce((sum, n) => sum + n, 0);
    };
    const measure = async (action: () => Promise<unknown>) => {
      const before = await count();
      await action();
      return (await count()) - before;
    };
    const idle = await measure(() => sleep(2000)); // probes, leases and readers of three nodes
    const storm = await measure(async () => {
      const startedMs = performance.now();
      const clients = await Promise.all(Array.from({ length: 300 }, (_, n) => connect(t, nodes[n % 3]!.url)));
      await Promise.all(
        clients.map(async (client) => {
          assert.equal((await client.subscribe(channel, { since })).recovered, true);
          await eventually(() => client.of("message").length === 50, "50 messages");
        }),
      );
      await sleep(Math.max(0, 2000 - (performance.now() - startedMs)));
    });
    t.diagnostic(`${idle} commands in 2 idle seconds, ${storm} in the storm`);
    assert.equal(storm <= 2 * idle, true, `${storm} commands in the storm, ${idle} while idle`);
    assert.equal(storm < 300, true, "less than one for each client");
  });
});
