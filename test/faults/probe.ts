/** What a process holds, asked from outside: a program that it loads answers a signal with a line of figures. */
import { readdir } from "node:fs/promises";
import { until } from "../support/child.ts";
import type { NodeProcess } from "../support/node-process.ts";

export interface Held {
  readonly pid: number;
  /** After a collection of all garbage. */
  readonly residentBytes: number;
  readonly heapBytes: number;
  /** Timers, sockets, servers of node; those of uWebSockets.js are among the descriptors. */
  readonly handles: number;
  readonly descriptors: number;
}

const signal = "SIGUSR2";
const line = "what this process holds";

/** For the environment of a node that is to be asked; its workers inherit it. */
export const probeEnv = { NODE_OPTIONS: `--expose-gc --import=data:text/javascript,${encodeURIComponent(program())}` };

/** Asks the processes of a node; all of them are at rest. */
export async function ask(node: NodeProcess, pids: readonly number[]): Promise<Held[]> {
  const answers: Held[] = [];
  for (const pid of pids) {
    const before = node.logLines(line).length;
    process.kill(pid, signal);
    await until(
      () => node.logLines(line).length > before,
      () => `process ${pid} does not say what it holds`,
    );
    const { residentBytes, heapBytes, handles } = node.logLines(line).at(-1) as unknown as Held;
    const descriptors = (await readdir(`/proc/${pid}/fd`)).length;
    answers.push({ pid, residentBytes, heapBytes, handles, descriptors });
  }
  return answers;
}

function program(): string {
  return `
    process.on("${signal}", () => {
      for (let round = 0; round < 4; round += 1) gc();
      const { rss: residentBytes, heapUsed: heapBytes } = process.memoryUsage();
      const handles = process.getActiveResourcesInfo().length;
      console.log(JSON.stringify({ msg: "${line}", residentBytes, heapBytes, handles }));
    });`;
}
