/** Redis that stands still for half a minute and neither answers nor closes anything, as a paused machine does. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { logged, notReady } from "./redis-nodes.ts";
import { countWithoutBreak, underLoad } from "./redis-scene.ts";

describe("Redis under load", { timeout: 110_000 }, () => {
  it("frozen for 30 s: acknowledgements come after its return, and nothing is missing", async (t) => {
    const scene = await underLoad(t);
    const { redis, traffic, nodes } = scene;
    redis.freeze();
    await sleep(200);
    const before = traffic.acknowledged;
    await sleep(9_000);
    for (const node of nodes) assert.match(await notReady(node), /Redis: Redis did not answer/);
    await sleep(20_800);
    assert.equal(traffic.acknowledged, before);
    redis.resume();
    await countWithoutBreak(t, scene);
    for (const node of nodes) assert.equal(logged(node, "a node is gone: its members leave"), 0);
  });
});
