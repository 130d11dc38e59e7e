/** A Redis Cluster of three masters on loopback, each with as many replicas as a test wants. */
import { freePort, type Lifetime, until } from "./child.ts";
import { startRedis, type TestRedis } from "./redis.ts";
import { redisCli } from "./redis-cli.ts";

export interface RedisCluster {
  /** Those that it began with. */
  readonly masters: readonly TestRedis[];
  readonly replicas: readonly TestRedis[];
  /** As `redis.cluster` takes them. */
  readonly addresses: readonly string[];
  /** The server that is the master of `key` now. */
  ownerOf(key: string): Promise<TestRedis>;
  /** The server that is the replica of `master` now; of several, one. */
  replicaOf(master: TestRedis): Promise<TestRedis>;
}

const masterCount = 3;

/** Starts it; resolves once all slots are served, every server says so, and every replica is in step. */
export async function startRedisCluster(t: Lifetime, { replicasPerMaster = 0 } = {}): Promise<RedisCluster> {
  const count = masterCount * (1 + replicasPerMaster);
  const servers = await Promise.all(Array.from({ length: count }, () => startServer(t)));
  const all = servers.map(addressOf);
  const replication = replicasPerMaster === 0 ? [] : ["--cluster-replicas", `${replicasPerMaster}`];
  await redisCli(servers[0]!.port, "--cluster", "create", ...all, ...replication, "--cluster-yes");
  await complete(servers);
  const replicas: TestRedis[] = [];
  for (const server of servers) if ((await roleOf(server)).isReplica) replicas.push(server);
  await Promise.all(replicas.map(inStep));
  const masters = servers.filter((server) => !replicas.includes(server));
  for (const master of masters) {
    await until(
      async () => (await replicasOf(master)).length === replicasPerMaster,
      () => `the master on port ${master.port} does not know its replicas`,
    );
  }
  return {
    masters,
    replicas,
    addresses: masters.map(addressOf),
    async ownerOf(key) {
      const slot = Number(await askAny(servers, "CLUSTER", "KEYSLOT", key));
      const nodes = (await askAny(servers, "CLUSTER", "NODES")).split("\n");
      return servers.find((server) => {
        const line = lineOf(nodes, server) ?? "";
        return [...line.matchAll(/ (\d+)-(\d+)/g)].some(([, from, to]) => slot >= Number(from) && slot <= Number(to));
      })!;
    },
    async replicaOf(master) {
      const nodes = await replicasOf(master);
      return servers.find((server) => lineOf(nodes, server) !== undefined)!;
    },
  };
}

/** Resolves once each of these servers sees the whole Cluster at work. */
export async function complete(servers: readonly TestRedis[]): Promise<void> {
  for (const { port } of servers) {
    await until(
      async () => (await redisCli(port, "CLUSTER", "INFO")).includes("cluster_state:ok"),
      () => `the Cluster is not complete for the server on port ${port}`,
    );
  }
}

/** Resolves once `replica` is one, and has what its master has. */
export async function inStep(replica: TestRedis): Promise<void> {
  await until(
    async () => (await roleOf(replica)).link === "connected",
    () => `the replica on port ${replica.port} does not reach its master`,
  );
}

const addressOf = ({ port }: TestRedis): string => `127.0.0.1:${port}`;

/** Of what `CLUSTER NODES` says, what it says of `server`. */
const lineOf = (nodes: readonly string[], server: TestRedis): string | undefined =>
  nodes.find((line) => line.includes(`${addressOf(server)}@`));

/** The line of each replica that `master` has. */
async function replicasOf({ port }: TestRedis): Promise<string[]> {
  const id = await redisCli(port, "CLUSTER", "MYID");
  const lines = await redisCli(port, "CLUSTER", "REPLICAS", id);
  return lines.split("\n").filter((line) => line !== "");
}

/** `link`: "connected" for a replica that is in step. */
async function roleOf({ port }: TestRedis): Promise<{ isReplica: boolean; link: string | undefined }> {
  const [role, , , link] = (await redisCli(port, "ROLE")).split("\n");
  return { isReplica: role === "slave", link };
}

/** The answer of the first server that is there. */
async function askAny(servers: readonly TestRedis[], ...command: string[]): Promise<string> {
  let failure: unknown;
  for (const { port } of servers) {
    try {
      return await redisCli(port, ...command);
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

async function startServer(t: Lifetime): Promise<TestRedis> {
  const busPort = await freePort();
  const cluster = ["--cluster-enabled", "yes", "--cluster-port", `${busPort}`, "--cluster-node-timeout", "2000"];
  return startRedis(t, { args: cluster });
}
