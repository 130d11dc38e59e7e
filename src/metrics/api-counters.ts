/**
 * What the server API counts: requests by call and status, and the items of batches. Calls are a closed list, and a path
 * that is none counts as `none`, so nobody outside can make a series.
 */
import { counter, type LiveMetric, type Sample } from "./metric.ts";

/** Of one call. */
export class CallCounts {
  /** Answered with 200. */
  ok = 0;
  readonly #others = new Map<number, number>(); // by HTTP status

  count(status: number): void {
    this.#others.set(status, (this.#others.get(status) ?? 0) + 1);
  }

  /** Statuses that occurred. */
  get byStatus(): readonly (readonly [status: number, count: number])[] {
    return [...(this.ok > 0 ? [[200, this.ok] as const] : []), ...this.#others];
  }
}

export class ApiCounters {
  /** Items of batches that were carried out, and those that were refused. */
  itemsOk = 0;
  itemsRefused = 0;
  readonly #calls = new Map<string, CallCounts>();

  /** Those of `call`, a name of the call table or `none`. */
  of(call: string): CallCounts {
    let counts = this.#calls.get(call);
    if (counts === undefined) {
      counts = new CallCounts();
      this.#calls.set(call, counts);
    }
    return counts;
  }

  countItems(answers: readonly object[]): void {
    let refused = 0;
    for (const answer of answers) if ("error" in answer) refused += 1;
    this.itemsRefused += refused;
    this.itemsOk += answers.length - refused;
  }

  get requests(): readonly Sample[] {
    return [...this.#calls].flatMap(([call, { byStatus }]) =>
      byStatus.map(([status, value]) => ({ value, labels: { call, status } })),
    );
  }
}

export function apiCatalogue(counters: ApiCounters): readonly LiveMetric[] {
  return [
    counter(
      "tidegate_api_requests_total",
      "Answered requests of the server API by call and HTTP status.",
      () => counters.requests,
    ),
    counter("tidegate_api_batch_items_total", "Calls in batches by their result.", () => [
      { value: counters.itemsOk, labels: { result: "ok" } },
      { value: counters.itemsRefused, labels: { result: "error" } },
    ]),
  ];
}
