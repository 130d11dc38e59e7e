/** What is counted of hooks and call-outs: those who are asked before something is carried out. Closed sets, all of it. */

import { LatencyHistogram } from "./latency-histogram.ts";

export const hookNames = ["onConnect", "onSubscribe", "onMessage", "onClose"] as const;
export type HookName = (typeof hookNames)[number];

/** How a hook's call ended. `overloaded`: it was not called, too many calls are waiting. */
export const hookOutcomes = ["allowed", "rewritten", "refused", "failed", "timed_out", "overloaded"] as const;
export type HookOutcome = (typeof hookOutcomes)[number];

export class GuardCounters {
  readonly hookCalls = forEach(hookNames, () => forEach(hookOutcomes, () => 0));
  /** Calls that held up the whole process for longer than a tenth of a second. */
  readonly hookBlocks: Record<HookName, number> = forEach(hookNames, () => 0);
  /** By the event that was asked about; `unanswered` ones went as the configuration says. */
  readonly calloutDecisions = forEach(["connect", "subscribe", "publish"] as const, () => ({
    allowed: 0,
    refused: 0,
    unanswered: 0,
  }));
  /** HTTP requests, by what came of them. */
  readonly calloutRequests = { answered: 0, failed: 0, timed_out: 0 };
  /** Questions that needed no request of their own, and those for which none was made. */
  readonly calloutsReused = { cache: 0, flight: 0 };
  readonly calloutsUnasked = { breaker: 0, in_flight_max: 0 };
  readonly calloutLatency = new LatencyHistogram();
}

function forEach<K extends string, V>(keys: readonly K[], value: () => V): Record<K, V> {
  return Object.fromEntries(keys.map((key) => [key, value()])) as Record<K, V>;
}
