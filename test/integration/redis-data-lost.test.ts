/** Redis that comes back without all of its data: what was lost is announced, and nothing is called recovered. */
import assert from "node:assert/strict";
import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "../support/client.ts";
import { epochLine, logged, notReady, startNodes } from "./redis-nodes.ts";
import { countUp, type Scene, underLoad } from "./redis-scene.ts";

/** A client that was subscribed before the break and comes back after it, to each node in turn. */
async function watcher(t: TestContext, { nodes }: Scene) {
  const client = await connect(t, nodes[0]!.url);
  const { offset, epoch } = await client.subscribe("chat.0");
  client.socket.terminate();
  return async (): Promise<unknown[]> => {
    const answers: unknown[] = [];
    for (const { url } of nodes) {
      const again = await connect(t, url);
      answers.push((await again.subscribe("chat.0", { since: { offset, epoch } })).recovered);
      again.socket.terminate();
    }
    return answers;
  };
}

describe("Redis under load", { timeout: 110_000 }, () => {
  it("restarted empty: the loss is announced, the epoch is new, and recoveries over it say so", async (t) => {
    const scene = await underLoad(t);
    const { redis, traffic, nodes } = scene;
    const comeBack = await watcher(t, scene);
    await redis.stopAndForget();
    assert.match(await notReady(nodes[0]!), /Redis: /);
    await redis.start();
    await countUp(t, scene, true);
    assert.deepEqual(await comeBack(), [false, false, false]);
    for (const { epochs } of traffic.clients) assert.equal(epochs.size >= 2, true, "everyone has seen the new epoch");
    const last = new Set(traffic.clients.map(({ epochs }) => [...epochs].at(-1)));
    assert.equal(last.size, 1, "all nodes agree on one epoch");
    for (const { logLines } of nodes) {
      const reasons = logLines.filter(({ msg }) => msg === epochLine).map(({ reason, epoch }) => `${reason} ${epoch}`);
      // A break of its own for each node, and one more for what a writer lost on the way.
      assert.equal(reasons.length <= 2 * nodes.length, true, reasons.join("; "));
    }
  });

  it("restarted with older data, as after a failover that lost writes: announced likewise", async (t) => {
    const scene = await underLoad(t);
    const { redis, traffic } = scene;
    const comeBack = await watcher(t, scene);
    await cp(join(redis.folder, "appendonlydir"), `${redis.folder}-old`, { recursive: true });
    t.after(() => rm(`${redis.folder}-old`, { recursive: true, force: true }));
    await sleep(500);
    await redis.stopAndForget();
    await cp(`${redis.folder}-old`, join(redis.folder, "appendonlydir"), { recursive: true });
    await redis.start();
    await countUp(t, scene, true);
    assert.deepEqual(await comeBack(), [false, false, false]);
    for (const { epochs } of traffic.clients) assert.equal(epochs.size >= 2, true);
  });

  for (const [what, command] of [
    ["FLUSHALL", ["flushall"]],
    ["the stream deleted", ["del", "websocket:stream:0"]],
  ] as const)
    it(`${what}: no node has missed anything in silence, and a node that starts later recovers nothing from before`, async (t) => {
      const scene = await underLoad(t);
      const { redis, nodes } = scene;
      const client = await connect(t, nodes[0]!.url);
      const { offset, epoch } = await client.subscribe("chat.0");
      await redis.client.call(command[0], ...command.slice(1));
      await sleep(3000);
      await countUp(t, scene, true);
      const [late] = await startNodes(t, [redis.url]);
      const again = await connect(t, late!.url);
      assert.equal((await again.subscribe("chat.0", { since: { offset, epoch } })).recovered, false);
      for (const node of nodes) assert.equal(logged(node, "a node is gone: its members leave"), 0);
    });

  it("one node cut off while the log is trimmed past it: its epoch is new, for it may have missed messages", async (t) => {
    const scene = await underLoad(t);
    const { redis, proxy, traffic, nodes } = scene;
    proxy.cut();
    await notReady(nodes[1]!);
    await sleep(500);
    await redis.client.xtrim("websocket:stream:0", "MAXLEN", 1);
    await sleep(200);
    await redis.client.xtrim("websocket:stream:0", "MAXLEN", 1);
    proxy.restore();
    const { announcedLosses } = await countUp(t, scene, true);
    assert.equal(announcedLosses > 0, true, "the trimmed messages were missed, and announced");
    for (const { epochs } of traffic.clients) assert.equal(epochs.size >= 2, true);
  });
});
