/** A Redis master with a replica and three Sentinels, on loopback, for tests of a failover. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Child, freePort, type Lifetime, temporaryFolder, until } from "./child.ts";
import { ensureCommand } from "./debian.ts";
import { startRedis, type TestRedis } from "./redis.ts";
import { redisCli } from "./redis-cli.ts";

export interface SentinelSetup {
  readonly master: TestRedis;
  readonly replica: TestRedis;
  /** As `redis.sentinels` takes them. */
  readonly sentinels: readonly string[];
  /** Cuts the replica off from what the master writes from now on; the Sentinels still reach both. */
  cutReplication(): Promise<void>;
  /** Lets the replica follow again; resolves once it is in step. */
  joinReplication(): Promise<void>;
  /** Lets the Sentinels find the master gone; resolves once they name the replica as the master, and it is one. */
  failedOver(): Promise<void>;
}

const sentinelCount = 3;
const quorum = 2;
const downAfterMs = 1000;
/** Longer than any test: on a busy machine a master that lives is silent for a second, and would be replaced as well. */
const neverMs = 3_600_000;

/** Starts it all; resolves once the replica is in step and every Sentinel knows it. */
export async function startSentinels(t: Lifetime): Promise<SentinelSetup> {
  const master = await startRedis(t);
  const replica = await startReplica(t, master);
  const sentinels = await Promise.all(Array.from({ length: sentinelCount }, () => startSentinel(t, master.port)));
  for (const port of sentinels) {
    await until(
      async () => {
        const facts = (await redisCli(port, "SENTINEL", "MASTER", "mymaster")).split("\n");
        const fact = (name: string): string | undefined => facts[facts.indexOf(name) + 1];
        return fact("num-slaves") === "1" && fact("num-other-sentinels") === `${sentinelCount - 1}`;
      },
      () => `the Sentinel on port ${port} does not find the replica and the other Sentinels`,
    );
  }
  return {
    master,
    replica,
    sentinels: sentinels.map((port) => `127.0.0.1:${port}`),
    async cutReplication() {
      // A name that the master does not know: the replica tries again every second. A command that it must not give it would
      // repeat without a pause, thousands of times a second.
      await redisCli(replica.port, "CONFIG", "SET", "masteruser", "nobody", "masterauth", "nothing");
      await redisCli(master.port, "CLIENT", "KILL", "TYPE", "replica");
      await until(
        async () => (await replication(replica)).includes("master_link_status:down"),
        () => "the replica is still connected",
      );
    },
    async joinReplication() {
      await redisCli(replica.port, "CONFIG", "SET", "masteruser", "", "masterauth", "");
      await inStep(replica);
    },
    async failedOver() {
      for (const port of sentinels) await foundGoneAfter(port, downAfterMs);
      for (const port of sentinels) {
        await until(
          async () =>
            (await redisCli(port, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster")).endsWith(`${replica.port}`),
          () => `the Sentinel on port ${port} still names the old master`,
        );
      }
      await until(
        async () => (await replication(replica)).includes("role:master"),
        () => "the replica is not the master",
      );
      for (const port of sentinels) await foundGoneAfter(port, neverMs);
    },
  };
}

/** Starts a replica of `master`; resolves once it is in step. */
export async function startReplica(t: Lifetime, master: TestRedis): Promise<TestRedis> {
  const replica = await startRedis(t, { args: ["--replicaof", `127.0.0.1 ${master.port}`] });
  await inStep(replica);
  return replica;
}

async function inStep(replica: TestRedis): Promise<void> {
  await until(
    async () => (await replication(replica)).includes("master_link_status:up"),
    () => "the replica does not reach its master",
  );
}

/** Silence of a master after which a Sentinel takes it for gone. */
const foundGoneAfter = (port: number, ms: number): Promise<string> =>
  redisCli(port, "SENTINEL", "SET", "mymaster", "down-after-milliseconds", `${ms}`);

/** The server's role, its links, how far they are. */
export const replication = (redis: TestRedis): Promise<string> => redisCli(redis.port, "INFO", "replication");

/** `settings`: further lines of its file, for the port that it will listen on. Resolves to that. */
export async function startSentinel(
  t: Lifetime,
  masterPort: number,
  settings: (port: number) => readonly string[] = () => [],
): Promise<number> {
  const port = await freePort();
  const folder = await temporaryFolder(t);
  const file = join(folder, "sentinel.conf"); // Sentinels write their state into it
  await writeFile(
    file,
    [
      `port ${port}`,
      "bind 127.0.0.1",
      `dir ${folder}`,
      `sentinel monitor mymaster 127.0.0.1 ${masterPort} ${quorum}`,
      `sentinel down-after-milliseconds mymaster ${neverMs}`,
      "sentinel failover-timeout mymaster 5000",
      ...settings(port),
      "",
    ].join("\n"),
  );
  const child = new Child(t, await ensureCommand("redis-sentinel", "redis-sentinel"), [file]);
  await child.printed(/\+monitor master mymaster/);
  return port;
}
