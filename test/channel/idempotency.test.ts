import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Idempotency, type IdempotencyOptions } from "../../src/channel/idempotency.ts";
import { FakeClock } from "./fake-clock.ts";

function createIdempotency(options: Partial<IdempotencyOptions> = {}) {
  const clock = new FakeClock();
  const idempotency = new Idempotency({ seconds: 60, keysMax: 1000, ...options });
  const keyed = (channel: string, userId: string | undefined, key: string) => ({
    ...{ channel, userId, key },
    acceptedAtMs: clock.nowMs(),
  });
  let offset = 0;
  return {
    clock,
    find: (channel: string, userId: string | undefined, key: string) => idempotency.find(keyed(channel, userId, key)),
    add(channel: string, userId: string | undefined, key: string) {
      offset += 1;
      const position = { offset: `${offset}`, epoch: "first" };
      idempotency.add(keyed(channel, userId, key), position);
      return position;
    },
    knows: (channel: string, userId: string | undefined, key: string) =>
      idempotency.find(keyed(channel, userId, key)) !== undefined,
  };
}

describe("An idempotency key", () => {
  it("leads to the position of the publication that had it", () => {
    const { add, find } = createIdempotency();
    const first = add("chat", "42", "k1");
    const second = add("chat", "42", "k2");
    assert.deepEqual(find("chat", "42", "k1"), first);
    assert.deepEqual(find("chat", "42", "k2"), second);
    assert.equal(find("chat", "42", "k3"), undefined);
  });

  it("counts within its channel and its user; all anonymous publishers of a channel are one", () => {
    const { add, knows } = createIdempotency();
    add("chat", "42", "k");
    assert.equal(knows("other", "42", "k"), false);
    assert.equal(knows("chat", "43", "k"), false);
    assert.equal(knows("chat", undefined, "k"), false);
    add("chat", undefined, "anonymous");
    assert.equal(knows("chat", undefined, "anonymous"), true);
    assert.equal(knows("chat", "42", "anonymous"), false);
  });

  it("is never mistaken for one of another scope, whatever user ids and keys contain", () => {
    const { add, knows } = createIdempotency();
    const parts = ["", " ", "-", "a", "1:a", "1:a k", "k", "a k", "- k", "0:", "0: ", "2:1:", "\u0000"];
    const scopes: [string, string | undefined, string][] = [];
    for (const key of parts) {
      scopes.push(["chat", undefined, key], ["chat.1", undefined, key]);
      for (const user of parts) scopes.push(["chat", user, key]);
    }
    for (const [i, scope] of scopes.entries()) {
      assert.equal(knows(...scope), false, JSON.stringify(scope));
      add(...scopes[i]!);
    }
    for (const scope of scopes) assert.equal(knows(...scope), true);
  });

  it("is forgotten after its seconds, counted from its publication and not from a repetition", () => {
    const { add, knows, clock } = createIdempotency({ seconds: 60 });
    add("chat", "42", "k");
    clock.advance(59_999);
    assert.equal(knows("chat", "42", "k"), true);
    clock.advance(1);
    assert.equal(knows("chat", "42", "k"), false);
  });

  it("lives its whole time again when it is used after it was forgotten", () => {
    const { add, knows, clock, find } = createIdempotency({ seconds: 60 });
    add("chat", "42", "k");
    add("chat", "42", "other");
    clock.advance(60_000);
    const again = add("chat", "42", "k");
    clock.advance(59_999);
    assert.deepEqual(find("chat", "42", "k"), again);
    assert.equal(knows("chat", "42", "other"), false);
  });

  it("is among the youngest when it is used after it was forgotten", () => {
    const { add, knows, clock } = createIdempotency({ seconds: 60, keysMax: 2 });
    add("chat", "42", "a");
    add("chat", "42", "b");
    clock.advance(60_000);
    for (const key of ["a", "c"]) add("chat", "42", key);
    assert.deepEqual([knows("chat", "42", "a"), knows("chat", "42", "c")], [true, true]);
  });

  it("is remembered with keysMax - 1 others at most: the oldest goes first", () => {
    const { add, knows } = createIdempotency({ keysMax: 3 });
    for (const key of ["a", "b", "c", "d"]) add("chat", "42", key);
    assert.deepEqual(
      ["a", "b", "c", "d"].map((key) => knows("chat", "42", key)),
      [false, true, true, true],
    );
  });

  it("is not remembered at all where the configuration says 0 seconds, or 0 keys", () => {
    for (const options of [{ seconds: 0 }, { keysMax: 0 }]) {
      const { add, knows } = createIdempotency(options);
      add("chat", "42", "k");
      assert.equal(knows("chat", "42", "k"), false);
    }
  });

  it("is judged by when publications were accepted, not by when a node hears of them: one that starts later decides alike", () => {
    const options = { seconds: 10, keysMax: 1000 };
    const [early, late] = [new Idempotency(options), new Idempotency(options)];
    const at = (acceptedAtMs: number) => ({ channel: "chat", userId: "42", key: "k", acceptedAtMs });
    const position = { offset: "1", epoch: "first" };
    early.add(at(5000), position);
    late.add(at(5000.000_000_2 - 4_000), position); // its clock began 4 s later, and it heard of it just now
    for (const [ms, isKnown] of [
      [14_999, true],
      [15_000, false],
    ] as const) {
      assert.equal(early.find(at(ms)) !== undefined, isKnown);
      assert.equal(late.find(at(ms - 4_000)) !== undefined, isKnown);
    }
  });
});
