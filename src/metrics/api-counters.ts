/**
 * What the server API counts: requests by call and status, and the items of batches. Calls are a closed list, and a path
 * that is none counts as `none`, so nobody outside can make a series.
 */
import { counter, type LiveMetric, type Sample } from "./metric.ts";

export class ApiCounters {
  /** Items of batches that were carried out, and those that were refused. */
  itemsOk = 0;
  itemsRefused = 0;
  readonly #requests = new Map<string, Map<number, number>>(); // by call, then by HTTP status

  /** One answered request. `call` is a name of the call table, or `none`. */
  count(call: string, status: number): void {
    let statuses = this.#requests.get(call);
    if (statuses === undefined) {
      statuses = new Map();
      this.#requests.set(call, statuses);
    }
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
  }

  get requests(): readonly Sample[] {
    return [...this.#requests].flatMap(([call, statuses]) =>
      [...statuses].map(([status, value]) => ({ value, labels: { call, status } })),
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
