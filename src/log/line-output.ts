/**
 * Where finished lines go: one file descriptor, which may be a file on a disk that is full, or a pipe that nobody reads.
 *
 * The rule: nothing that goes wrong there stops, delays or ends the process. Lines wait, as many as `bytesMax` holds, and
 * are tried again; later ones are dropped and counted. At the exit what waits is tried for a moment, and then given up.
 */
import { write, writeSync } from "node:fs";

export interface LineOutputOptions {
  readonly fd: number;
  /** What may wait. */
  readonly bytesMax: number;
  /** Each line is written before `write` returns: for a terminal, where people expect lines in their place. */
  readonly isSync: boolean;
  /** Lines were dropped, and there is room again. */
  dropped(lines: number): void;
}

/** After an error; a reader that is only slow (EAGAIN) is asked sooner. */
const retryMs = 1000;
const busyMs = 20;
/** What a reader that stalls may hold up the exit. */
const exitMs = 1000;

export class LineOutput {
  readonly #options: LineOutputOptions;
  #waiting: string[] = [];
  #bytes = 0; // of #waiting and #underWay
  #underWay: Buffer | undefined;
  #retry: NodeJS.Timeout | undefined; // set while #underWay, which has failed, waits for its next attempt
  #dropped = 0;

  constructor(options: LineOutputOptions) {
    this.#options = options;
    process.once("exit", () => this.#flush());
  }

  write(line: string): void {
    const bytes = Buffer.byteLength(line);
    if (this.#bytes + bytes > this.#options.bytesMax) {
      this.#dropped += 1;
      return;
    }
    this.#waiting.push(line);
    this.#bytes += bytes;
    if (this.#options.isSync) this.#flush();
    else this.#next();
  }

  /** Begins with what waits, where nothing is under way. */
  #next(): void {
    if (this.#underWay !== undefined || this.#waiting.length === 0) return;
    this.#write(this.#take());
  }

  #take(): Buffer {
    const chunk = Buffer.from(this.#waiting.join(""));
    this.#waiting = [];
    return chunk;
  }

  #write(chunk: Buffer): void {
    this.#underWay = chunk;
    write(this.#options.fd, chunk, (error, written) => {
      if (error !== null) {
        const again = (): void => {
          this.#retry = undefined;
          this.#write(chunk);
        };
        this.#retry = setTimeout(again, error.code === "EAGAIN" ? busyMs : retryMs).unref();
        return;
      }
      this.#bytes -= written;
      if (written < chunk.length) return this.#write(chunk.subarray(written));
      this.#underWay = undefined;
      const dropped = this.#dropped;
      this.#dropped = 0;
      if (dropped > 0) this.#options.dropped(dropped);
      this.#next();
    });
  }

  /** Writes what waits before it returns, or gives it up. What the thread pool is writing is left to it. */
  #flush(): void {
    const failed = this.#retry === undefined ? [] : [this.#underWay ?? Buffer.alloc(0)];
    const chunk = Buffer.concat([...failed, this.#take()]);
    this.#bytes = this.#underWay?.length ?? 0;
    const startedMs = performance.now();
    for (let at = 0; at < chunk.length; ) {
      try {
        at += writeSync(this.#options.fd, chunk, at);
      } catch (error) {
        const isBusy = (error as NodeJS.ErrnoException).code === "EAGAIN";
        if (!isBusy || performance.now() - startedMs > exitMs) return;
        Atomics.wait(pause, 0, 0, 10);
      }
    }
  }
}

const pause = new Int32Array(new SharedArrayBuffer(4));
