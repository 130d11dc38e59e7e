/**
 * The offsets that a process has applied in one shard, as runs: those that share everything but their last four digits
 * are one run, so a batch of the Redis bus or 10,000 records of the memory bus take one place. Found by bisection.
 */

/** Runs as three lists of one length, for another process: prefix, lowest and highest number of each. */
export interface Runs {
  readonly prefixes: readonly string[];
  readonly lows: readonly number[];
  readonly highs: readonly number[];
}

/** The digits at an offset's end that count within a run. */
const digits = 4;

export class KnownOffsets {
  readonly #capacity: number;
  #prefixes: string[] = []; // ascending; those before #first are forgotten
  #lows: number[] = [];
  #highs: number[] = [];
  #first = 0;

  /** The oldest runs over `capacity` are forgotten. */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** Notes an offset, higher than all before it. Hot path. */
  add(offset: string): void {
    const prefix = offset.slice(0, -digits);
    const number = Number(offset.slice(-digits));
    const last = this.#prefixes.length - 1;
    if (last >= this.#first && this.#prefixes[last] === prefix) this.#highs[last] = number;
    else this.#push(prefix, number, number);
  }

  /** Notes the runs of another process, all higher than those before. */
  addRuns({ prefixes, lows, highs }: Runs): void {
    for (const [i, prefix] of prefixes.entries()) this.#push(prefix, lows[i]!, highs[i]!);
  }

  has(offset: string): boolean {
    const prefix = offset.slice(0, -digits);
    let low = this.#first;
    let high = this.#prefixes.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#prefixes[middle]! < prefix) low = middle + 1;
      else high = middle;
    }
    const number = offset.slice(-digits);
    if (this.#prefixes[low] !== prefix || !/^\d{4}$/.test(number)) return false;
    return Number(number) >= this.#lows[low]! && Number(number) <= this.#highs[low]!;
  }

  clear(): void {
    this.#prefixes = [];
    this.#lows = [];
    this.#highs = [];
    this.#first = 0;
  }

  /** A copy of all runs, in parts of `length`. */
  parts(length: number): Runs[] {
    const parts: Runs[] = [];
    for (let from = this.#first; from < this.#prefixes.length; from += length) {
      const cut = <T>(list: readonly T[]): T[] => list.slice(from, from + length);
      parts.push({ prefixes: cut(this.#prefixes), lows: cut(this.#lows), highs: cut(this.#highs) });
    }
    return parts;
  }

  #push(prefix: string, low: number, high: number): void {
    this.#prefixes.push(prefix);
    this.#lows.push(low);
    this.#highs.push(high);
    if (this.#prefixes.length - this.#first > this.#capacity) this.#first += 1;
    if (this.#first < 1024 || this.#first * 2 < this.#prefixes.length) return;
    this.#prefixes = this.#prefixes.slice(this.#first); // amortised: each run is moved about once
    this.#lows = this.#lows.slice(this.#first);
    this.#highs = this.#highs.slice(this.#first);
    this.#first = 0;
  }
}
