import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { TokenBuckets } from "../../src/limit/token-buckets.ts";

const slot = 3;

/** How many single tokens can be had at `nowMs`, one after the other. */
function available(buckets: TokenBuckets, nowMs: number, of = slot): number {
  let count = 0;
  while (buckets.take(of, 1, nowMs)) count += 1;
  return count;
}

describe("TokenBuckets: 10 tokens per second, burst of 5", () => {
  const fresh = () => new TokenBuckets(5, 10 / 1000, 8);

  it("starts full and gives the whole burst at once", () => {
    assert.equal(available(fresh(), 1000), 5);
  });

  it("earns one token back every 100 ms", () => {
    const buckets = fresh();
    available(buckets, 1000);
    assert.equal(buckets.take(slot, 1, 1099), false);
    assert.equal(buckets.take(slot, 1, 1100), true);
    assert.equal(buckets.take(slot, 1, 1199), false);
    assert.equal(buckets.take(slot, 1, 1200), true);
  });

  it("never holds more than the burst, however long it rests", () => {
    const buckets = fresh();
    assert.equal(available(buckets, 1e12), 5);
    assert.equal(available(buckets, 1e12 + 500), 5);
    assert.equal(available(buckets, 1e12 + 300), 0);
  });

  it("spends the whole cost or nothing", () => {
    const buckets = fresh();
    assert.equal(buckets.take(slot, 6, 1000), false);
    assert.equal(buckets.take(slot, 3, 1000), true);
    assert.equal(buckets.take(slot, 3, 1000), false);
    assert.equal(buckets.take(slot, 2, 1000), true);
    assert.equal(buckets.take(slot, 0, 1000), true);
  });

  it("loses nothing to refusals: a flood earns what silence would have", () => {
    const flooded = fresh();
    const silent = fresh();
    for (const buckets of [flooded, silent]) available(buckets, 1000);
    for (let ms = 1000; ms < 1100; ms += 1 / 128) assert.equal(flooded.take(slot, 1, ms), false);
    assert.equal(flooded.waitMs(slot, 1, 1100), silent.waitMs(slot, 1, 1100));
    assert.equal(flooded.take(slot, 1, 1100), true);
  });

  it("tells the wait for a cost, and nothing where there is none", () => {
    const buckets = fresh();
    const waitMs = (cost: number, nowMs: number) => Math.ceil(buckets.waitMs(slot, cost, nowMs));
    assert.equal(waitMs(5, 1000), 0);
    available(buckets, 1000);
    assert.equal(waitMs(1, 1000), 100);
    assert.equal(waitMs(1, 1040), 60);
    assert.equal(waitMs(5, 1000), 500);
    assert.equal(waitMs(1, 1100), 0);
    assert.equal(waitMs(0, 1000), 0);
  });

  it("tells the wait for the full burst where a cost is above it", () => {
    const buckets = fresh();
    assert.equal(buckets.waitMs(slot, 99, 1000), 0);
    buckets.take(slot, 2, 1000);
    assert.equal(Math.ceil(buckets.waitMs(slot, 99, 1000)), 200);
  });

  it("spends nothing when it is asked for the wait", () => {
    const buckets = fresh();
    for (let i = 0; i < 100; i += 1) buckets.waitMs(slot, 5, 1000);
    assert.equal(available(buckets, 1000), 5);
  });
});

describe("TokenBuckets: slots", () => {
  it("keeps each slot's bucket by itself", () => {
    const buckets = new TokenBuckets(5, 0.01, 8);
    available(buckets, 0);
    assert.equal(available(buckets, 0, 4), 5);
  });

  it("begins with full buckets, also in slots that nobody has had", () => {
    assert.equal(available(new TokenBuckets(5, 0.01, 8), 0, 5), 5);
  });

  it("fills the bucket of a slot for its new owner, who owes nothing for the last one", () => {
    const buckets = new TokenBuckets(5, 0.01, 8);
    available(buckets, 0);
    buckets.reset(slot);
    assert.equal(available(buckets, 10), 5);
    assert.equal(available(buckets, 110), 1);
  });

  it("keeps what is in the buckets when it grows, and has room for new slots", () => {
    const buckets = new TokenBuckets(5, 0.01, 8);
    buckets.take(slot, 3, 0);
    buckets.grow(1024);
    assert.equal(available(buckets, 0), 2);
    assert.equal(available(buckets, 0, 1023), 5);
  });
});

describe("TokenBuckets: a limit a minute, as configured", () => {
  /** Times as a monotonic clock gives them, with fractions that sums round up and down. */
  const starts = [
    0,
    1 / 3,
    12_345.678,
    1e5 / 3,
    1e6 / 7,
    987_654_321.123,
    ...Array.from({ length: 20 }, (_, i) => 1e4 * Math.E ** (i / 2)),
  ];

  it("gives exactly the limit at once, and over any longer time no more than the limit a minute besides", () => {
    for (const perMinute of [1, 7, 60, 61, 600, 9999]) {
      const buckets = new TokenBuckets(perMinute, perMinute / 60_000, 8);
      assert.equal(available(buckets, 0), perMinute);
      let taken = 0;
      for (let ms = 0; ms <= 600_000; ms += 250) taken += available(buckets, ms);
      assert.equal(Math.abs(taken - 10 * perMinute) <= 1, true, `${taken} of ${10 * perMinute}`);
    }
  });

  it("accepts after the wait that it told, in whole seconds, and not a second sooner, for every limit", () => {
    for (let perMinute = 1; perMinute <= 300; perMinute += 1)
      for (const startMs of starts) {
        const empty = () => {
          const buckets = new TokenBuckets(perMinute, perMinute / 60_000, 8);
          assert.equal(available(buckets, startMs), perMinute);
          return buckets;
        };
        const seconds = Math.ceil(empty().waitMs(slot, 1, startMs) / 1000);
        const told = `${perMinute} a minute, after ${seconds} s`;
        assert.equal(empty().take(slot, 1, startMs + seconds * 1000), true, told);
        if (seconds > 1) assert.equal(empty().take(slot, 1, startMs + (seconds - 1) * 1000), false, told);
      }
  });

  it("tells no wait exactly where it would take, also where the limit is no round number", () => {
    for (const perMinute of [7, 11, 13, 59, 61, 997])
      for (const startMs of starts) {
        const buckets = new TokenBuckets(perMinute, perMinute / 60_000, 8);
        for (let i = 0; i < perMinute; i += 1) {
          assert.equal(buckets.waitMs(slot, 1, startMs), 0, `${i} of ${perMinute}`);
          assert.equal(buckets.take(slot, 1, startMs), true, `${i} of ${perMinute}`);
        }
        assert.equal(buckets.waitMs(slot, 1, startMs) > 0, true);
        assert.equal(buckets.take(slot, 1, startMs), false);
      }
  });

  it("counts single milliseconds after a year of running", () => {
    const yearMs = 365 * 86_400_000;
    const buckets = new TokenBuckets(60, 60 / 60_000, 8);
    assert.equal(available(buckets, yearMs), 60);
    assert.equal(buckets.take(slot, 1, yearMs + 999), false);
    assert.equal(buckets.take(slot, 1, yearMs + 1000), true);
  });
});
