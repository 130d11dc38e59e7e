/**
 * Token buckets, one a slot: up to `burst` tokens, gained at `ratePerMs`. Source: the generic cell rate algorithm (ITU-T
 * I.371, annex A, virtual scheduling), which counts as a token bucket does and keeps one number instead of two.
 *
 * A bucket is the time at which it will be full again. 0 is the past, so a fresh array is full buckets and a bucket
 * that nobody spends from never touches its memory: a limiter of 100,000 connections is at most 0.8 MB.
 */
import { grown } from "./grown.ts";

/** Milliseconds by which sums of fractions may be off: a bucket of 7 a minute must hold 7 tokens. */
const roundingMs = 1e-3;

export class TokenBuckets {
  readonly burst: number;
  readonly #msPerToken: number;
  #fullAtMs: Float64Array; // [slot] monotonic ms; tokens at t: burst - max(0, fullAtMs - t) / msPerToken

  /** `burst` and `ratePerMs` above 0; `capacity` is the number of slots, see `grow`. */
  constructor(burst: number, ratePerMs: number, capacity: number) {
    this.burst = burst;
    this.#msPerToken = 1 / ratePerMs;
    this.#fullAtMs = new Float64Array(capacity);
  }

  /** Fills the bucket of `slot` for its new owner. */
  reset(slot: number): void {
    if (this.#fullAtMs[slot] !== 0) this.#fullAtMs[slot] = 0;
  }

  /** Spends `cost` tokens, or none. Hot path. `nowMs` never runs backwards for one `slot`. */
  take(slot: number, cost: number, nowMs: number): boolean {
    const fullAtMs = Math.max(nowMs, this.#fullAtMs[slot]!) + cost * this.#msPerToken;
    if (fullAtMs - nowMs > this.burst * this.#msPerToken + roundingMs) return false;
    this.#fullAtMs[slot] = fullAtMs;
    return true;
  }

  /** Milliseconds until `take(slot, cost)` succeeds; 0 where it would now. A cost above the burst waits for the burst. */
  waitMs(slot: number, cost: number, nowMs: number): number {
    const spentMs = Math.max(0, this.#fullAtMs[slot]! - nowMs);
    const waitMs = spentMs + (Math.min(cost, this.burst) - this.burst) * this.#msPerToken;
    return Math.max(0, Math.round(waitMs * 1000) / 1000); // sums of fractions: 1000.0000001 ms are 1000
  }

  /** Makes room for `capacity` slots. */
  grow(capacity: number): void {
    this.#fullAtMs = grown(this.#fullAtMs, capacity);
  }
}
