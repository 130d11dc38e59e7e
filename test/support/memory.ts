/** How much memory something keeps: measured where all that is garbage has been collected. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const gc = runInNewContext("gc") as () => void;

/** Bytes that are in use after `work` and were not before it. */
export function bytesKept(work: () => void): number {
  const before = bytesInUse();
  work();
  return bytesInUse() - before;
}

function bytesInUse(): number {
  for (let round = 0; round < 4; round += 1) gc(); // one may leave strings to the next
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
