import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { EntryIndex } from "../../src/bus/entry-index.ts";
import { offsetOf, offsetPrefix } from "../../src/bus/stream-offset.ts";

const at = (ms: number, sequence = 0, index = 0): string => offsetOf(offsetPrefix({ ms, sequence }), index);

describe("The index of entries", () => {
  it("knows every position of an entry that it holds, and none beside it", () => {
    const index = new EntryIndex(100);
    index.add({ ms: 10, sequence: 0 }, 3);
    index.add({ ms: 10, sequence: 1 }, 1);
    index.add({ ms: 12, sequence: 0 }, 2);
    for (const offset of [at(10, 0, 0), at(10, 0, 2), at(10, 1, 0), at(12, 0, 1)])
      assert.equal(index.has(offset), true);
    for (const offset of [
      at(10, 0, 3),
      at(10, 1, 1),
      at(10, 2),
      at(11),
      at(9),
      at(13),
      at(12, 0, 2),
      "",
      "12-0-1",
      "~",
    ])
      assert.equal(index.has(offset), false, offset);
  });

  it("forgets the oldest where it is full, and grows up to its capacity on the way", () => {
    for (const capacity of [1, 7, 1024, 1025, 5000]) {
      const index = new EntryIndex(capacity);
      for (let ms = 1; ms <= 12_000; ms += 1) index.add({ ms, sequence: ms % 3 }, 1);
      for (let ms = 1; ms <= 12_000; ms += 1) assert.equal(index.has(at(ms, ms % 3)), ms > 12_000 - capacity, `${ms}`);
    }
  });

  it("knows nothing after it was cleared, and may go on with lower ids", () => {
    const index = new EntryIndex(2000);
    for (let ms = 1; ms <= 3000; ms += 1) index.add({ ms, sequence: 0 }, 1);
    index.clear();
    assert.equal(index.has(at(3000)), false);
    for (let ms = 1; ms <= 1500; ms += 1) index.add({ ms, sequence: 0 }, 1);
    for (let ms = 1; ms <= 1500; ms += 1) assert.equal(index.has(at(ms)), true);
    assert.equal(index.has(at(1501)), false);
  });
});
