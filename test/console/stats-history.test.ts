import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  type LogFigures,
  type ProcessFigures,
  percentile,
  type Stats,
  StatsHistory,
} from "../../src/console/page/stats-history.ts";

const bounds = [1, 2, 4];

function figures(node: string, counts: Partial<ProcessFigures> = {}): ProcessFigures {
  const host = { version: "1.2.3", host: "h", pid: 1, memoryBytes: 0, connections: 1, subscriptions: 0 };
  const zeros = { busySeconds: 0, framesIn: 0, framesOut: 0, publications: 0, deliveries: 0, refusals: 0, dropped: 0 };
  const latencies = { deliveryLatency: [0, 0, 0, 0], appendLatency: [0, 0, 0, 0] };
  return { node, uptimeSeconds: 100, ...host, ...zeros, ...latencies, ...counts };
}

const stats = (...processes: ProcessFigures[]): Stats => ({
  processes,
  latencyBoundsSeconds: bounds,
  ready: true,
  reason: "",
});

describe("the history of what the processes counted", () => {
  it("has a point from the second answer on, with what rose in a second between the two", () => {
    const history = new StatsHistory();
    history.add(stats(figures("a", { framesIn: 1000, busySeconds: 50 })), 10);
    assert.equal(history.latest(), undefined);
    history.add(stats(figures("a", { framesIn: 1100, deliveries: 8, busySeconds: 51, connections: 7 })), 12);
    const { framesIn, deliveries, busy, connections, atSeconds } = history.latest()!;
    assert.deepEqual([framesIn, deliveries, busy, connections, atSeconds], [50, 4, 0.5, 7, 12]);
  });

  it("adds up what the processes have each for itself, and not the publications, which all of them see", () => {
    const history = new StatsHistory();
    history.add(stats(figures("a"), figures("b")), 1);
    history.add(
      stats(figures("a", { deliveries: 2, publications: 5 }), figures("b", { deliveries: 3, publications: 5 })),
      2,
    );
    assert.deepEqual([history.latest()!.deliveries, history.latest()!.publications], [5, 5]);
    assert.deepEqual([history.latest("b")!.deliveries, history.latest("nobody")], [3, undefined]);
  });

  it("shows the longest lag of those who read the log in Redis, and none where nobody does", () => {
    const log = (lagSeconds: number): LogFigures => ({
      ...{ lagSeconds, queueBytes: 0, unreadEntries: 0, isLeased: true, failures: 0, reconnects: 0, epochChanges: 0 },
    });
    const history = new StatsHistory();
    for (const at of [1, 2]) history.add(stats(figures("a", { log: log(2) }), figures("b", { log: log(3) })), at);
    assert.deepEqual([history.latest()!.lagSeconds, history.latest("a")!.lagSeconds], [3, 2]);
    history.add({ ...stats(figures("worker")), log: log(7) }, 3); // a supervisor's
    assert.deepEqual([history.latest()!.lagSeconds, history.latest("worker")!.lagSeconds], [7, undefined]);
    history.add(stats(figures("alone")), 4);
    assert.equal(history.latest()!.lagSeconds, undefined);
  });

  it("takes a process that is new, or has begun anew, for one that did nothing yet, never for one that fell", () => {
    const history = new StatsHistory();
    history.add(stats(figures("a", { framesIn: 1000 })), 1);
    history.add(stats(figures("a", { framesIn: 10, uptimeSeconds: 1 }), figures("b", { framesIn: 500 })), 2);
    assert.equal(history.latest()!.framesIn, 0);
    history.add(stats(figures("a", { framesIn: 13, uptimeSeconds: 2 }), figures("b", { framesIn: 504 })), 3);
    assert.equal(history.latest()!.framesIn, 7);
  });

  it("leaves out the moments in which a process did not answer", () => {
    const history = new StatsHistory();
    for (const [at, processes] of [["a", "b"], ["a", "b"], ["a"], ["a", "b"]].entries())
      history.add(stats(...processes.map((node) => figures(node))), at);
    assert.deepEqual(
      history.points(0, "b").map(({ atSeconds }) => atSeconds),
      [1, 3],
    );
    assert.equal(history.points(2).length, 2);
    assert.deepEqual(history.points(9), []);
  });

  it("has the percentiles of what was observed lately, and none where nothing was", () => {
    const history = new StatsHistory();
    history.add(stats(figures("a", { deliveryLatency: [100, 0, 0, 0] })), 0);
    history.add(stats(figures("a", { deliveryLatency: [100, 10, 0, 0] })), 1);
    assert.equal(history.latest()!.p50, 1.5);
    assert.equal(history.latest()!.appendP50, undefined);
    for (let at = 2; at < 8; at += 1) history.add(stats(figures("a", { deliveryLatency: [100, 10, 0, 0] })), at);
    assert.equal(history.latest()!.p50, undefined);
  });

  it("keeps a quarter of an hour", () => {
    const history = new StatsHistory();
    for (let at = 0; at < 1000; at += 1) history.add(stats(figures("a")), at);
    assert.equal(history.points(0).length, 900);
  });
});

describe("a percentile of buckets", () => {
  it("lies evenly within its bucket, as Prometheus reckons", () => {
    assert.equal(percentile([0, 4, 0, 0], bounds, 0.5), 1.5);
    assert.equal(percentile([50, 40, 9, 1], bounds, 0.5), 1);
    assert.equal(percentile([50, 40, 9, 1], bounds, 0.99), 4);
  });

  it("is the highest bound for what is above all of them, and nothing of nothing", () => {
    assert.equal(percentile([0, 0, 0, 3], bounds, 0.5), 4);
    assert.equal(percentile([0, 0, 0, 0], bounds, 0.5), undefined);
    assert.equal(percentile([], bounds, 0.5), undefined);
  });
});
