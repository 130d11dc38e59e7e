/** A Redis Cluster of three masters on loopback. */
import type { TestContext } from "node:test";
import { freePort, until } from "./child.ts";
import { startRedis, type TestRedis } from "./redis.ts";
import { redisCli } from "./redis-cli.ts";

export interface RedisCluster {
  readonly masters: readonly TestRedis[];
  /** As `redis.cluster` takes them. */
  readonly addresses: readonly string[];
  /** The master that holds `key`. */
  ownerOf(key: string): Promise<TestRedis>;
}

const masterCount = 3;

/** Starts it; resolves once all slots are served and every master says so. */
export async function startRedisCluster(t: TestContext): Promise<RedisCluster> {
  const masters = await Promise.all(Array.from({ length: masterCount }, () => startMaster(t)));
  const addresses = masters.map(({ port }) => `127.0.0.1:${port}`);
  await redisCli(masters[0]!.port, "--cluster", "create", ...addresses, "--cluster-yes");
  await complete(masters);
  return {
    masters,
    addresses,
    async ownerOf(key) {
      const slot = Number(await redisCli(masters[0]!.port, "CLUSTER", "KEYSLOT", key));
      const nodes = await redisCli(masters[0]!.port, "CLUSTER", "NODES");
      return masters.find(({ port }) => {
        const line = nodes.split("\n").find((text) => text.includes(`127.0.0.1:${port}@`)) ?? "";
        return [...line.matchAll(/ (\d+)-(\d+)/g)].some(([, from, to]) => slot >= Number(from) && slot <= Number(to));
      })!;
    },
  };
}

/** Resolves once every master sees the whole Cluster at work. */
export async function complete(masters: readonly TestRedis[]): Promise<void> {
  for (const { port } of masters) {
    await until(
      async () => (await redisCli(port, "CLUSTER", "INFO")).includes("cluster_state:ok"),
      () => `the Cluster is not complete for the master on port ${port}`,
    );
  }
}

async function startMaster(t: TestContext): Promise<TestRedis> {
  const busPort = await freePort();
  const cluster = ["--cluster-enabled", "yes", "--cluster-port", `${busPort}`, "--cluster-node-timeout", "2000"];
  return startRedis(t, { args: cluster });
}
