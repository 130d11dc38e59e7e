/**
 * The two times that the gateway knows. Timers, rates and latencies use the monotonic one, which no clock change
 * touches; frames and token expiries use the wall clock. Tests hand in their own.
 */
export interface Clock {
  /** Monotonic milliseconds with fractions, from an arbitrary start. */
  nowMs(): number;
  /** Whole seconds since 1970. */
  unixSeconds(): number;
}

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  unixSeconds: () => Math.floor(Date.now() / 1000),
};
