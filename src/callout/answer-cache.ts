/**
 * Answers that may be used again until their time is over; when there are too many, the one not used for longest goes.
 * The order of a Map's keys is the order of use: whatever is used is put at its end.
 */
import type { Clock } from "../clock/clock.ts";

export class AnswerCache<T> {
  readonly #entriesMax: number;
  readonly #clock: Clock;
  readonly #entries = new Map<string, { readonly value: T; readonly endsMs: number }>();

  /** `entriesMax` 0 keeps nothing. */
  constructor(entriesMax: number, clock: Clock) {
    this.#entriesMax = entriesMax;
    this.#clock = clock;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): T | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    if (this.#clock.nowMs() >= entry.endsMs) return undefined;
    this.#entries.set(key, entry);
    return entry.value;
  }

  /** Keeps `value` for `seconds`; not at all for 0. */
  set(key: string, value: T, seconds: number): void {
    this.#entries.delete(key);
    if (seconds <= 0 || this.#entriesMax === 0) return;
    if (this.#entries.size >= this.#entriesMax) {
      const [oldest] = this.#entries.keys();
      this.#entries.delete(oldest!);
    }
    this.#entries.set(key, { value, endsMs: this.#clock.nowMs() + seconds * 1000 });
  }
}
