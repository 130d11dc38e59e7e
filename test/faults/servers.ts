/** What stands behind the nodes of a stage: Redis, alone or several, and the networks that nodes reach it through. */
import type { Lifetime } from "../support/child.ts";
import { startProxy, startRedis, type TestProxy, type TestRedis } from "../support/redis.ts";
import { type RedisCluster, startRedisCluster } from "../support/redis-cluster.ts";
import { type SentinelSetup, startSentinels } from "../support/sentinel.ts";
import type { StageOptions } from "./stage.ts";

export interface Servers {
  readonly redis?: TestRedis;
  readonly proxies: ReadonlyMap<number, TestProxy>;
  readonly sentinel?: SentinelSetup;
  readonly cluster?: RedisCluster;
}

export async function startServers(t: Lifetime, options: StageOptions): Promise<Servers> {
  const proxies = new Map<number, TestProxy>();
  switch (options.redis ?? "single") {
    case "none":
      return { proxies };
    case "sentinel":
      return { proxies, sentinel: await startSentinels(t) };
    case "cluster":
    case "cluster-without-replicas":
      return {
        proxies,
        cluster: await startRedisCluster(t, { replicasPerMaster: options.redis === "cluster" ? 1 : 0 }),
      };
    default: {
      const redis = await startRedis(t, { args: options.redisArgs ?? [] });
      for (const node of options.proxied ?? []) proxies.set(node, await startProxy(t, redis));
      return { redis, proxies };
    }
  }
}
