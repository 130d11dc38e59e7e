/**
 * What the gateway told of itself over the last minutes, as rates: what a counter rose by between two answers, divided by
 * the time between them. Pure.
 *
 * The rule: a process is compared with itself alone. One that is new, or began anew, has no rates at its first sight, and
 * one that did not answer leaves a gap, not a fall.
 */

/** What is read of a process in an answer to `stats`. */
export interface ProcessFigures {
  readonly node: string;
  readonly version: string;
  readonly host: string;
  readonly pid: number;
  readonly uptimeSeconds: number;
  readonly connections: number;
  readonly subscriptions: number;
  readonly memoryBytes: number;
  readonly busySeconds: number;
  readonly framesIn: number;
  readonly framesOut: number;
  readonly publications: number;
  readonly deliveries: number;
  readonly refusals: number;
  readonly dropped: number;
  readonly deliveryLatency: readonly number[];
  readonly appendLatency: readonly number[];
  readonly log?: LogFigures;
}

export interface LogFigures {
  readonly queueBytes: number;
  readonly unreadEntries: number;
  readonly lagSeconds: number;
  readonly isLeased: boolean;
  readonly failures: number;
  readonly reconnects: number;
  readonly epochChanges: number;
}

export interface Stats {
  readonly processes: readonly ProcessFigures[];
  readonly latencyBoundsSeconds: readonly number[];
  readonly ready: boolean;
  readonly reason: string;
  readonly log?: LogFigures;
  readonly isPartial?: true;
}

/** One process, or all of them, between two answers. */
export interface Rates {
  readonly connections: number;
  readonly subscriptions: number;
  /** A second. */
  readonly framesIn: number;
  readonly framesOut: number;
  readonly publications: number;
  readonly deliveries: number;
  /** 0 to 1. */
  readonly busy: number;
  /** In Redis, where this process reads it there. */
  readonly log: LogFigures | undefined;
  /** How many there were in each bucket of latencies. */
  readonly deliveryCounts: readonly number[];
  readonly appendCounts: readonly number[];
}

/** A moment of what is shown. Seconds; a percentile is `undefined` where there was nothing to measure. */
export interface Point extends Omit<Rates, "deliveryCounts" | "appendCounts" | "log"> {
  readonly atSeconds: number;
  readonly p50: number | undefined;
  readonly p95: number | undefined;
  readonly p99: number | undefined;
  readonly appendP50: number | undefined;
  readonly appendP99: number | undefined;
  /** The longest of these processes; `undefined` where the log is not in Redis. */
  readonly lagSeconds: number | undefined;
}

interface Moment {
  readonly atSeconds: number;
  /** By node. */
  readonly rates: ReadonlyMap<string, Rates>;
  /** Of the process that answered; with workers that is the supervisor, which alone has one. */
  readonly log: LogFigures | undefined;
}

const momentsMax = 15 * 60;
/** Percentiles are of this many moments: of one alone they jump. */
const percentileMoments = 5;

export class StatsHistory {
  readonly #moments: Moment[] = [];
  #bounds: readonly number[] = [];
  #last: { readonly atSeconds: number; readonly byNode: ReadonlyMap<string, ProcessFigures> } | undefined;

