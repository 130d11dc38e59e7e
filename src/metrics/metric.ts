/**
 * A metric that keeps nothing: it reads its numbers where they are counted, when it is scraped. prom-client's registry
 * takes any object with a name and a `get()`, so a scrape costs one read a series and an observation costs nothing.
 */
import { LatencyHistogram } from "./latency-histogram.ts";

/** One series: a labelled value. `metricName` is that of a histogram's part, such as `…_bucket`. */
export interface Sample {
  readonly value: number;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly metricName?: string | undefined;
}

/** How the values of several workers become one: counters add up, a duty that all must meet is the least of them. */
export type Merging = "sum" | "min" | "max" | "first" | "average" | "omit";

/** A metric with its values at one moment: plain JSON, so that a worker can send it to its supervisor. */
export interface MetricSnapshot {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram" | "summary";
  readonly aggregator: Merging;
  readonly values: readonly Sample[];
}

export interface LiveMetric {
  readonly name: string;
  get(): MetricSnapshot | Promise<MetricSnapshot>;
}

type Reader = () => number | readonly Sample[];

/** `name` ends in `_total`; what `read` returns never falls while the process lives. */
export function counter(name: string, help: string, read: Reader): LiveMetric {
  return { name, get: () => ({ name, help, type: "counter", aggregator: "sum", values: samples(read()) }) };
}

export function gauge(name: string, help: string, aggregator: Merging, read: Reader): LiveMetric {
  return { name, get: () => ({ name, help, type: "gauge", aggregator, values: samples(read()) }) };
}

/** `name` ends in `_seconds`. */
export function histogram(name: string, help: string, source: LatencyHistogram): LiveMetric {
  return { name, get: () => ({ name, help, type: "histogram", aggregator: "sum", values: buckets(name, source) }) };
}

/** One series for each key of `values`, which is the label's whole and closed set of values. */
export function labelled(label: string, values: Readonly<Record<string, number>>): readonly Sample[] {
  return Object.entries(values).map(([key, value]) => ({ value, labels: { [label]: key } }));
}

function samples(read: number | readonly Sample[]): readonly Sample[] {
  return typeof read === "number" ? [{ value: read, labels: {} }] : read;
}

/** Prometheus counts a bucket with all those below it. */
function buckets(name: string, { counts, sumSeconds }: LatencyHistogram): readonly Sample[] {
  let count = 0;
  const upTo = [...LatencyHistogram.boundsSeconds, "+Inf"].map((bound, bucket) => {
    count += counts[bucket]!;
    return { metricName: `${name}_bucket`, value: count, labels: { le: bound } };
  });
  return [
    ...upTo,
    { metricName: `${name}_sum`, value: sumSeconds, labels: {} },
    { metricName: `${name}_count`, value: count, labels: {} },
  ];
}
