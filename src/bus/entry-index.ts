/**
 * The stream entries that a node has applied, so that it can tell a position it knows from one it does not: two numbers
 * and a count an entry, in a circle of typed arrays, found by bisection.
 */
import { type EntryId, parseOffset } from "./stream-offset.ts";

export class EntryIndex {
  readonly #capacity: number;
  readonly #ms: Float64Array;
  readonly #sequences: Float64Array;
  readonly #counts: Uint16Array; // records in the entry
  #first = 0; // entries first..next are kept, each at its number modulo the capacity
  #next = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
    this.#ms = new Float64Array(capacity);
    this.#sequences = new Float64Array(capacity);
    this.#counts = new Uint16Array(capacity);
  }

  /** Notes an entry; ids rise. The oldest goes where the circle is full. */
  add({ ms, sequence }: EntryId, records: number): void {
    const at = this.#next % this.#capacity;
    this.#ms[at] = ms;
    this.#sequences[at] = sequence;
    this.#counts[at] = records;
    this.#next += 1;
    if (this.#next - this.#first > this.#capacity) this.#first += 1;
  }

  clear(): void {
    this.#first = this.#next;
  }

  has(offset: string): boolean {
    const wanted = parseOffset(offset);
    if (wanted === undefined) return false;
    let low = this.#first;
    let high = this.#next;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const at = middle % this.#capacity;
      const difference = this.#ms[at]! - wanted.ms || this.#sequences[at]! - wanted.sequence;
      if (difference === 0) return wanted.index < this.#counts[at]!;
      if (difference < 0) low = middle + 1;
      else high = middle;
    }
    return false;
  }
}
