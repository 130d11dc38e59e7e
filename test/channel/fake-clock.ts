/** A clock that stands still until the test moves it. */
import type { Clock } from "../../src/clock/clock.ts";

export class FakeClock implements Clock {
  #ms = 1_000_000;

  nowMs(): number {
    return this.#ms;
  }

  unixSeconds(): number {
    return Math.floor(this.#ms / 1000);
  }

  advance(ms: number): void {
    this.#ms += ms;
  }
}
