/** What the kernel says of a process that says nothing itself. */
import { readFileSync } from "node:fs";

/** In words; `undefined` where the kernel does not tell (other systems than Linux), or where there is no such process. */
export function processState(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return states[stat.charAt(stat.lastIndexOf(")") + 2)]; // the name before it may hold anything
  } catch {
    return undefined;
  }
}

/** Source: proc(5). */
const states: Readonly<Record<string, string>> = {
  R: "it computes",
  S: "it waits",
  D: "it waits for a device",
  T: "it was stopped by a signal",
  t: "it was stopped by a debugger",
  Z: "it has ended",
};
