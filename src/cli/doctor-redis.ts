/**
 * The doctor on Redis: can it be reached and written, will it keep the log, is it quick, and do the clocks agree. In a
 * Cluster each master is looked at.
 *
 * The rule: by the gateway's own connection, so that it fails here as it would there.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Redis } from "ioredis";
import { isCluster, RedisConnection } from "../bus/redis-connection.ts";
import type { RedisOptions } from "../bus/redis-options.ts";
import { evictionPolicy, selectDatabase, serverVersion, versionFault } from "../bus/redis-server-check.ts";
import type { Finding } from "./finding.ts";

const connectMs = 4000;
/** After the first failure: a name may have another address, a Cluster or a Sentinel another node. */
const secondChanceMs = 1000;
const answerMs = 5000;
const pings = 10;
/** A publisher waits for one round trip at least. */
const latencyWarnMs = 10;
const latencyProblemMs = 250;
const usedWarn = 0.75;
const usedProblem = 0.9;
/** Tokens are timed by the second; a minute is more than any tolerance. */
const clockWarnMs = 1000;
const clockProblemMs = 30_000;

const reachAdvice =
  "see that it runs, that this machine may reach it, and that the address, user, password and tls below redis are its own";

export async function examineRedis(options: RedisOptions): Promise<Finding[]> {
  if (!options.enabled)
    return [
      { subject: "redis", status: "ok", text: "off: this node shares nothing with others" },
      {
        subject: "clock",
        status: "ok",
        text: `${new Date().toISOString()}, compared with nothing: let NTP run, or tokens end early or late`,
      },
    ];
  const waiting = new AbortController();
  let reason: string | undefined;
  const connection = new RedisConnection(options, ({ message }) => {
    if (reason === undefined) setTimeout(() => waiting.abort(), secondChanceMs).unref();
    reason = message;
  });
  try {
    const patience = sleep(connectMs, undefined, { signal: waiting.signal }).catch(() => {});
    await Promise.race([connection.ready(), patience]);
    waiting.abort();
    if (!connection.isReady)
      return [
        {
          subject: "redis",
          status: "problem",
          text: `cannot be used: ${reason ?? `no answer in ${connectMs} ms`}; ${reachAdvice}`,
        },
      ];
    return await connection.run(async (client) => {
      await selectDatabase(client);
      const servers = isCluster(client) ? client.nodes("master") : [client];
      const writing = await examineWriting(() => client.set(`${options.prefix}doctor`, "1", "PX", 1000));
      const examined = await Promise.all(servers.map((server) => examineServer(server, options)));
      return [...examined.flat(), writing];
    }, answerMs);
  } catch (error) {
    return [{ subject: "redis", status: "problem", text: (error as Error).message }];
  } finally {
    connection.stop();
  }
}

async function examineServer(server: Redis, { durable }: RedisOptions): Promise<Finding[]> {
  const info = await server.info();
  const where = `${server.options.host}:${server.options.port}`;
  const fault = versionFault(info);
  if (fault !== undefined) return [{ subject: "redis", status: "problem", text: `${where}: ${fault}` }];
  // In a Cluster the lines of a server follow the one with its address.
  return [
    { subject: "redis", status: "ok", text: `${where} answers, version ${serverVersion(info)}` },
    policyOf(info),
    memoryOf(info),
    persistenceOf(info),
    ...(durable ? [replicasOf(info)] : []),
    await latencyOf(server),
    await clockOf(server),
  ];
}

function policyOf(info: string): Finding {
  const subject = "redis policy";
  const policy = evictionPolicy(info);
  if (policy === "noeviction") return { subject, status: "ok", text: policy };
  const text = `maxmemory-policy is ${policy}, which may evict the log or the leases of nodes: set it to noeviction`;
  return { subject, status: numberOf(info, "maxmemory") > 0 ? "problem" : "warning", text };
}

function memoryOf(info: string): Finding {
  const subject = "redis memory";
  const used = numberOf(info, "used_memory");
  const max = numberOf(info, "maxmemory") || numberOf(info, "total_system_memory");
  const limit = numberOf(info, "maxmemory") > 0 ? "maxmemory" : "the machine's; no maxmemory is set";
  const text = `${mebibytes(used)} of ${mebibytes(max)} (${limit})`;
  if (used < usedWarn * max) return { subject, status: "ok", text };
  const advice = "give it more, or keep less: redis.entriesMax, redis.retentionSeconds";
  return { subject, status: used < usedProblem * max ? "warning" : "problem", text: `${text}: ${advice}` };
}

function persistenceOf(info: string): Finding {
  const subject = "redis persistence";
  if (numberOf(info, "aof_enabled") === 1) return { subject, status: "ok", text: "appendonly yes" };
  const text = "appendonly is no, so a restart of Redis is a break in the log: set it to yes, unless breaks are fine";
  return { subject, status: "warning", text };
}

function replicasOf(info: string): Finding {
  const subject = "redis replicas";
  const replicas = numberOf(info, "connected_slaves");
  if (replicas > 0) return { subject, status: "ok", text: `${replicas}` };
  return {
    subject,
    status: "problem",
    text: "redis.durable is true, and no replica is connected: nothing is acknowledged",
  };
}

async function latencyOf(server: Redis): Promise<Finding> {
  const subject = "redis latency";
  const times: number[] = [];
  for (let i = 0; i < pings; i += 1) {
    const sentMs = performance.now();
    await server.ping();
    times.push(performance.now() - sentMs);
  }
  times.sort((a, b) => a - b);
  const median = times[pings / 2]!;
  const text = `${median.toFixed(1)} ms, at most ${times[pings - 1]!.toFixed(1)} ms`;
  if (median < latencyWarnMs) return { subject, status: "ok", text };
  const advice = "every acknowledgement waits that long; bring Redis nearer, or find what keeps it busy (SLOWLOG GET)";
  return { subject, status: median < latencyProblemMs ? "warning" : "problem", text: `${text}: ${advice}` };
}

/** The answer is as old as half of the round trip. */
async function clockOf(server: Redis): Promise<Finding> {
  const subject = "clock";
  const sentMs = Date.now();
  const [seconds, microseconds] = await server.time();
  const middleMs = (sentMs + Date.now()) / 2;
  const aheadMs = Math.round(middleMs - (Number(seconds) * 1000 + Number(microseconds) / 1000));
  const off = Math.abs(aheadMs);
  if (off < clockWarnMs) return { subject, status: "ok", text: `${off} ms from Redis'` };
  const text = `${aheadMs > 0 ? "ahead of" : "behind"} Redis' by ${(off / 1000).toFixed(1)} s: run NTP on both, or tokens end early or late`;
  return { subject, status: off < clockProblemMs ? "warning" : "problem", text };
}

/** A key of its own that ends by itself: finds a replica, missing rights, and a full or failing disk or memory. */
async function examineWriting(write: () => Promise<unknown>): Promise<Finding> {
  const subject = "redis writing";
  try {
    await write();
    return { subject, status: "ok", text: "allowed" };
  } catch (error) {
    return { subject, status: "problem", text: `refused: ${(error as Error).message}` };
  }
}

const numberOf = (info: string, field: string): number =>
  Number(new RegExp(`^${field}:(\\d+)`, "m").exec(info)?.[1] ?? 0);

const mebibytes = (bytes: number): string => `${Number((bytes / 2 ** 20).toFixed(1))} MiB`;
