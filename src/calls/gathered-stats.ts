/**
 * The figures of all processes in one answer.
 *
 * The rule: it must tell most when things are bad. While the log is away the other processes cannot be asked; then the
 * answer has those whose figures are at hand, what stands in the way, and says that it is partial.
 */
import type { BusFigures } from "../bus/bus-status.ts";
import type { Health } from "../metrics/health.ts";
import { LatencyHistogram } from "../metrics/latency-histogram.ts";
import { CallError } from "./calls.ts";
import type { Gathering } from "./gathering.ts";
import { logStats } from "./own-stats.ts";
import type { ProcessStats, Stats } from "./stats.ts";

export interface StatsParts {
  readonly health: Pick<Health, "ready">;
  /** Where the log is in Redis. */
  readonly figures?: (() => BusFigures) | undefined;
  /** The processes whose figures are at hand. */
  own(): readonly ProcessStats[];
}

export async function gatheredStats(gathering: Gathering, { health, figures, own }: StatsParts): Promise<Stats> {
  const gathered = await gathering.ask({ name: "stats" }).catch((error: unknown) => {
    if (error instanceof CallError && error.code === "unavailable") return { results: own(), isPartial: true };
    throw error;
  });
  const { ok, reason } = health.ready();
  return {
    processes: gathered.results.toSorted((a, b) => (a.node < b.node ? -1 : 1)),
    latencyBoundsSeconds: [...LatencyHistogram.boundsSeconds],
    ready: ok,
    reason,
    ...(figures !== undefined && { log: logStats(figures()) }),
    ...(gathered.isPartial && { isPartial: true as const }),
  };
}
