/** What a Redis server must be for the log to be safe in it, looked at once when a node starts. */
import type { BusLog } from "./bus-status.ts";
import { isCluster, type RedisClient, type RedisConnection } from "./redis-connection.ts";

const commandTimeoutMs = 2000;
/** XADD with NOMKSTREAM and MINID, XAUTOCLAIM, SET with GET: streams as they are used here. */
const versionMin = [6, 2];

/** Rejects for a server that cannot carry the log; warns of one that may lose it. */
export async function checkServer(connection: RedisConnection, log: BusLog): Promise<void> {
  const fault = versionFault(await connection.run((client) => client.info("server"), commandTimeoutMs));
  if (fault !== undefined) throw new Error(fault);
  await connection.run(selectDatabase, commandTimeoutMs);
  try {
    const policy = evictionPolicy(await connection.run((client) => client.info("memory"), commandTimeoutMs));
    if (policy !== "noeviction")
      log.warn({ policy }, "Redis may evict streams or the leases of nodes: set maxmemory-policy to noeviction");
  } catch (error) {
    log.warn({ reason: (error as Error).message }, "the memory policy of Redis could not be checked");
  }
}

/** What is wrong with the version in `info`, the answer to INFO; `undefined` for nothing. */
export function versionFault(info: string): string | undefined {
  const version = serverVersion(info);
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major > versionMin[0]! || (major === versionMin[0] && minor >= versionMin[1]!)) return undefined;
  return `cannot use Redis ${version}: the version must be ${versionMin.join(".")} or later (or Valkey)`;
}

export const serverVersion = (info: string): string => /redis_version:(\S+)/.exec(info)?.[1] ?? "unknown";
export const evictionPolicy = (info: string): string => /maxmemory_policy:(\S+)/.exec(info)?.[1] ?? "noeviction";

/**
 * Rejects where the server has no such database: ioredis itself would go on in database 0. A Cluster has only that one,
 * and it takes no command that a user may lack the right to.
 */
export async function selectDatabase(client: RedisClient): Promise<void> {
  const database = isCluster(client) ? 0 : (client.options.db ?? 0);
  if (database !== 0) await client.select(database);
}
