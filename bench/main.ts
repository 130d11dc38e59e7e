/**
 * `npm run bench`: Tidegate beside its peers, in one sitting. `npm run bench -- idle bridge --quick --json FILE`.
 *
 * Every figure is a median of interleaved runs; what counts is the ratio to the peer, for machines differ.
 */
import { writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { parseArgs } from "node:util";
import { bridge } from "./bridge.ts";
import { idle } from "./idle.ts";
import { median } from "./median.ts";
import { million } from "./million.ts";
import { printMillion } from "./million-report.ts";
import { printSoak, soak } from "./soak.ts";

/** Each runs, prints its table and returns its figures. */
const scenarios: Readonly<Record<string, (isQuick: boolean) => Promise<object>>> = {
  async idle(isQuick) {
    const figures = isQuick ? await idle(3000, 1) : await idle(15_000, 5);
    print(`idle: ${figures.connections} connections with a channel each, resident memory of the server`);
    console.table(
      Object.entries(figures.bytesPerConnection).map(([server, bytes]) => ({
        server,
        "bytes/connection": spread(bytes, 0),
      })),
    );
    print(`tidegate / raw uWebSockets.js: ${figures.ratio.toFixed(2)}`);
    return figures;
  },
  async bridge(isQuick) {
    const figures = isQuick ? await bridge(1, { warmUp: 1, measured: 3 }) : await bridge(5, { warmUp: 2, measured: 6 });
    print("bridge: from node to node through one Redis, messages of 200 bytes, latency at 10,000 a second");
    console.table(
      Object.entries(figures.runs).map(([system, runs]) => ({
        system,
        "messages/s": spread(
          runs.map((run) => run.messagesPerSecond),
          0,
        ),
        "p50 ms": spread(
          runs.map((run) => run.p50Ms),
          2,
        ),
        "p99 ms": spread(
          runs.map((run) => run.p99Ms),
          2,
        ),
        lost: runs.reduce((sum, { lost }) => sum + lost, 0),
      })),
    );
    print(`messages/s, tidegate / socket.io with its adapter: ${figures.throughputRatio.toFixed(2)}`);
    print(`p99, tidegate / bare PUBLISH and SUBSCRIBE: ${figures.p99Ratio.toFixed(2)}`);
    return figures;
  },
};

/** Those that run only when they are named. */
const named: typeof scenarios = {
  async million(isQuick) {
    const figures = await million(Number(values.connections ?? (isQuick ? 20_000 : 1_000_000)));
    printMillion(figures);
    return figures;
  },
  async soak(isQuick) {
    const figures = await soak(Number(values.minutes ?? (isQuick ? 3 : 10)));
    printSoak(figures);
    if (!figures.isFlat) process.exitCode = 1;
    return figures;
  },
};

const print = (line: string): void => void process.stdout.write(`${line}\n`);

/** The median, and from where to where the runs went. */
function spread(values: readonly number[], digits: number): string {
  const [middle, least, most] = [median(values), Math.min(...values), Math.max(...values)].map((n) =>
    n.toFixed(digits),
  );
  return values.length === 1 ? `${middle}` : `${middle} (${least} to ${most})`;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: "boolean", default: false },
    json: { type: "string" },
    connections: { type: "string" },
    minutes: { type: "string" },
  },
});
const wanted = positionals.length > 0 ? positionals : Object.keys(scenarios);
const all = { ...scenarios, ...named };
const unknown = wanted.filter((name) => all[name] === undefined);
if (unknown.length > 0) {
  process.stderr.write(`bench: unknown scenario ${unknown.join(", ")}; there are: ${Object.keys(all).join(", ")}\n`);
  process.exit(2);
}
const machine = { cpu: cpus()[0]?.model, cores: cpus().length, memoryBytes: totalmem(), node: process.version };
const results: Record<string, object> = {};
for (const name of wanted) results[name] = await all[name]!(values.quick);
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ machine, ...results }, null, 2)}\n`);
