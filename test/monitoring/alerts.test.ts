/** config/rules as promtool sees them: each alert fires on the trouble that it is for, and none on a healthy node. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { parse, stringify } from "yaml";
import { temporaryFolder } from "../support/child.ts";
import { ensureCommand } from "../support/debian.ts";

const run = promisify(execFile);
const inProject = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const rules = inProject("config/rules/tidegate.yml");

interface Trouble {
  /** The series of a node `a`, as promtool writes them, at 15 s each. */
  readonly series: Readonly<Record<string, string>>;
  /** The time until which it is silent: `for` at least. */
  readonly silentAt: string;
  readonly firesAt: string;
  readonly severity: "page" | "ticket";
  readonly summary: string;
  /** The alert's labels are those of a sum by instance, or of nothing that is there. */
  readonly of?: "sum" | "nothing";
}

const lasting = (value: number): string => `${value}x80`;
const growing = (step: number): string => `0+${step}x80`;

const troubles: Readonly<Record<string, Trouble>> = {
  TidegateDown: {
    series: { up: lasting(0) },
    silentAt: "45s",
    firesAt: "2m",
    severity: "page",
    summary: "a does not answer on its admin port",
  },
  TidegateAbsent: {
    series: { 'up{job="other"}': lasting(1) },
    silentAt: "4m",
    firesAt: "6m",
    severity: "page",
    summary: "Prometheus knows no node of Tidegate",
    of: "nothing",
  },
  TidegateNotReady: {
    series: { tidegate_ready: lasting(0), tidegate_draining: lasting(0) },
    silentAt: "90s",
    firesAt: "3m",
    severity: "page",
    summary: "a takes no new clients",
  },
  TidegateReaderLag: {
    series: { tidegate_bus_reader_lag_seconds: lasting(2) },
    silentAt: "45s",
    firesAt: "2m",
    severity: "page",
    summary: "a is 2s behind the log in Redis",
  },
  TidegateAppendSlow: {
    series: {
      'tidegate_bus_append_seconds_bucket{le="0.25"}': lasting(0),
      'tidegate_bus_append_seconds_bucket{le="0.5"}': growing(150),
      'tidegate_bus_append_seconds_bucket{le="+Inf"}': growing(150),
    },
    silentAt: "4m",
    firesAt: "12m",
    severity: "ticket",
    summary: "a: one acknowledgement in a hundred takes over 497.5ms",
    of: "sum",
  },
  TidegateSlowConsumers: {
    series: { 'tidegate_connections_closed_total{reason="slow_consumer"}': growing(30) },
    silentAt: "4m",
    firesAt: "12m",
    severity: "ticket",
    summary: "a closes 2 slow connections a second",
    of: "sum",
  },
  TidegateHandshakesRefused: {
    series: {
      'tidegate_handshakes_total{status="101"}': growing(15),
      'tidegate_handshakes_total{status="401"}': growing(15),
      'tidegate_handshakes_total{status="426"}': growing(1500), // health checks of a balancer, a browser that looks
    },
    silentAt: "4m",
    firesAt: "12m",
    severity: "ticket",
    summary: "a refuses 50% of the handshakes",
    of: "sum",
  },
  TidegateEventLoopLag: {
    series: { nodejs_eventloop_lag_p99_seconds: lasting(0.5) },
    silentAt: "4m",
    firesAt: "6m",
    severity: "ticket",
    summary: "a is busy for 500ms at a time",
  },
  TidegateMessagesDropped: {
    series: { tidegate_dropped_messages_total: growing(300) },
    silentAt: "4m",
    firesAt: "12m",
    severity: "ticket",
    summary: "a: full send queues refuse 20 messages a second",
    of: "sum",
  },
  TidegateEpochChanged: {
    series: { tidegate_bus_epoch_changes_total: "1x20 2x60" },
    silentAt: "4m",
    firesAt: "6m",
    severity: "page",
    summary: "a saw the log break: messages may be missing",
  },
  TidegateMemoryHigh: {
    series: { process_resident_memory_bytes: lasting(900 * 1024 * 1024) },
    silentAt: "9m",
    firesAt: "11m",
    severity: "ticket",
    summary: "a holds 900MiB of its 1 GiB",
  },
  TidegateDescriptorsHigh: {
    series: { process_open_fds: lasting(900), process_max_fds: lasting(1000) },
    silentAt: "4m",
    firesAt: "6m",
    severity: "page",
    summary: "a has used 90% of its descriptors",
  },
};

