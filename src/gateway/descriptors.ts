/**
 * Whether this process may open as many files as its configuration lets clients connect: each connection is one.
 *
 * The rule: past the limit nobody is told anything. The kernel keeps the client waiting, and new connections to Redis fail
 * too; so it is said before.
 */
import { readFileSync } from "node:fs";

/** Descriptors that are no client's: Redis, the log, the admin port and who asks it, webhooks, Node's own. */
export const descriptorsBeside = 100;

/** How many files this process may have open; `undefined` where the system does not tell (no Linux). */
export function descriptorLimit(file = "/proc/self/limits"): number | undefined {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
  // Soft, then hard. Node raises the soft one to the hard one when it starts.
  const [, soft] = /^Max open files\s+(\S+)/m.exec(text) ?? [];
  return soft === "unlimited" ? Number.POSITIVE_INFINITY : Number(soft ?? Number.NaN) || undefined;
}

/** What is wrong with `limit` for `maxConnections` of one process, and what to do; `undefined` where it is enough. */
export function descriptorFault(limit: number | undefined, maxConnections: number): string | undefined {
  if (limit === undefined || limit >= maxConnections + descriptorsBeside) return undefined;
  const fitting = Math.max(0, limit - descriptorsBeside);
  return (
    `a process may open ${limit} files here, which is enough for ${fitting} connections; ` +
    `maxConnections (${maxConnections}) needs ${maxConnections + descriptorsBeside}: raise the limit ` +
    "(`ulimit -Hn`, LimitNOFILE of the systemd unit, ulimits of the container), or lower maxConnections"
  );
}
