/**
 * The metrics of all workers as one text: summed, with what only the supervisor can say.
 *
 * Nothing is asked at a scrape: workers push a snapshot every second, and the last one of a worker that is stuck stands
 * until it is ended. What a dead worker had counted stays in the sums, or they would fall, which Prometheus takes for a
 * new start of everything.
 */
import { type ApiCounters, apiCatalogue } from "../metrics/api-counters.ts";
import { type BusSource, busCatalogue } from "../metrics/bus-catalogue.ts";
import { counter, gauge, type LiveMetric, labelled, type MetricSnapshot, type Sample } from "../metrics/metric.ts";
import { mergedText, type Registry, registryOf } from "../metrics/registry.ts";
import { type WebhookSource, webhookCatalogue } from "../metrics/webhook-catalogue.ts";

/** A worker as the metrics see it. */
export interface MeasuredWorker {
  readonly metrics: readonly MetricSnapshot[];
  readonly isListening: boolean;
  /** Seconds, about, since it was last heard of. */
  readonly silentBeats: number;
}

export interface ClusterGauges {
  /** By number; `undefined`: it is being replaced. */
  workers(): readonly (MeasuredWorker | undefined)[];
  restarts(): readonly number[];
  publications(): number;
  ready(): 0 | 1;
  /** Where the log is in Redis. */
  readonly bus: (() => BusSource) | undefined;
  /** The supervisor answers the server API for all. */
  readonly api: ApiCounters;
  readonly webhooks: (() => WebhookSource) | undefined;
}

/** A worker that is silent for longer is not up. */
const silentBeatsMax = 3;

export class ClusterMetrics {
  readonly #gauges: ClusterGauges;
  readonly #own: Registry;
  readonly #ownNames: ReadonlySet<string>; // of what workers count as well, but only the supervisor counts right
  readonly #retired = new Map<string, MetricSnapshot>(); // by name: what the dead had counted

  constructor(gauges: ClusterGauges) {
    this.#gauges = gauges;
    const own = clusterCatalogue(gauges);
    this.#own = registryOf(own);
    this.#ownNames = new Set(own.map(({ name }) => name));
  }

  get contentType(): string {
    return this.#own.contentType;
  }

  async text(): Promise<string> {
    const workers = this.#gauges.workers().map((worker) => this.#withoutOwn(worker?.metrics ?? []));
    return mergedText([await this.#own.snapshot(), ...workers, [...this.#retired.values()]]);
  }

  /** Keeps what a worker had counted when it died. */
  retire(metrics: readonly MetricSnapshot[]): void {
    for (const metric of this.#withoutOwn(metrics)) {
      if (metric.type !== "counter" && metric.type !== "histogram") continue;
      const before = this.#retired.get(metric.name)?.values ?? [];
      this.#retired.set(metric.name, { ...metric, values: added(before, metric.values) });
    }
  }

  #withoutOwn(metrics: readonly MetricSnapshot[]): readonly MetricSnapshot[] {
    return metrics.filter(({ name }) => !this.#ownNames.has(name));
  }
}

function clusterCatalogue(gauges: ClusterGauges): readonly LiveMetric[] {
  const { workers, restarts, publications, ready, bus, api, webhooks } = gauges;
  const byWorker = (values: readonly number[]): readonly Sample[] =>
    labelled("worker", Object.fromEntries(values.entries()));
  const isUp = (worker: MeasuredWorker | undefined): number =>
    worker?.isListening && worker.silentBeats <= silentBeatsMax ? 1 : 0;
  return [
    gauge("tidegate_ready", "1 while the node accepts new clients, as /readyz says.", "min", ready),
    // Every worker sees every publication: adding up what they count would count each several times.
    counter("tidegate_publications_total", "Publications accepted into the log.", publications),
    gauge("tidegate_worker_up", "1 while the worker takes connections and answers.", "first", () =>
      byWorker(workers().map(isUp)),
    ),
    counter("tidegate_worker_restarts_total", "Workers started in place of one that died.", () => byWorker(restarts())),
    ...(bus === undefined ? [] : busCatalogue(bus)),
    ...apiCatalogue(api),
    ...(webhooks === undefined ? [] : webhookCatalogue(webhooks)),
  ];
}

/** Sums by labels, and by the part of a histogram. */
function added(before: readonly Sample[], more: readonly Sample[]): readonly Sample[] {
  const sums = new Map<string, Sample>();
  for (const sample of [...before, ...more]) {
    const name = JSON.stringify([sample.metricName, sample.labels]);
    const value = (sums.get(name)?.value ?? 0) + sample.value;
    sums.set(name, { ...sample, value });
  }
  return [...sums.values()];
}
