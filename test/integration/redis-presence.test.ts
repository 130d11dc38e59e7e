/** Presence across nodes: one join and one leave for each user, whatever happens to tabs and nodes. */
import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connect, type TestClient } from "../support/client.ts";
import { testSecret } from "../support/gateway.ts";
import { type NodeProcess, startNodeProcess } from "../support/node-process.ts";
import { eventually, startRedis, type TestRedis } from "../support/redis.ts";
import { token } from "../support/tokens.ts";
import { countedSettings } from "../support/traffic.ts";
import { startNodes } from "./redis-nodes.ts";

const channel = "presence.lobby";
const leaseSeconds = 4;
const presence = { presence: { leaveGraceSeconds: 0 }, channels: { "presence.>": { presence: true } } };

async function join(t: TestContext, { port }: { port: number }, user: string): Promise<TestClient> {
  const client = await connect(t, `ws://127.0.0.1:${port}?token=${token({ user_id: user })}`);
  await client.subscribe(channel);
  return client;
}

/** "+anna" and "-anna", as `client` was told. */
const told = (client: TestClient, user: string): string[] =>
  client.frames
    .filter(({ action, event }) => action === "presence" && event !== undefined)
    .map(({ event, member }) => `${event === "join" ? "+" : "-"}${(member as { user_id: string }).user_id}`)
    .filter((line) => line.slice(1) === user);

async function members(client: TestClient): Promise<string[]> {
  const reply = await client.ask("presence", { channel });
  return (reply.members as { user_id: string }[]).map(({ user_id }) => user_id).sort();
}

const here = (client: TestClient, ...users: string[]) =>
  eventually(async () => JSON.stringify(await members(client)) === JSON.stringify(users), `${users} are here`);

describe("Presence across nodes", { concurrency: true }, () => {
  it("is one join and one leave for a user with tabs on several nodes, the same list everywhere", async (t) => {
    const redis = await startRedis(t);
    const nodes = await startNodes(t, [redis.url, redis.url, redis.url], {}, presence);
    const watchers = await Promise.all(nodes.map((node, n) => join(t, node, `watcher${n}`)));
    const tabs = [await join(t, nodes[0]!, "anna"), await join(t, nodes[1]!, "anna"), await join(t, nodes[1]!, "anna")];
    for (const watcher of watchers) await here(watcher, "anna", "watcher0", "watcher1", "watcher2");
    for (const tab of tabs.slice(0, 2)) tab.socket.terminate();
    await sleep(300);
    for (const watcher of watchers) assert.deepEqual(told(watcher, "anna"), ["+anna"]);
    await tabs[2]!.ask("unsubscribe", { channel });
    for (const watcher of watchers) {
      await here(watcher, "watcher0", "watcher1", "watcher2");
      assert.deepEqual(told(watcher, "anna"), ["+anna", "-anna"]);
    }
    const [late] = await startNodes(t, [redis.url], {}, presence);
    const joined = await connect(t, late!.url);
    assert.deepEqual(await members(joined), ["watcher0", "watcher1", "watcher2"], "a node that starts knows them");
  });

  it("goes on when a node stops in order: its members have left when it is gone", async (t) => {
    const redis = await startRedis(t);
    const [first, second] = await startNodes(t, [redis.url, redis.url], {}, presence);
    const watcher = await join(t, first!, "watcher");
    await join(t, second!, "anna");
    await here(watcher, "anna", "watcher");
    await second!.stop({ delaySeconds: 0, seconds: 0 });
    await here(watcher, "watcher");
    await sleep(300);
    assert.deepEqual(told(watcher, "anna"), ["+anna", "-anna"]);
  });

  it("goes on without a word when a node drains and its members come back to another in the time they were given", async (t) => {
    const redis = await startRedis(t);
    const patient = { ...presence, presence: { leaveGraceSeconds: 5 } };
    const [first, second] = await startNodes(t, [redis.url, redis.url], {}, patient);
    const watcher = await join(t, first!, "watcher");
    const anna = await join(t, second!, "anna");
    await here(watcher, "anna", "watcher");
    const stopped = second!.stop({ delaySeconds: 0, seconds: 0 });
    const { retry_in_ms } = await anna.next({ action: "reconnect" });
    await sleep(retry_in_ms as number);
    await join(t, first!, "anna");
    await stopped;
    await sleep(300);
    await here(watcher, "anna", "watcher");
    assert.deepEqual(told(watcher, "anna"), ["+anna"]);
  });

  it("survives FLUSHALL, lost leases, and Redis restarted empty: nobody leaves who is here", async (t) => {
    const redis = await startRedis(t);
    const nodes = await startNodes(t, [redis.url, redis.url], { leaseSeconds: 2 }, presence);
    const [near, far] = [await join(t, nodes[0]!, "near"), await join(t, nodes[1]!, "far")];
    await here(near, "far", "near");
    await redis.client.flushall();
    await sleep(1000);
    for (let n = 0; n < 150; n += 1) {
      const keys = await redis.client.keys("websocket:alive:*"); // the nodes live, and write into the log
      if (keys.length > 0) await redis.client.del(keys);
      await sleep(20);
    }
    await redis.stopAndForget();
    await redis.start();
    await sleep(4000);
    for (const client of [near, far]) {
      await here(client, "far", "near");
      assert.deepEqual(
        [told(client, "near"), told(client, "far")].flat().filter((line) => line.startsWith("-")),
        [],
      );
    }
    const again = await join(t, nodes[1]!, "third");
    await here(near, "far", "near", "third");
    again.socket.terminate();
    await here(near, "far", "near");
  });
});

