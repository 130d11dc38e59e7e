/** Counted traffic over three nodes while something happens to their Redis. */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { TestGateway } from "../support/gateway.ts";
import { eventually, startProxy, startRedis, type TestProxy, type TestRedis } from "../support/redis.ts";
import { backLine, epochLine, logged, ready, startNodes, troubleLine, urlsOf } from "./redis-nodes.ts";
import { type Account, assertNothingLost, Traffic } from "./redis-traffic.ts";

export const size = { clients: 45, channels: 9, publishersPerChannel: 3 };
const perSecond = 2000;

export interface Scene {
  readonly redis: TestRedis;
  /** The network before Redis, of all nodes but the first. */
  readonly proxy: TestProxy;
  readonly nodes: TestGateway[];
  readonly traffic: Traffic;
}

/** Three nodes, two of them behind a proxy, and publications on their way. */
export async function underLoad(t: TestContext, bus: object = {}, redisArgs: string[] = []): Promise<Scene> {
  const redis = await startRedis(t, { args: redisArgs });
  const proxy = await startProxy(t, redis);
  const nodes = await startNodes(t, [redis.url, proxy.url, proxy.url], bus);
  const traffic = new Traffic(t, urlsOf(nodes), size);
  await traffic.subscribed();
  traffic.flow(perSecond);
  await eventually(() => traffic.acknowledged > perSecond / 2, "traffic");
  return { redis, proxy, nodes, traffic };
}

/** Half a second more of the flow, then everything is counted. No connection may have been lost. */
export async function countUp(t: TestContext, { nodes, traffic }: Scene, lossesAllowed: boolean): Promise<Account> {
  await ready(...nodes);
  await sleep(500);
  traffic.rest();
  await traffic.settled();
  const counted = assertNothingLost(traffic.clients, { lossesAllowed });
  const { acknowledged, delivered, announcedLosses } = counted;
  t.diagnostic(JSON.stringify({ acknowledged, delivered, announcedLosses, breaks: traffic.breaks }));
  assert.equal(traffic.closes, 0, "connections stay");
  return counted;
}

/** Nothing is missing, and nobody was told that something might be. */
export async function countWithoutBreak(t: TestContext, scene: Scene): Promise<void> {
  await countUp(t, scene, false);
  assert.equal(scene.traffic.breaks, 0);
  for (const node of scene.nodes) {
    assert.equal(logged(node, epochLine), 0);
    assert.equal(logged(node, troubleLine) <= 5, true, JSON.stringify(node.logLines));
    assert.equal(logged(node, backLine) <= 3, true);
  }
}
