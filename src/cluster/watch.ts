/**
 * A second thread of a worker that hooks run in: where the event loop stands still, it says in the log what holds it up,
 * before the supervisor ends the worker. Without hooks there is none: it takes memory, and the gateway's own code has
 * nothing to say that is not known.
 */
import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import type { LogOptions } from "../log/log.ts";
import { type HookName, hookNames } from "../metrics/guard-counters.ts";

/** What both threads share: at `beats` those of the event loop, at `hook` 1 + the index of the one that runs, 0 for none. */
export type Shared = Int32Array;
export const beats = 0;
export const hook = 1;
export const beatMs = 500;

export interface WatchOptions {
  readonly worker: number;
  readonly log: LogOptions;
  readonly shared: Shared;
}

/** Starts watching this thread. Gives what is to be told of each call of a hook: its name, and `undefined` after it. */
export function startWatch(options: Omit<WatchOptions, "shared">): (name: HookName | undefined) => void {
  const shared: Shared = new Int32Array(new SharedArrayBuffer(8));
  const thread = startThread({ ...options, shared });
  thread.on("error", () => {}); // without it the supervisor still ends a worker that is stuck
  thread.unref();
  setInterval(() => {
    shared[beats]! += 1;
  }, beatMs).unref();
  return (name) => {
    shared[hook] = name === undefined ? 0 : 1 + hookNames.indexOf(name);
  };
}

function startThread(workerData: WatchOptions): Worker {
  const options = { workerData, resourceLimits: { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 1 } };
  const program = new URL(`./watch-thread${extname(import.meta.url)}`, import.meta.url);
  if (program.pathname.endsWith(".js")) return new Worker(program, options);
  const tsx = import.meta.resolve("tsx/esm/api"); // where nothing is built; threads do not inherit it
  return new Worker(
    `import(${JSON.stringify(tsx)}).then(({ register }) => (register(), import(${JSON.stringify(program)})))`,
    {
      ...options,
      eval: true,
    },
  );
}
