import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { nodesMax } from "../../src/bus/bus.ts";
import { connectionId, generationsMax, Slots, slotOf, slotsMax } from "../../src/connection/slots.ts";

describe("Slots", () => {
  it("start at 1 and are handed out in order", () => {
    const slots = new Slots(8);
    assert.deepEqual([slots.take(), slots.take(), slots.take()], [1, 2, 3]);
  });

  it("that are fresh go before those used already", () => {
    const slots = new Slots(8);
    slots.release(slots.take());
    assert.deepEqual([slots.take(), slots.take()], [2, 3]);
  });

  it("are used again before more are made", () => {
    const slots = new Slots(4);
    for (let i = 1; i <= 3; i += 1) slots.take();
    slots.release(2);
    assert.equal(slots.take(), 2);
    assert.equal(slots.capacity, 4);
  });

  it("are never held by two at once", () => {
    const slots = new Slots(4);
    const held = new Set<number>();
    let seed = 1;
    for (let i = 0; i < 20_000; i += 1) {
      seed = (seed * 48_271) % 2_147_483_647;
      const [first] = held;
      if (first !== undefined && seed % 100 < 45) {
        held.delete(first);
        slots.release(first);
      } else {
        const slot = slots.take();
        assert.equal(held.has(slot), false);
        assert.ok(slot >= 1 && slot < slots.capacity);
        held.add(slot);
      }
    }
    assert.ok(held.size > 100);
  });

  it("double when none is left, and tell the owners of arrays before the first new one is handed out", () => {
    const slots = new Slots(4);
    const told: number[] = [];
    slots.onGrow((capacity) => told.push(capacity));
    for (let i = 1; i <= 3; i += 1) slots.take();
    assert.deepEqual(told, []);
    assert.equal(slots.take(), 4);
    assert.deepEqual([told, slots.capacity], [[8], 8]);
  });

  it("keep their generations when they grow", () => {
    const slots = new Slots(2);
    slots.release(slots.take());
    assert.equal(slots.take(), 1);
    slots.take();
    assert.deepEqual([slots.generation(1), slots.generation(2)], [1, 0]);
  });

  it("change their generation with each owner", () => {
    const slots = new Slots(2);
    const generations = [1, 2, 3].map(() => {
      const slot = slots.take();
      slots.release(slot);
      return slots.generation(slot);
    });
    assert.deepEqual(generations, [1, 2, 3]);
  });

  it("end at 2^21 - 1, with an error that says so", () => {
    const slots = new Slots(slotsMax);
    for (let i = 1; i < slotsMax; i += 1) slots.take();
    assert.throws(() => slots.take(), /^Error: cannot open connection: a process holds at most 2097151$/);
    slots.release(77);
    assert.equal(slots.take(), 77);
  });
});

describe("connectionId", () => {
  it("is the slot itself for the first owners on node 0", () => {
    assert.deepEqual([connectionId(0, 0, 1), connectionId(0, 0, 2)], [1, 2]);
  });

  it("of the last slot, generation and node is the last integer below 2^53", () => {
    assert.equal(connectionId(nodesMax - 1, generationsMax - 1, slotsMax - 1), Number.MAX_SAFE_INTEGER);
  });

  it("gives its slot back", () => {
    for (const [node, generation, slot] of [
      [0, 0, 1],
      [2047, 2_097_151, 2_097_151],
      [5, 9, 1023],
    ] as const)
      assert.equal(slotOf(connectionId(node, generation, slot)), slot);
  });

  it("differs wherever node, generation or slot differ", () => {
    const parts = [0, 1, 2, 1000, 2047];
    const ids = parts.flatMap((node) =>
      parts.flatMap((generation) => parts.map((slot) => connectionId(node, generation, slot))),
    );
    assert.equal(new Set(ids).size, parts.length ** 3);
  });
});