/** What a node at rest and under a usual load tells. */
const healthy: Trouble["series"] = {
  up: lasting(1),
  tidegate_ready: lasting(1),
  tidegate_draining: lasting(0),
  tidegate_bus_reader_lag_seconds: lasting(0.02),
  'tidegate_bus_append_seconds_bucket{le="0.01"}': growing(150),
  'tidegate_bus_append_seconds_bucket{le="+Inf"}': growing(150),
  'tidegate_connections_closed_total{reason="slow_consumer"}': growing(1),
  'tidegate_handshakes_total{status="101"}': growing(150),
  'tidegate_handshakes_total{status="401"}': growing(3),
  nodejs_eventloop_lag_p99_seconds: lasting(0.012),
  tidegate_dropped_messages_total: growing(10),
  tidegate_bus_epoch_changes_total: lasting(1),
  process_resident_memory_bytes: lasting(200 * 1024 * 1024),
  process_open_fds: lasting(100),
  process_max_fds: lasting(1000),
};
/** A node that drains is not ready, and that is no trouble. */
const draining: Trouble["series"] = { ...healthy, tidegate_ready: lasting(0), tidegate_draining: lasting(1) };
/** Almost nobody comes, and of those one client with a token that ran out tries four times a minute. */
const quiet: Trouble["series"] = {
  ...healthy,
  'tidegate_handshakes_total{status="101"}': "0x40 1x40",
  'tidegate_handshakes_total{status="401"}': growing(1),
};

const alerts: { alert: string }[] = parse(await readFile(rules, "utf8")).groups[1].rules;

test("Prometheus accepts the configuration and the rules", async () => {
  await run(await ensureCommand("promtool", "prometheus"), ["check", "config", inProject("config/prometheus.yml")]);
});

test("Every alert has a trouble to be tested with, and a paragraph in the README", async () => {
  const readme = await readFile(inProject("README.md"), "utf8");
  assert.deepEqual(alerts.map(({ alert }) => alert).sort(), Object.keys(troubles).sort());
  const paragraphs = [...readme.matchAll(/^- \*\*(Tidegate\w+)\*\*: ./gm)].map(([, alert]) => alert!);
  assert.deepEqual(paragraphs.sort(), Object.keys(troubles).sort());
});

for (const [alert, trouble] of Object.entries(troubles)) {
  const { series, silentAt, firesAt, severity, summary, of } = trouble;
  test(`${alert} waits, fires, and says where`, (t) =>
    passes(t, series, [
      { alertname: alert, eval_time: silentAt, exp_alerts: [] },
      {
        alertname: alert,
        eval_time: firesAt,
        exp_alerts: [
          {
            exp_labels: {
              severity,
              ...(of === "nothing" ? {} : { instance: "a" }),
              ...(of === "sum" ? {} : { job: "tidegate" }),
            },
            exp_annotations: { summary },
          },
        ],
      },
    ]));
}

for (const [state, series] of Object.entries({ healthy, draining, quiet }))
  test(`No alert fires on a node that is ${state}`, (t) =>
    passes(
      t,
      series,
      alerts.map(({ alert }) => ({ alertname: alert, eval_time: "19m", exp_alerts: [] })),
    ));

/** Runs `promtool test rules`; rejects with what it prints where an expectation fails. */
async function passes(t: test.TestContext, series: Trouble["series"], expected: readonly object[]): Promise<void> {
  const input = Object.entries(series).map(([name, values]) => {
    const [metric, labels = ""] = name.replace("}", "").split("{");
    const job = labels.includes("job=") ? "" : 'job="tidegate",';
    return { series: `${metric}{${job}instance="a"${labels && `,${labels}`}}`, values };
  });
  const tests = [{ interval: "15s", input_series: input, alert_rule_test: expected }];
  const file = join(await temporaryFolder(t), "test.yml");
  await writeFile(file, stringify({ rule_files: [rules], evaluation_interval: "15s", tests }));
  await run(await ensureCommand("promtool", "prometheus"), ["test", "rules", file]).catch((error) =>
    assert.fail(`${error.stdout}${error.stderr}`),
  );
}
