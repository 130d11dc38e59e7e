/** A load process on the last core: it gets its job as an argument and answers in lines of JSON. */
import type { ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { ended, loadCore, spawnPinned } from "./pinned.ts";

export class LoadProcess {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  /** `program`: the name of a file in `load/`. */
  constructor(program: string, job: object, core = loadCore) {
    const file = fileURLToPath(new URL(`load/${program}.js`, import.meta.url));
    this.#child = spawnPinned(core, [process.execPath, file, JSON.stringify(job)], {}, "pipe");
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]();
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** Its next answer. Throws where it ends without one; why is on standard error. */
  async answer<T>(): Promise<T> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error("a load process ended before it was done");
    return JSON.parse(value) as T;
  }

  /** Asks for one more answer. */
  async ask<T>(): Promise<T> {
    this.#child.stdin!.write("\n");
    return this.answer<T>();
  }

  end(): Promise<void> {
    return ended(this.#child);
  }
}

/** Runs a load process to its only answer. */
export async function load<T>(program: string, job: object): Promise<T> {
  const process = new LoadProcess(program, job);
  try {
    return await process.answer<T>();
  } finally {
    await process.end();
  }
}
