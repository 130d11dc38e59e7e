/** What webhooks tell of themselves; see `catalogue.ts` for its rules. Receivers are no labels: their URLs may be many. */
import { counter, gauge, type LiveMetric, labelled } from "./metric.ts";

/** As the webhooks declare them. */
export interface WebhookSource {
  readonly events: Readonly<Record<string, number>>;
  readonly deliveries: Readonly<Record<string, number>>;
  readonly delivered: number;
  readonly dropped: number;
  readonly buried: number;
  readonly receivers: readonly {
    readonly queued: number;
    readonly oldestSeconds: number;
    readonly deadLetters: number;
  }[];
}

export function webhookCatalogue(read: () => WebhookSource): readonly LiveMetric[] {
  const sumOf = (field: "queued" | "deadLetters"): number =>
    read().receivers.reduce((sum, receiver) => sum + receiver[field], 0);
  return [
    counter("tidegate_webhook_events_total", "Events that a webhook wants, noticed by this process.", () =>
      labelled("event", read().events),
    ),
    counter("tidegate_webhook_deliveries_total", "Requests to webhooks by what became of them.", () =>
      labelled("outcome", read().deliveries),
    ),
    counter(
      "tidegate_webhook_delivered_events_total",
      "Events that webhooks took, once for each.",
      () => read().delivered,
    ),
    counter(
      "tidegate_webhook_dropped_events_total",
      "Events that found no room in the queue of a webhook.",
      () => read().dropped,
    ),
    counter(
      "tidegate_webhook_dead_letters_total",
      "Events given up by this process: refused, failed too often, or too old.",
      () => read().buried,
    ),
    gauge("tidegate_webhook_queue_events", "Events that wait to be sent, with Redis those of all nodes.", "max", () =>
      sumOf("queued"),
    ),
    gauge("tidegate_webhook_dead_letters_kept", "Dead letters that are kept in Redis.", "max", () =>
      sumOf("deadLetters"),
    ),
    gauge("tidegate_webhook_oldest_seconds", "For how long the oldest event has waited.", "max", () =>
      Math.max(0, ...read().receivers.map(({ oldestSeconds }) => oldestSeconds)),
    ),
  ];
}
