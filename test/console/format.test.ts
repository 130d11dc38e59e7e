import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { bytes, count, duration, latency, rate } from "../../src/console/page/format.ts";

describe("numbers as people read them", () => {
  it("counts are whole, and short from a hundred thousand on", () => {
    assert.deepEqual([0, 999, 12_345, 1_234_567].map(count), ["0", "999", "12,345", "1.2M"]);
  });

  it("small rates have a digit behind the point, where they need one", () => {
    assert.deepEqual([0, 4, 0.25, 99.94, 100.4].map(rate), ["0", "4", "0.3", "99.9", "100"]);
  });

  it("latencies have the unit that fits, and a dash where there is none", () => {
    assert.deepEqual([undefined, 0, 0.00005, 0.0012, 0.05, 1.5].map(latency), [
      "–",
      "0 µs",
      "50 µs",
      "1.2 ms",
      "50 ms",
      "1.5 s",
    ]);
  });

  it("sizes are in binary units", () => {
    assert.deepEqual([0, 1023, 1536, 250 * 1024 ** 2].map(bytes), ["0 B", "1023 B", "1.5 KiB", "250 MiB"]);
  });

  it("durations have their two largest units", () => {
    assert.deepEqual([0, 59, 60, 3725, 90_000, 864_000].map(duration), [
      "0 s",
      "59 s",
      "1 min",
      "1 h 2 min",
      "1 d 1 h",
      "10 d",
    ]);
  });
});
