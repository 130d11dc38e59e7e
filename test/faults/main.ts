/**
 * The fault campaign: `npm run test:faults -- [--seed N] [--only NAME] [--minutes M] [--no-proofs] [--quick]`, or `-- --soak M`.
 *
 * Every row once, and once more without each protection that it names, when it must fail. `--only` takes the rows whose name
 * holds NAME; `--minutes` repeats them, with seeds that follow, until the time is over; `--quick` takes fewer clients;
 * `--soak` is another run, see `soak.ts`. Ends with 1 where a row failed.
 */
import { parseArgs } from "node:util";
import { type Protection, removePrograms } from "./program.ts";
import { hasFailed, type Outcome, type Row, runRow } from "./row.ts";
import { rows } from "./rows/index.ts";
import { soak } from "./soak.ts";
import { tableOf } from "./table.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    only: { type: "string", multiple: true },
    minutes: { type: "string" },
    soak: { type: "string" },
    quick: { type: "boolean" },
    proofs: { type: "boolean", default: true },
  },
  allowNegative: true,
});

const firstSeed = numberOf("seed") ?? Math.floor(Math.random() * 1e6);
const outcomes: Outcome[] = [];
const proofs: string[] = [];
let isBad = false;

const chosen = rows.filter(({ name }) => values.only?.some((part) => name.includes(part)) ?? true);
if (chosen.length === 0) fail(`cannot run: --only must be a part of one of ${rows.map(({ name }) => name).join(", ")}`);

const soakMinutes = numberOf("soak");
if (soakMinutes !== undefined) {
  process.stdout.write(`seed ${firstSeed}\n`);
  const wrongs = await soak(soakMinutes, firstSeed);
  await removePrograms();
  process.stdout.write(wrongs.length === 0 ? "the soak holds\n" : `FAILED:\n${wrongs.join("\n")}\n`);
  process.exit(wrongs.length === 0 ? 0 : 1);
}

const endMs = performance.now() + (numberOf("minutes") ?? 0) * 60_000;
let seed = firstSeed;
do {
  for (const row of chosen) await run(row, seed);
  seed += 1;
} while (performance.now() < endMs);
if (values.proofs) for (const row of chosen) for (const without of row.proofs ?? []) await prove(row, without);

await removePrograms();
process.stdout.write(`\nseed ${firstSeed}\n${tableOf(outcomes)}\n${proofs.map((line) => `${line}\n`).join("")}`);
process.exit(isBad ? 1 : 0);

async function run(row: Row, seed: number): Promise<void> {
  process.stdout.write(`${row.name}: ${row.title}\n`);
  const outcome = await runRow(row, { seed, size: values.quick ? "quick" : "full" });
  outcomes.push(outcome);
  for (const wrong of outcome.wrongs) process.stdout.write(`  FAILED, seed ${seed}: ${wrong}\n`);
  isBad ||= outcome.wrongs.length > 0;
}

async function prove(row: Row, without: Protection): Promise<void> {
  const outcome = await runRow(row, { seed: firstSeed, size: "quick", without });
  const [wrong] = outcome.wrongs;
  const verdict = hasFailed(outcome)
    ? `fails: ${wrong}`
    : wrong === undefined
      ? "HOLDS, AND SHOULD NOT"
      : `NOT PROVED, it did not come to the fault: ${wrong}`;
  const line = `${row.name} without ${without}: ${verdict}`;
  process.stdout.write(`${line}\n`);
  proofs.push(line);
  isBad ||= !hasFailed(outcome);
}

function numberOf(name: "seed" | "minutes" | "soak"): number | undefined {
  const text = values[name];
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!(value >= 0)) fail(`cannot run: --${name} must be a number from 0 on, got ${text}`);
  return value;
}

function fail(text: string): never {
  process.stderr.write(`${text}\n`);
  process.exit(2);
}