describe("A node that", { concurrency: 2 }, () => {
  const startThree = async (t: TestContext): Promise<{ redis: TestRedis; nodes: NodeProcess[] }> => {
    const redis = await startRedis(t);
    const settings = { ...countedSettings(redis.url, { leaseSeconds }), ...presence, auth: { secret: testSecret } };
    return { redis, nodes: await Promise.all([0, 1, 2].map(() => startNodeProcess(t, settings))) };
  };

  it("is killed leaves no ghosts: its members leave once, everywhere, within the lease", async (t) => {
    const [first, second, doomed] = (await startThree(t)).nodes;
    const watchers = [await join(t, first!, "w1"), await join(t, second!, "w2")];
    await join(t, doomed!, "anna");
    await join(t, doomed!, "both");
    await join(t, first!, "both");
    for (const watcher of watchers) await here(watcher, "anna", "both", "w1", "w2");
    await doomed!.child.kill("SIGKILL");
    const killedMs = performance.now();
    for (const watcher of watchers) await here(watcher, "both", "w1", "w2");
    const tookMs = performance.now() - killedMs;
    t.diagnostic(`left after ${Math.round(tookMs)} ms, of a lease of ${leaseSeconds} s`);
    assert.equal(tookMs <= 3 * leaseSeconds * 1000, true, `${tookMs} ms`); // on a busy machine
    await doomed!.start();
    const newcomer = await join(t, doomed!, "carl");
    for (const client of [...watchers, newcomer]) await here(client, "both", "carl", "w1", "w2");
    await sleep(2000);
    for (const watcher of watchers) {
      assert.deepEqual(told(watcher, "anna"), ["+anna", "-anna"]);
      assert.deepEqual(told(watcher, "both"), ["+both"]);
      assert.deepEqual(told(watcher, "carl"), ["+carl"]);
    }
  });

  it("was stopped while a member left, and lost that with an empty Redis: the rolls that follow tell it, and it holds no ghost", async (t) => {
    const { redis, nodes } = await startThree(t);
    const [frozen, other] = nodes;
    const watcher = await join(t, frozen!, "w1");
    const [anna, bob] = [await join(t, other!, "anna"), await join(t, other!, "bob")];
    await here(watcher, "anna", "bob", "w1");
    frozen!.child.process.kill("SIGSTOP");
    anna.socket.terminate();
    await here(bob, "bob", "w1");
    await redis.stopAndForget();
    await redis.start();
    await sleep(500);
    frozen!.child.process.kill("SIGCONT");
    for (const client of [watcher, bob]) await here(client, "bob", "w1");
    assert.deepEqual(told(watcher, "anna"), ["+anna", "-anna"]);
  });

  it("starts knows the members of every shard, and those of a node that ended have left once", async (t) => {
    const redis = await startRedis(t);
    const several = { shards: 4 };
    const [first, second] = await startNodes(t, [redis.url, redis.url], several, presence);
    const rooms = Array.from({ length: 12 }, (_, n) => `presence.room${n}`);
    const [watcher, gone] = [await join(t, first!, "w1"), await join(t, second!, "anna")];
    for (const client of [watcher, gone]) for (const room of rooms) await client.subscribe(room);
    await here(watcher, "anna", "w1");
    await second!.stop({ delaySeconds: 0, seconds: 0 });
    await here(watcher, "w1");
    const [third] = await startNodes(t, [redis.url], several, presence);
    const newcomer = await join(t, third!, "newcomer");
    for (const room of rooms) {
      const reply = await newcomer.ask("presence", { channel: room });
      assert.deepEqual(
        (reply.members as { user_id: string }[]).map(({ user_id }) => user_id),
        ["w1"],
        room,
      );
    }
    assert.deepEqual(told(watcher, "anna").filter((line) => line === "-anna").length, rooms.length + 1);
    assert.deepEqual(told(newcomer, "anna"), []);
  });

  it("is stopped for longer than its lease comes back with its members, and catches up", async (t) => {
    const [first, second, frozen] = (await startThree(t)).nodes;
    const watchers = [await join(t, first!, "w1"), await join(t, second!, "w2")];
    const anna = await join(t, frozen!, "anna");
    await here(watchers[0]!, "anna", "w1", "w2");
    frozen!.child.process.kill("SIGSTOP");
    for (const watcher of watchers) await here(watcher, "w1", "w2");
    await sleep(1000);
    frozen!.child.process.kill("SIGCONT");
    for (const client of [...watchers, anna]) await here(client, "anna", "w1", "w2");
    for (const watcher of watchers) assert.deepEqual(told(watcher, "anna"), ["+anna", "-anna", "+anna"]);
    assert.equal(anna.closed, undefined);
  });
});
