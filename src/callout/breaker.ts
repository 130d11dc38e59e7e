/**
 * A circuit breaker: after `failuresMax` failures in a row nobody is asked for `pauseMs`, then one attempt tells whether
 * the other side is back. Source: M. Nygard, "Release It!", the stability pattern of that name.
 *
 * The rule: what began before the state last changed says nothing about it any more, and is passed over.
 */
import type { Clock } from "../clock/clock.ts";

export interface BreakerOptions {
  /** Failures in a row that open it, at least 1. */
  readonly failuresMax: number;
  readonly pauseMs: number;
}

/** `half_open`: one attempt is under way, on which the rest depends. */
export type BreakerState = "closed" | "open" | "half_open";

/** The leave for one attempt: to be given back with its outcome. */
export type Pass = number;

export class Breaker {
  readonly #options: BreakerOptions;
  readonly #clock: Clock;
  #state: BreakerState = "closed";
  #failures = 0; // in a row, while closed
  #openedMs = 0;
  #changes = 0; // a pass is the number of changes when it was given

  constructor(options: BreakerOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
  }

  get state(): BreakerState {
    return this.#state;
  }

  /** Leave for an attempt, or `undefined` where none may be made now. */
  pass(): Pass | undefined {
    if (this.#state === "half_open") return undefined;
    if (this.#state === "open") {
      if (this.#clock.nowMs() - this.#openedMs < this.#options.pauseMs) return undefined;
      this.#become("half_open");
    }
    return this.#changes;
  }

  /** The attempt of `pass` was answered. True where that closed the breaker. */
  succeeded(pass: Pass): boolean {
    if (pass !== this.#changes) return false;
    this.#failures = 0;
    if (this.#state === "closed") return false;
    this.#become("closed");
    return true;
  }

  /** The attempt of `pass` failed. True where that opened a closed breaker. */
  failed(pass: Pass): boolean {
    if (pass !== this.#changes) return false;
    const wasClosed = this.#state === "closed";
    this.#failures += 1;
    if (wasClosed && this.#failures < this.#options.failuresMax) return false;
    this.#openedMs = this.#clock.nowMs();
    this.#become("open");
    return wasClosed;
  }

  #become(state: BreakerState): void {
    this.#state = state;
    this.#failures = 0;
    this.#changes += 1;
  }
}
