import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { open } from "node:fs/promises";
import { text as readAll } from "node:stream/consumers";
import { describe, it } from "node:test";
import type { Gauges } from "../../src/metrics/catalogue.ts";
import { Counters } from "../../src/metrics/counters.ts";
import { createRegistry, mergedText } from "../../src/metrics/registry.ts";
import { ensureCommand } from "../support/debian.ts";

/** The series of a scrape: `name{label="value"}` to its number. */
function parse(text: string): Map<string, number> {
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ")))]),
  );
}

function createSources(node = "a") {
  const counters = new Counters();
  const state = { json: 0, msgpack: 0, subscriptions: 0, channels: 0, messages: 0, bytes: 0, members: 0 };
  const flags = { ready: 1 as 0 | 1, draining: 0 as 0 | 1 };
  const gauges: Gauges = {
    connections: () => ({ json: state.json, msgpack: state.msgpack }),
    subscriptions: () => state.subscriptions,
    historyChannels: () => state.channels,
    historyMessages: () => state.messages,
    historyBytes: () => state.bytes,
    presenceMembers: () => state.members,
    revocations: () => 0,
    presenceConnections: () => ({ a: 3, b: state.members }),
    calloutBreakers: () => ({ closed: 2, open: 1, half_open: 0 }),
    ready: () => flags.ready,
    draining: () => flags.draining,
  };
  return {
    counters,
    state,
    flags,
    registry: createRegistry({ counters, gauges, version: "1.2.3", node, bus: () => bus, webhooks: () => webhooks }),
  };
}

const bus = {
  ...{ entriesWritten: 1, recordsWritten: 20, entriesRead: 3, writeFailures: 4, readFailures: 5 },
  ...{ reconnects: 6, epochs: 7, queueBytes: 8, lagMs: 9500, unreadEntries: 10, isLeased: true },
  skipped: { kind: 11, version: 12, foreign: 13 },
};

const receiver = { queued: 2, oldestSeconds: 3.5, deadLetters: 4 };
const webhooks = {
  ...{
    events: { connected: 1, message: 2 },
    deliveries: { delivered: 3, away: 4 },
    delivered: 5,
    dropped: 6,
    buried: 7,
  },
  receivers: [receiver, { queued: 20, oldestSeconds: 1, deadLetters: 40 }],
};

async function promtool(input: string): Promise<{ code: number | null; output: string }> {
  const child = spawn(await ensureCommand("promtool", "prometheus"), ["check", "metrics"], {
    stdio: ["pipe", "pipe", "pipe"],
  });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  child.stdin.end(input);
  const output = (await Promise.all([readAll(child.stdout), readAll(child.stderr)])).join("");
  return { code: await ended, output };
}

