import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { AnswerCache } from "../../src/callout/answer-cache.ts";
import { FakeClock } from "../channel/fake-clock.ts";

describe("The cache of answers", () => {
  it("keeps an answer for its seconds, and not a moment longer", () => {
    const clock = new FakeClock();
    const cache = new AnswerCache<string>(10, clock);
    cache.set("a", "yes", 2);
    clock.advance(1999);
    assert.equal(cache.get("a"), "yes");
    clock.advance(1);
    assert.equal(cache.get("a"), undefined);
    assert.equal(cache.size, 0);
  });

  it("keeps nothing that has no seconds, and forgets what stood there before", () => {
    const cache = new AnswerCache<string>(10, new FakeClock());
    cache.set("a", "yes", 5);
    cache.set("a", "no", 0);
    assert.equal(cache.get("a"), undefined);
  });

  it("lets the one go that was not used for longest when there are too many", () => {
    const cache = new AnswerCache<number>(3, new FakeClock());
    for (const [i, key] of ["a", "b", "c"].entries()) cache.set(key, i, 9);
    cache.get("a");
    cache.set("d", 3, 9);
    assert.deepEqual(
      ["a", "b", "c", "d"].map((key) => cache.get(key)),
      [0, undefined, 2, 3],
    );
    assert.equal(cache.size, 3);
  });

  it("keeps nothing where none may be kept", () => {
    const cache = new AnswerCache<number>(0, new FakeClock());
    cache.set("a", 1, 9);
    assert.equal(cache.size, 0);
  });
});
