/**
 * Runs of the model as a program: `FROM TO [faultless]`, the seeds. A process of its own, because the test runner follows
 * every promise, which makes the runs three times slower. Prints sums of what happened; throws with the seed that failed.
 */
import { runModel } from "./model-run.ts";

const [from, to, mode] = process.argv.slice(2);
const sums: Record<string, number> = {};
for (let seed = Number(from); seed < Number(to); seed += 1) {
  const { counts } = await runModel(seed, mode === "faultless").catch((cause: Error) => {
    throw new Error(`seed ${seed}: ${cause.message}`, { cause });
  });
  for (const [what, times] of Object.entries(counts)) sums[what] = (sums[what] ?? 0) + times;
}
console.log(JSON.stringify(sums));
