/**
 * `npm run bench`: Tidegate beside its peers, in one sitting. `npm run bench -- idle --quick --json FILE`.
 *
 * Every figure is a median of interleaved runs; what counts is the ratio to the peer, for machines differ.
 */
import { writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { parseArgs } from "node:util";
import { idle, median } from "./idle.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: "boolean", default: false }, json: { type: "string" } },
});
const scenarios = positionals.length > 0 ? positionals : ["idle"];
const unknown = scenarios.filter((scenario) => scenario !== "idle");
if (unknown.length > 0) {
  process.stderr.write(`bench: unknown scenario ${unknown.join(", ")}; there is: idle\n`);
  process.exit(2);
}

const figures = values.quick ? await idle(3000, 1) : await idle(15_000, 5);
const rows = Object.entries(figures.bytesPerConnection).map(([server, bytes]) => ({
  server,
  "bytes/connection": Math.round(median(bytes)),
  from: Math.round(Math.min(...bytes)),
  to: Math.round(Math.max(...bytes)),
}));
process.stdout.write(`\nidle: ${figures.connections} connections with a channel each, resident memory of the server\n`);
console.table(rows);
process.stdout.write(`tidegate / raw uWebSockets.js: ${figures.ratio.toFixed(2)}\n`);
if (values.json !== undefined) {
  const machine = { cpu: cpus()[0]?.model, cores: cpus().length, memoryBytes: totalmem(), node: process.version };
  writeFileSync(values.json, `${JSON.stringify({ machine, idle: figures }, null, 2)}\n`);
}
