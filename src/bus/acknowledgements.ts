/**
 * The acknowledgements of a writer's entries, in their order. Being in the stream is enough, but for an entry in which
 * there is a key: whether that came before stands in the log alone, and Redis may answer the writer before the reader.
 *
 * The rule: none is kept back for longer than `seenWithinMs`, for a stream may be lost before it was read.
 */
import type { EntryId } from "./stream-offset.ts";

interface Waiting<Batch> {
  readonly batch: Batch;
  readonly id: EntryId;
  readonly sequence: number;
  readonly sinceMs: number;
}

const seenWithinMs = 5000;

export class Acknowledgements<Batch extends { readonly hasKey: boolean }> {
  readonly #acknowledge: (batch: Batch, id: EntryId) => void;
  #waiting: Waiting<Batch>[] = []; // the first one has a key
  #lastSeen = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(acknowledge: (batch: Batch, id: EntryId) => void) {
    this.#acknowledge = acknowledge;
  }

  /** Sequence of the last own entry that the reader has applied. */
  get lastSeen(): number {
    return this.#lastSeen;
  }

  /** The stream has the entry. Hot path. */
  written(batch: Batch, id: EntryId, sequence: number): void {
    if (this.#waiting.length === 0 && this.#isDue(batch, sequence)) return this.#acknowledge(batch, id);
    this.#waiting.push({ batch, id, sequence, sinceMs: performance.now() });
    this.#timer ??= setTimeout(() => this.#late(), seenWithinMs);
  }

  /** The reader has applied the entry. Hot path. */
  seen(sequence: number): void {
    this.#lastSeen = sequence;
    if (this.#waiting.length > 0) this.#go(({ batch, sequence }) => this.#isDue(batch, sequence));
  }

  /** Keeps nothing back any more. */
  stop(): void {
    this.#go(() => true);
  }

  #late(): void {
    this.#timer = undefined;
    const overdueMs = performance.now() - seenWithinMs;
    this.#go(({ batch, sequence, sinceMs }) => this.#isDue(batch, sequence) || sinceMs <= overdueMs);
    if (this.#waiting.length > 0) this.#timer = setTimeout(() => this.#late(), this.#waiting[0]!.sinceMs - overdueMs);
  }

  #go(isDue: (waiting: Waiting<Batch>) => boolean): void {
    const waiting = this.#waiting;
    const firstKept = waiting.findIndex((entry) => !isDue(entry));
    this.#waiting = firstKept === -1 ? [] : waiting.slice(firstKept);
    for (const { batch, id } of firstKept === -1 ? waiting : waiting.slice(0, firstKept)) this.#acknowledge(batch, id);
    if (this.#waiting.length > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #isDue({ hasKey }: Batch, sequence: number): boolean {
    return !hasKey || sequence <= this.#lastSeen;
  }
}
