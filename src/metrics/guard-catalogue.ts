/** The metrics of hooks and call-outs. */
import type { GuardCounters } from "./guard-counters.ts";
import { counter, gauge, histogram, type LiveMetric, labelled, type Sample } from "./metric.ts";

/** `breakers`: how many backends stand in each state. */
export function guardCatalogue(
  counters: GuardCounters,
  breakers: () => Readonly<Record<string, number>>,
): readonly LiveMetric[] {
  return [
    counter("tidegate_hook_calls_total", "Calls of the embedding program's hooks by hook and outcome.", () =>
      labelledTwice("hook", "outcome", counters.hookCalls),
    ),
    counter("tidegate_hook_blocks_total", "Hook calls that held up the whole process for over 100 ms.", () =>
      labelled("hook", counters.hookBlocks),
    ),
    counter("tidegate_callout_decisions_total", "Questions to authorisation backends by event and decision.", () =>
      labelledTwice("event", "decision", counters.calloutDecisions),
    ),
    counter("tidegate_callout_requests_total", "Requests to authorisation backends by result.", () =>
      labelled("result", counters.calloutRequests),
    ),
    counter("tidegate_callout_reused_total", "Questions answered without a request of their own.", () =>
      labelled("from", counters.calloutsReused),
    ),
    counter("tidegate_callout_unasked_total", "Questions that could not be asked, by reason.", () =>
      labelled("reason", counters.calloutsUnasked),
    ),
    histogram(
      "tidegate_callout_request_seconds",
      "From a request to an authorisation backend to its answer or failure.",
      counters.calloutLatency,
    ),
    gauge("tidegate_callout_breakers", "Authorisation backends by the state of their circuit breaker.", "sum", () =>
      labelled("state", breakers()),
    ),
  ];
}

/** One series for each pair of keys. */
function labelledTwice(
  outer: string,
  inner: string,
  values: Readonly<Record<string, Readonly<Record<string, number>>>>,
): readonly Sample[] {
  return Object.entries(values).flatMap(([key, below]) =>
    labelled(inner, below).map(({ value, labels }) => ({ value, labels: { [outer]: key, ...labels } })),
  );
}