describe("the text of /metrics", () => {
  it("passes Prometheus' own linter, on the first scrape and on the second", async () => {
    const { registry, counters } = createSources();
    const first = await registry.text();
    counters.deliveryLatency.observe(0.3, 5);
    const second = await registry.text();
    for (const text of [first, second]) assert.deepEqual(await promtool(text), { code: 0, output: "" });
  });

  it("holds a finite number in every series, also where two scrapes follow each other at once", async () => {
    const { registry } = createSources();
    for (let scrape = 0; scrape < 3; scrape += 1) {
      for (const [series, value] of parse(await registry.text())) {
        assert.ok(Number.isFinite(value), `${series} is ${value}`);
        if (series.startsWith("nodejs_eventloop_lag")) assert.ok(value < 3600, `${series} is ${value}`);
      }
    }
  });

  it("says what every metric of the gateway is: a counter in _total, a histogram in _seconds, a gauge in neither or in _seconds", async () => {
    const text = await createSources().registry.text();
    const types = new Map(
      [...text.matchAll(/^# TYPE (tidegate_\S+) (\S+)$/gm)].map(([, name, type]) => [name!, type!]),
    );
    assert.ok(types.size > 25);
    for (const [name, type] of types) {
      assert.match(text, new RegExp(`^# HELP ${name} [A-Z0-9].+\\.$`, "m"));
      assert.match(name, { counter: /_total$/, histogram: /_seconds$/, gauge: /(?<!_total)$/ }[type]!);
    }
  });

  it("holds what the log in Redis tells of itself, and who holds members, where there are such", async () => {
    const { registry, state } = createSources();
    state.members = 2;
    const expected = {
      tidegate_bus_entries_written_total: 1,
      tidegate_bus_records_written_total: 20,
      tidegate_bus_entries_read_total: 3,
      'tidegate_bus_failures_total{operation="write"}': 4,
      'tidegate_bus_failures_total{operation="read"}': 5,
      tidegate_bus_reconnects_total: 6,
      tidegate_bus_epoch_changes_total: 7,
      'tidegate_bus_skipped_total{what="kind"}': 11,
      'tidegate_bus_skipped_total{what="version"}': 12,
      'tidegate_bus_skipped_total{what="foreign"}': 13,
      tidegate_bus_queue_bytes: 8,
      tidegate_bus_reader_lag_seconds: 9.5,
      tidegate_bus_unread_entries: 10,
      tidegate_bus_leased: 1,
      'tidegate_presence_connections{node="a"}': 3,
      'tidegate_presence_connections{node="b"}': 2,
    };
    const series = parse(await registry.text());
    for (const [name, value] of Object.entries(expected)) assert.equal(series.get(name), value, name);
  });

  it("holds what webhooks tell of themselves: the queues' sums, and the age of the oldest event of all", async () => {
    const expected = {
      'tidegate_webhook_events_total{event="message"}': 2,
      'tidegate_webhook_deliveries_total{outcome="away"}': 4,
      tidegate_webhook_delivered_events_total: 5,
      tidegate_webhook_dropped_events_total: 6,
      tidegate_webhook_dead_letters_total: 7,
      tidegate_webhook_dead_letters_kept: 44,
      tidegate_webhook_queue_events: 22,
      tidegate_webhook_oldest_seconds: 3.5,
    };
    const series = parse(await createSources().registry.text());
    for (const [name, value] of Object.entries(expected)) assert.equal(series.get(name), value, name);
  });

  it("reads the counters at the moment of the scrape", async () => {
    const { registry, counters } = createSources();
    Object.assign(counters, { framesIn: 3, bytesIn: 300, framesOut: 9, bytesOut: 900, publications: 2, deliveries: 8 });
    Object.assign(counters, { duplicates: 1, rateLimited: 7, dropped: 4, connectionsOpened: 6, replayed: 5 });
    counters.messages.subscribe = 11;
    counters.refusals.not_subscribed = 12;
    counters.closed.client = 13;
    counters.closed.slow_consumer = 14;
    counters.handshakes["101"] = 15;
    counters.authentications.token_expired = 16;
    counters.recoveries.failed = 17;
    counters.guard.hookCalls.onMessage.timed_out = 18;
    counters.guard.calloutDecisions.publish.unanswered = 19;
    const expected = {
      tidegate_frames_received_total: 3,
      tidegate_received_bytes_total: 300,
      tidegate_frames_sent_total: 9,
      tidegate_sent_bytes_total: 900,
      tidegate_publications_total: 2,
      tidegate_deliveries_total: 8,
      tidegate_duplicates_total: 1,
      tidegate_rate_limited_total: 7,
      tidegate_dropped_messages_total: 4,
      tidegate_connections_opened_total: 6,
      tidegate_replayed_messages_total: 5,
      'tidegate_messages_total{action="subscribe"}': 11,
      'tidegate_refusals_total{code="not_subscribed"}': 12,
      'tidegate_connections_closed_total{reason="client"}': 13,
      'tidegate_connections_closed_total{reason="slow_consumer"}': 14,
      'tidegate_handshakes_total{status="101"}': 15,
      'tidegate_authentications_total{result="token_expired"}': 16,
      'tidegate_recoveries_total{result="failed"}': 17,
      'tidegate_hook_calls_total{hook="onMessage",outcome="timed_out"}': 18,
      'tidegate_callout_decisions_total{event="publish",decision="unanswered"}': 19,
    };
    const series = parse(await registry.text());
    for (const [name, value] of Object.entries(expected)) assert.equal(series.get(name), value, name);
    counters.framesIn += 1;
    assert.equal(parse(await registry.text()).get("tidegate_frames_received_total"), 4);
  });

  it("reads the gauges at the moment of the scrape", async () => {
    const { registry, state, flags } = createSources();
    Object.assign(state, { json: 1, msgpack: 2, subscriptions: 3, channels: 4, messages: 5, bytes: 6, members: 7 });
    Object.assign(flags, { ready: 0, draining: 1 });
    const series = parse(await registry.text());
    const expected = {
      'tidegate_connections{format="json"}': 1,
      'tidegate_connections{format="msgpack"}': 2,
      tidegate_subscriptions: 3,
      tidegate_history_channels: 4,
      tidegate_history_messages: 5,
      tidegate_history_bytes: 6,
      tidegate_presence_members: 7,
      'tidegate_callout_breakers{state="open"}': 1,
      tidegate_ready: 0,
      tidegate_draining: 1,
      'tidegate_info{version="1.2.3",node="a"}': 1,
    };
    for (const [name, value] of Object.entries(expected)) assert.equal(series.get(name), value, name);
  });

  it("counts a latency in its bucket and in all above it", async () => {
    const { registry, counters } = createSources();
    counters.appendLatency.observe(0.05); // 50 µs: a bound belongs to its own bucket
    counters.appendLatency.observe(3, 2);
    counters.appendLatency.observe(60_000);
    const series = parse(await registry.text());
    const bucket = (bound: string) => series.get(`tidegate_bus_append_seconds_bucket{le="${bound}"}`);
    assert.deepEqual(["0.00005", "0.0025", "0.005", "10", "+Inf"].map(bucket), [1, 1, 3, 3, 4]);
    assert.equal(series.get("tidegate_bus_append_seconds_count"), 4);
    assert.ok(Math.abs(series.get("tidegate_bus_append_seconds_sum")! - 60.00605) < 1e-9);
  });

  it("has the same series whatever was counted: no label comes from a client", async () => {
    const { registry, counters, state } = createSources();
    const own = async () => [...parse(await registry.text()).keys()].filter((name) => name.startsWith("tidegate_"));
    const before = await own();
    for (const key of Object.keys(counters.refusals)) counters.refusals[key as keyof typeof counters.refusals] = 1e6;
    state.channels = state.members = state.json = 100_000;
    assert.deepEqual(await own(), before);
  });

  it("includes what prom-client knows of the process", async () => {
    const series = parse(await createSources().registry.text());
    const names = ["process_start_time_seconds", "process_resident_memory_bytes", "nodejs_eventloop_lag_p99_seconds"];
    for (const name of names) assert.ok(series.has(name), name);
  });

  it("counts the open file descriptors", async () => {
    const { registry } = createSources();
    const count = async () => parse(await registry.text()).get("process_open_fds") ?? 0;
    const before = await count();
    const files = await Promise.all(Array.from({ length: 500 }, () => open("/dev/null")));
    const more = (await count()) - before;
    await Promise.all(files.map((file) => file.close()));
    assert.ok(more > 450 && more < 550, `${more}`); // the test runner opens and closes a few of its own
  });

  it("keeps two registries of one process apart", async () => {
    const [one, two] = [createSources(), createSources()];
    one.counters.framesIn = 1;
    two.counters.framesIn = 2;
    assert.equal(parse(await one.registry.text()).get("tidegate_frames_received_total"), 1);
  });
});

describe("the metrics of several workers", () => {
  it("tell of the busiest event loop, and not of an average in which it is lost", async () => {
    const name = "nodejs_eventloop_lag_p99_seconds";
    const workers = await Promise.all(["a", "b", "c"].map((node) => createSources(node).registry.snapshot()));
    for (const [index, snapshot] of workers.entries()) {
      const metric = snapshot.find((one) => one.name === name)! as unknown as { values: { value: number }[] };
      metric.values = [{ ...metric.values[0], value: index === 1 ? 2 : 0.01 }];
    }
    assert.equal(parse(await mergedText(workers)).get(name), 2);
  });

  it("arrive as JSON and are added, except where the least or the greatest is the truth", async () => {
    const workers = [createSources("a"), createSources("b")];
    for (const { counters, state } of workers) {
      counters.framesIn = 10;
      counters.deliveryLatency.observe(1);
      Object.assign(state, { json: 5, members: 7 });
    }
    Object.assign(workers[1]!.flags, { ready: 0, draining: 1 });
    const snapshots = await Promise.all(workers.map(({ registry }) => registry.snapshot()));
    const text = await mergedText(JSON.parse(JSON.stringify(snapshots)) as typeof snapshots);
    const series = parse(text);
    const expected = {
      tidegate_frames_received_total: 20,
      'tidegate_connections{format="json"}': 10,
      tidegate_publish_to_delivery_seconds_count: 2,
      'tidegate_publish_to_delivery_seconds_bucket{le="+Inf"}': 2,
      tidegate_presence_members: 7,
      tidegate_ready: 0,
      tidegate_draining: 1,
      'tidegate_info{version="1.2.3",node="a"}': 1,
      'tidegate_info{version="1.2.3",node="b"}': 1,
    };
    for (const [name, value] of Object.entries(expected)) assert.equal(series.get(name), value, name);
    assert.ok(series.has("process_start_time_seconds"));
    assert.deepEqual(await promtool(text), { code: 0, output: "" });
  });
});
