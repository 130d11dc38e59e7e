/**
 * The text that Prometheus scrapes: the gateway's own catalogue and prom-client's metrics of the process. One path for
 * one process and for many: a snapshot is taken of each, and the text is made of all of them together.
 */
import { AggregatorRegistry, collectDefaultMetrics, type Metric, Registry as PrometheusRegistry } from "prom-client";
import { catalogue, type MetricSources } from "./catalogue.ts";
import type { LiveMetric, MetricSnapshot } from "./metric.ts";
import { openFiles } from "./open-files.ts";

export interface Registry {
  /** For the `Content-Type` of `text`. */
  readonly contentType: string;
  /** This process in the Prometheus text format, version 0.0.4. */
  text(): Promise<string>;
  /** This process as plain JSON: what a worker sends to its supervisor. */
  snapshot(): Promise<readonly MetricSnapshot[]>;
}

/** What a gateway tells of itself; see `registryOf`. */
export function createRegistry(sources: MetricSources): Registry {
  return registryOf(catalogue(sources));
}

/** `metrics`, and those of the process: starts measuring its event loop and garbage collector, so once a process. */
export function registryOf(metrics: readonly LiveMetric[]): Registry {
  const registry = new PrometheusRegistry();
  collectDefaultMetrics({ register: registry });
  for (const name of misnamedTotals) registry.removeSingleMetric(name);
  const own = [...metrics];
  if (registry.getSingleMetric(openFiles.name) !== undefined) own.push(openFiles);
  registry.removeSingleMetric(openFiles.name);
  // prom-client calls nothing but `get()` of a registered metric; its type asks for one of its own classes.
  for (const metric of own) registry.registerMetric(metric as unknown as Metric);
  const snapshot = async () => {
    const taken = (await registry.getMetricsAsJSON()) as unknown as readonly MetricSnapshot[];
    return taken.map(eventLoopOf);
  };
  return { contentType: registry.contentType, snapshot, text: async () => mergedText([await snapshot()]) };
}

/** The snapshots of one or more processes as one text; each metric says how its values are merged. */
export function mergedText(snapshots: readonly (readonly MetricSnapshot[])[]): Promise<string> {
  const mergeable = snapshots.map((metrics) =>
    // The start time is left out by default; of several processes the oldest one's is the answer.
    metrics.map((metric): MetricSnapshot => (metric.aggregator === "omit" ? { ...metric, aggregator: "min" } : metric)),
  );
  return AggregatorRegistry.aggregate(mergeable).metrics();
}

/** Gauges that Prometheus' own linter refuses for their ending; each is the sum of the one without it. */
const misnamedTotals = ["nodejs_active_handles_total", "nodejs_active_requests_total", "nodejs_active_resources_total"];

/**
 * Two scrapes within 10 ms leave the event loop's window empty: its mean is then NaN, its minimum 2^63 ns. And of several
 * processes the busiest counts: prom-client would take the average, in which one that is stuck is lost among idle ones.
 */
function eventLoopOf(metric: MetricSnapshot): MetricSnapshot {
  if (!metric.name.startsWith("nodejs_eventloop_lag")) return metric;
  const isMeasured = (value: number) => Number.isFinite(value) && value < 2 ** 33;
  return {
    ...metric,
    aggregator: metric.aggregator === "average" ? "max" : metric.aggregator,
    values: metric.values.map((sample) => ({ ...sample, value: isMeasured(sample.value) ? sample.value : 0 })),
  };
}
