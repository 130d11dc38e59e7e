/**
 * `npm run bench`: Tidegate beside its peers, in one sitting. See `bench/README.md`.
 *
 * Every figure is a median of interleaved runs; what counts is the ratio to the peer, for machines differ.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { api } from "./api.ts";
import { bridge } from "./bridge.ts";
import { connect } from "./connect.ts";
import { fanout } from "./fanout.ts";
import { idle } from "./idle.ts";
import { latency } from "./latency.ts";
import { describeMachine, root } from "./machine.ts";
import { micro } from "./micro.ts";
import { million } from "./million.ts";
import { printMillion } from "./million-report.ts";
import { msgpack } from "./msgpack.ts";
import { plot } from "./plot.ts";
import { recover } from "./recover.ts";
import { linesOf, table } from "./report.ts";
import { rooms } from "./rooms.ts";
import { rtt } from "./rtt.ts";
import type { Report, Scenario, Sitting } from "./scenario.ts";
import { chosenPeers, peers, raw, tidegate } from "./servers.ts";
import { printSoak, soak } from "./soak.ts";

/** In the order in which they run. */
const scenarios: Readonly<Record<string, Scenario>> = {
  fanout: { run: fanout },
  rooms: { run: rooms },
  rtt: { run: rtt },
  latency: { run: latency },
  connect: { run: connect },
  idle: { run: idle },
  recover: { run: recover },
  msgpack: { run: msgpack },
  micro: { run: micro },
  bridge: { run: bridge },
  api: { run: api },
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: "boolean", default: false },
    compare: { type: "string" },
    json: { type: "string" },
    connections: { type: "string" },
    minutes: { type: "string" },
  },
});
/** Those that run alone, and only when they are named: no peer stands beside them. */
const trials: Readonly<Record<string, () => Promise<object>>> = {
  async million() {
    const figures = await million(Number(values.connections ?? (values.quick ? 20_000 : 1_000_000)));
    printMillion(figures);
    return figures;
  },
  async soak() {
    const figures = await soak(Number(values.minutes ?? (values.quick ? 3 : 10)));
    printSoak(figures);
    if (!figures.isFlat) process.exitCode = 1;
    return figures;
  },
};
const wanted = positionals.length > 0 ? positionals : Object.keys(scenarios);
const compared = values.compare?.split(",").filter((name) => name !== "") ?? peers.map(({ name }) => name);
refuseUnknown("scenario", wanted, [...Object.keys(scenarios), ...Object.keys(trials)]);
refuseUnknown(
  "peer",
  compared,
  peers.map(({ name }) => name),
);

const { present, absent } = chosenPeers(compared);
const sitting: Sitting = {
  isQuick: values.quick,
  servers: [raw, tidegate, ...present],
  runs: values.quick ? 1 : 3,
  progress: (line) => void process.stderr.write(`${line}\n`),
};
const machine = describeMachine();
const results = new Map<string, Report>();
const secondsSince = (startMs: number): number => Math.round((performance.now() - startMs) / 1000);
const startMs = performance.now();
const tried: Record<string, object> = {};
for (const name of wanted) {
  const scenarioStartMs = performance.now();
  const scenario = scenarios[name];
  if (scenario === undefined) {
    tried[name] = await trials[name]!();
    continue;
  }
  const report = await scenario.run(sitting);
  sitting.progress(`${name}: ${secondsSince(scenarioStartMs)} s`);
  results.set(name, report);
  keep(name, report);
}
for (const [name, report] of results) print(`\n${name}: ${report.title}\n${table(report)}`);
for (const { name, reason } of absent) print(`\n${name}: absent, ${reason}`);
print(`\n${wanted.length} scenarios in ${secondsSince(startMs)} s`);
if (values.json !== undefined)
  writeFileSync(
    values.json,
    written({ ...Object.fromEntries([...results].map(([name, report]) => [name, figuresOf(report)])), ...tried }),
  );

/** Quick runs have a folder of their own, and leave the kept results alone. */
function keep(name: string, report: Report): void {
  const folder = `${root}bench/results/${values.quick ? "quick/" : ""}`;
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}${name}.json`, written(figuresOf(report)));
  writeFileSync(`${folder}${name}.svg`, plot(report));
}

function figuresOf(report: Report): object {
  return { title: report.title, baseline: report.baseline, figures: linesOf(report), runs: report.runs };
}

function written(figures: object): string {
  return `${JSON.stringify({ machine, date: new Date().toISOString(), isQuick: values.quick, ...figures }, null, 2)}\n`;
}

function refuseUnknown(what: string, names: readonly string[], known: readonly string[]): void {
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length === 0) return;
  process.stderr.write(`bench: unknown ${what} ${unknown.join(", ")}; there are: ${known.join(", ")}\n`);
  process.exit(2);
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
