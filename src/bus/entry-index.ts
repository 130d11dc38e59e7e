/**
 * The stream entries that a node has applied, so that it can tell a position it knows from one it does not: two numbers
 * and a count an entry, in a circle of typed arrays, found by bisection. It grows by doubling up to its capacity.
 */
import { type EntryId, parseOffset } from "./stream-offset.ts";

const lengthAtFirst = 1024;

export class EntryIndex {
  readonly #capacity: number;
  #ms: Float64Array;
  #sequences: Float64Array;
  #counts: Uint16Array; // positions in the entry
  #first = 0; // entries first..next are kept, each at its number modulo the arrays' length
  #next = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
    const length = Math.min(capacity, lengthAtFirst);
    this.#ms = new Float64Array(length);
    this.#sequences = new Float64Array(length);
    this.#counts = new Uint16Array(length);
  }

  /** Notes an entry; ids rise. The oldest goes where the circle is full. */
  add({ ms, sequence }: EntryId, positions: number): void {
    if (this.#next - this.#first === this.#ms.length) {
      if (this.#ms.length < this.#capacity) this.#grow();
      else this.#first += 1;
    }
    const at = this.#next % this.#ms.length;
    this.#ms[at] = ms;
    this.#sequences[at] = sequence;
    this.#counts[at] = positions;
    this.#next += 1;
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
      const at = middle % this.#ms.length;
      const difference = this.#ms[at]! - wanted.ms || this.#sequences[at]! - wanted.sequence;
      if (difference === 0) return wanted.index < this.#counts[at]!;
      if (difference < 0) low = middle + 1;
      else high = middle;
    }
    return false;
  }

  #grow(): void {
    const length = Math.min(this.#capacity, 2 * this.#ms.length);
    const inOrder = <T extends Float64Array | Uint16Array>(from: T, to: T): T => {
      for (let entry = this.#first; entry < this.#next; entry += 1)
        to[entry - this.#first] = from[entry % from.length]!;
      return to;
    };
    this.#ms = inOrder(this.#ms, new Float64Array(length));
    this.#sequences = inOrder(this.#sequences, new Float64Array(length));
    this.#counts = inOrder(this.#counts, new Uint16Array(length));
    this.#next -= this.#first;
    this.#first = 0;
  }
}
