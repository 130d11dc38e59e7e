import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { newEpoch } from "../../src/bus/epochs.ts";
import { offsetOf, offsetPrefix, parseEntryId, parseOffset, startOffset } from "../../src/bus/stream-offset.ts";

const offset = (id: string, index: number): string => offsetOf(offsetPrefix(parseEntryId(id)), index);

describe("An offset", () => {
  it("is the entry's id and the index in its batch, and leads back to them", () => {
    assert.equal(offset("1795388408002-0", 7), "01795388408002-00000000-0007");
    assert.deepEqual(parseOffset("01795388408002-00000012-9999"), { ms: 1795388408002, sequence: 12, index: 9999 });
  });

  it("has the order of the stream as text", () => {
    const inOrder = [
      startOffset(),
      offset("999-5", 9),
      offset("1000-0", 0),
      offset("1000-9", 9999),
      offset("1000-10", 0),
      offset("1795388408002-0", 99),
      offset("1795388408002-0", 100),
      offset("1795388408002-1", 0),
      offset("9999999999999-99999999", 9999),
    ];
    assert.deepEqual([...inOrder].sort(), inOrder);
  });

  it("is refused by the way back in every other form", () => {
    for (const text of ["", "0", "1795388408002-0-7", "01795388408002-00000000-00070", " 01795388408002-00000000-0007"])
      assert.equal(parseOffset(text), undefined, text);
  });

  it("is another one for each node that has read nothing yet", () => {
    assert.notEqual(startOffset(), startOffset());
  });
});

describe("An epoch", () => {
  it("sorts after the one before it, whatever the clocks say", () => {
    const first = newEpoch();
    const fromTheFuture = `zzz${first}`;
    for (const before of [first, fromTheFuture, `${fromTheFuture}0`]) assert.equal(newEpoch(before) > before, true);
  });

  it("is never the same on two nodes", () => {
    assert.equal(new Set(Array.from({ length: 1000 }, () => newEpoch())).size, 1000);
  });
});