  /** `atSeconds` rises from call to call. */
  add(stats: Stats, atSeconds: number): void {
    const last = this.#last;
    const byNode = new Map(stats.processes.map((figures) => [figures.node, figures]));
    this.#last = { atSeconds, byNode };
    this.#bounds = stats.latencyBoundsSeconds;
    if (last === undefined) return; // nothing rose from nowhere
    const seconds = atSeconds - last.atSeconds;
    const rates = new Map(
      stats.processes.map((figures) => [figures.node, ratesOf(figures, last.byNode.get(figures.node), seconds)]),
    );
    this.#moments.push({ atSeconds, rates, log: stats.log });
    if (this.#moments.length > momentsMax) this.#moments.shift();
  }

  /** The moments since `sinceSeconds` of `node`, or of all; only those in which it was seen. */
  points(sinceSeconds: number, node?: string): Point[] {
    const first = this.#moments.findIndex(({ atSeconds }) => atSeconds >= sinceSeconds);
    if (first === -1) return [];
    const points: Point[] = [];
    for (let at = first; at < this.#moments.length; at += 1) {
      const point = this.#point(at, node);
      if (point !== undefined) points.push(point);
    }
    return points;
  }

  /** The latest moment. */
  latest(node?: string): Point | undefined {
    return this.#moments.length === 0 ? undefined : this.#point(this.#moments.length - 1, node);
  }

  #point(at: number, node: string | undefined): Point | undefined {
    const moment = this.#moments[at]!;
    const shown = selected(moment, node);
    if (shown.length === 0) return undefined;
    const recent = this.#moments.slice(Math.max(0, at - percentileMoments + 1), at + 1);
    const measured = recent.flatMap((one) => selected(one, node));
    const deliveries = addedUp(measured.map(({ deliveryCounts }) => deliveryCounts));
    const appends = addedUp(measured.map(({ appendCounts }) => appendCounts));
    const of = (counts: readonly number[], share: number) => percentile(counts, this.#bounds, share);
    const sum = (value: (rates: Rates) => number) => shown.reduce((total, rates) => total + value(rates), 0);
    return {
      atSeconds: moment.atSeconds,
      connections: sum(({ connections }) => connections),
      subscriptions: sum(({ subscriptions }) => subscriptions),
      framesIn: sum(({ framesIn }) => framesIn),
      framesOut: sum(({ framesOut }) => framesOut),
      publications: Math.max(...shown.map(({ publications }) => publications)), // every process sees all of them
      deliveries: sum(({ deliveries }) => deliveries),
      busy: sum(({ busy }) => busy) / shown.length,
      p50: of(deliveries, 0.5),
      p95: of(deliveries, 0.95),
      p99: of(deliveries, 0.99),
      appendP50: of(appends, 0.5),
      appendP99: of(appends, 0.99),
      lagSeconds: longestLag(node === undefined ? [moment, ...shown] : shown),
    };
  }
}

function longestLag(seen: readonly { readonly log: LogFigures | undefined }[]): number | undefined {
  const lags = seen.flatMap(({ log }) => (log === undefined ? [] : [log.lagSeconds]));
  return lags.length === 0 ? undefined : Math.max(...lags);
}

function selected({ rates }: Moment, node: string | undefined): readonly Rates[] {
  if (node === undefined) return [...rates.values()];
  const one = rates.get(node);
  return one === undefined ? [] : [one];
}

function ratesOf(now: ProcessFigures, before: ProcessFigures | undefined, seconds: number): Rates {
  const isSame = before !== undefined && before.uptimeSeconds <= now.uptimeSeconds && seconds > 0;
  const rise = (of: (figures: ProcessFigures) => number): number =>
    isSame ? Math.max(0, of(now) - of(before)) / seconds : 0;
  const rises = (of: (figures: ProcessFigures) => readonly number[]): number[] =>
    isSame ? of(now).map((count, bucket) => Math.max(0, count - (of(before)[bucket] ?? 0))) : [];
  return {
    connections: now.connections,
    subscriptions: now.subscriptions,
    framesIn: rise(({ framesIn }) => framesIn),
    framesOut: rise(({ framesOut }) => framesOut),
    publications: rise(({ publications }) => publications),
    deliveries: rise(({ deliveries }) => deliveries),
    busy: Math.min(
      1,
      rise(({ busySeconds }) => busySeconds),
    ),
    log: now.log,
    deliveryCounts: rises(({ deliveryLatency }) => deliveryLatency),
    appendCounts: rises(({ appendLatency }) => appendLatency),
  };
}

function addedUp(lists: readonly (readonly number[])[]): number[] {
  const sums: number[] = [];
  for (const list of lists) for (const [i, value] of list.entries()) sums[i] = (sums[i] ?? 0) + value;
  return sums;
}

/**
 * The latency that `share` of the observations did not exceed, in seconds: even within its bucket, as Prometheus reckons.
 * `counts` has one bucket more than `bounds`, the last without an upper bound. `undefined`: there were no observations.
 */
export function percentile(counts: readonly number[], bounds: readonly number[], share: number): number | undefined {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return undefined;
  const wanted = total * share;
  let below = 0;
  for (const [bucket, count] of counts.entries()) {
    const lower = bounds[bucket - 1] ?? 0;
    const upper = bounds[bucket] ?? lower; // what is above all bounds counts as the highest one
    if (count > 0 && below + count >= wanted) return lower + ((upper - lower) * (wanted - below)) / count;
    below += count;
  }
  return undefined;
}
