import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LowestKeys, mergedPage, type Part } from "../../src/calls/pages.ts";

type Item = { readonly key: string; readonly count: number };
const part = (keys: string, more = false): Part<Item> => ({ items: [...keys].map((key) => ({ key, count: 1 })), more });
const page = (limit: number, ...parts: Part<Item>[]) => {
  const { items, next } = mergedPage(
    parts,
    limit,
    ({ key }) => key,
    (a, b) => ({ key: a.key, count: a.count + b.count }),
  );
  return [items.map(({ key, count }) => `${key}${count}`).join(" "), next];
};

describe("A page over what several processes have", () => {
  it("is in the order of its keys, each once, put together", () => {
    assert.deepEqual(page(9, part("ad"), part("bd"), part("")), ["a1 b1 d2", undefined]);
    assert.deepEqual(page(9), ["", undefined]);
  });

  it("names the key of its last item where more follows", () => {
    assert.deepEqual(page(2, part("ac"), part("b")), ["a1 b1", "b"]);
    assert.deepEqual(page(3, part("ac"), part("b")), ["a1 b1 c1", undefined]);
    assert.deepEqual(page(2, part("ab", true)), ["a1 b1", "b"]);
  });

  it("ends where one process has not told all: of what is behind that, nothing is known", () => {
    assert.deepEqual(page(9, part("ab", true), part("bcd")), ["a1 b2", "b"]);
    assert.deepEqual(page(9, part("b", true), part("a", true)), ["a1", "a"]);
  });
});

describe("LowestKeys", () => {
  it("counts the lowest keys behind a cursor, whatever the order they come in", () => {
    const numbers = Array.from({ length: 50_000 }, (_, n) => (n * 7919) % 50_000);
    const keys = new LowestKeys<number>(9, 5);
    for (const number of [...numbers, ...numbers.reverse()]) keys.add(number);
    assert.deepEqual(
      keys.lowest(),
      [10, 11, 12, 13, 14].map((key) => [key, 2]),
    );
    assert.deepEqual(new LowestKeys<string>("", 5).lowest(), []);
  });
});
