/** What one process counts, and how it is, at this moment. Cheap: it is asked every second where a console is open. */
import { hostname } from "node:os";
import type { BusFigures } from "../bus/bus-status.ts";
import type { Counters } from "../metrics/counters.ts";
import type { LogStats, ProcessStats } from "./stats.ts";

export interface OwnStatsParts {
  readonly connections: { readonly node: string; readonly count: number };
  readonly subscriptions: { readonly count: number };
  readonly counters: Counters;
  readonly clock: { nowMs(): number };
  readonly version: string;
  /** Where the log is in Redis, and this process reads it there. */
  readonly figures?: (() => BusFigures) | undefined;
}

/** Of a process that has connections and came to life at `startedMs`. */
export function ownStats(parts: OwnStatsParts, startedMs: number): ProcessStats {
  const { connections, subscriptions, counters, clock, version, figures } = parts;
  return {
    node: connections.node,
    version,
    host,
    pid: process.pid,
    uptimeSeconds: Math.floor((clock.nowMs() - startedMs) / 1000),
    connections: connections.count,
    subscriptions: subscriptions.count,
    memoryBytes: process.memoryUsage.rss(),
    busySeconds: performance.eventLoopUtilization().active / 1000,
    framesIn: counters.framesIn,
    framesOut: counters.framesOut,
    bytesIn: counters.bytesIn,
    bytesOut: counters.bytesOut,
    publications: counters.publications,
    deliveries: counters.deliveries,
    refusals: Object.values(counters.refusals).reduce((sum, refused) => sum + refused, 0),
    dropped: counters.dropped,
    deliveryLatency: [...counters.deliveryLatency.counts],
    appendLatency: [...counters.appendLatency.counts],
    ...(figures !== undefined && { log: logStats(figures()) }),
  };
}

const host = hostname();

export function logStats(figures: BusFigures): LogStats {
  return {
    queueBytes: figures.queueBytes,
    unreadEntries: figures.unreadEntries,
    lagSeconds: figures.lagMs / 1000,
    isLeased: figures.isLeased,
    failures: figures.writeFailures + figures.readFailures,
    reconnects: figures.reconnects,
    epochChanges: figures.epochs,
  };
}
