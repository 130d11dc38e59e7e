/**
 * What is wrong with Redis at present. Every part that may fail has a name of its own here, and all is well only when
 * each of them works again.
 *
 * One log line for a change: when trouble begins, for each reason that is new in it, and when it is over.
 */
import type { BusLog, BusStatus } from "./bus-status.ts";

/** Reasons told in one trouble; two that take turns would fill the log. */
const reasonsMax = 8;

export class Troubles {
  readonly #status: BusStatus;
  readonly #log: BusLog;
  readonly #queueBytes: () => number;
  readonly #present = new Set<string>(); // the names of what does not work
  readonly #told = new Set<string>(); // reasons, of the present trouble
  #isStarted = false;
  #isStopped = false;
  #endedAtMs = performance.now();

  constructor(status: BusStatus, log: BusLog, queueBytes: () => number) {
    this.#status = status;
    this.#log = log;
    this.#queueBytes = queueBytes;
    status.block("Redis: connecting");
  }

  /** Milliseconds for which everything has worked; 0 while something does not. */
  get quietMs(): number {
    return this.#present.size > 0 ? 0 : performance.now() - this.#endedAtMs;
  }

  /** The node's view is complete: from here on it is ready whenever nothing is wrong. */
  started(): void {
    this.#isStarted = true;
    if (this.#present.size === 0) this.#status.clear();
  }

  /** From here on nothing is trouble: connections that are closed on purpose fail as the others do. */
  stop(): void {
    this.#isStopped = true;
  }

  begin(part: string, error: Error): void {
    if (this.#isStopped) return;
    const reason = reasonOf(error);
    const isFirst = this.#present.size === 0;
    this.#present.add(part);
    // That a connection was lost, or gave no answer, says less than why: it is told where nothing else is.
    const isNew = isFirst || (!this.#told.has(reason) && !isConsequence(reason) && this.#told.size < reasonsMax);
    if (!isNew) return;
    this.#told.add(reason);
    this.#status.block(`Redis: ${reason}`);
    this.#log.warn({ reason, queueBytes: this.#queueBytes() }, "Redis is in trouble: publications wait");
  }

  end(part: string): void {
    if (this.#isStopped || !this.#present.delete(part) || this.#present.size > 0) return;
    this.#told.clear();
    this.#endedAtMs = performance.now();
    if (this.#isStarted) this.#status.clear();
    this.#log.info({}, "Redis is back: the log goes on");
  }
}

const reasonOf = (error: Error): string =>
  error.message === "" ? String((error as { code?: string }).code ?? error.name) : error.message;

const isConsequence = (reason: string): boolean => /connection|did not answer|does not come back|timeout/i.test(reason);
