/** The account that counted tests trust proves itself: each thing that may go wrong is found. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { account, assertNothingLost, type Participant } from "./account.ts";
import type { CountedEvent, Position } from "./counting-options.ts";

const at = (n: number): string => `offset ${n}`;
const m = (n: number, publisher = "a", epoch = "e1", offset = at(n)): CountedEvent => ({ publisher, n, epoch, offset });

interface Told {
  readonly start?: Position;
  readonly faults?: string[];
  /** Of what `a` published. */
  readonly unknown?: number[];
  readonly doubtful?: number[];
}

/** Two clients on one channel: `a` published 1 to 4 and got them all; `b` got what is given. */
function clients(
  events: CountedEvent[],
  { start, faults = [], unknown = [], doubtful = [] }: Told = {},
): [Participant, Participant] {
  const numbers = [1, 2, 3, 4].filter((n) => !unknown.includes(n));
  const own = numbers.map((n) => [n, { offset: at(n), epoch: "e1" }] as const);
  const none = { channel: "c", faults: [], start: undefined, replayed: 0 };
  const acknowledged = { acknowledged: new Map(own), unknown: new Set(unknown), doubtful: new Set(doubtful) };
  const all = numbers.map((n) => m(n));
  const nothing = { acknowledged: new Map(), unknown: new Set<number>(), doubtful: new Set<number>() };
  return [
    { ...none, ...acknowledged, name: "a", messages: all.length, events: all },
    { ...none, ...nothing, name: "b", messages: events.length, events, faults, start },
  ];
}

describe("The account of counted traffic", () => {
  it("is clean where everything came once, in order", () => {
    const { acknowledged, expected, delivered } = assertNothingLost(clients([m(1), m(2), m(3), m(4)]));
    assert.deepEqual([acknowledged, expected, delivered], [4, 8, 8]);
  });

  it("finds a silent loss: in the middle, at the end, of everything", () => {
    for (const events of [[m(1), m(2), m(4)], [m(1), m(2), m(3)], []]) {
      assert.equal(account(clients(events)).silentLosses.length, 4 - events.length);
      assert.throws(() => assertNothingLost(clients(events), { lossesAllowed: true }), /silent losses/);
    }
  });

  it("expects nothing of before a subscription's beginning, and everything from there on", () => {
    const start = { offset: at(2), epoch: "e1" };
    assert.equal(assertNothingLost(clients([m(3), m(4)], { start })).expected, 6);
    assert.equal(account(clients([m(4)], { start })).silentLosses.length, 1);
  });

  it("lets a loss be announced only where it happened", () => {
    assert.equal(account(clients([m(1), "break", m(4)])).announcedLosses, 2);
    for (const events of [
      ["break" as const, m(1), m(4)],
      [m(1), m(4), "break" as const],
    ])
      assert.equal(account(clients(events)).silentLosses.length, 2);
    assert.throws(() => assertNothingLost(clients([m(1), "break", m(4)])), /announced/);
  });

  it("goes by nothing that was sent again to tell where a loss was", () => {
    const events = [m(1), "break" as const, m(4), m(2)]; // 2 was sent again, and 3 got lost with its first copy
    assert.equal(account(clients(events, { doubtful: [2] })).announcedLosses, 1);
    assert.equal(account(clients([m(1), m(4), m(2)], { doubtful: [2] })).silentLosses.length, 1);
  });

  it("finds a duplicate, also behind a break", () => {
    assert.deepEqual(account(clients([m(1), m(2), "break", m(2), m(3), m(4)])).duplicates, ["a:2 to b"]);
  });

  it("wants what was given up to come to all or to none", () => {
    assert.equal(assertNothingLost(clients([m(1), m(2), m(4)], { unknown: [3] })).expected, 6);
    assert.deepEqual(account(clients([m(1), m(2), m(3), m(4)], { unknown: [3] })).silentLosses, ["a:3 to a"]);
  });

  it("finds another order, another place, a message that nobody published, and whatever a client noted", () => {
    assert.equal(account(clients([m(1), m(3), m(2), m(4)])).disagreements.length, 1);
    assert.equal(account(clients([m(1), m(3), "break", m(2, "a", "e2"), m(4)])).disagreements.length, 0);
    assert.equal(account(clients([m(1), m(2), m(3), m(4, "a", "e1", at(5))])).faults.length, 1);
    assert.equal(account(clients([m(1), m(2), m(3), m(4), m(5)])).faults.length, 1);
    assert.equal(account(clients([m(1), m(2), m(3), m(4), m(1, "z")])).faults.length, 1);
    assert.equal(account(clients([m(1), m(2), m(3), m(4)], { faults: ["2 after 3"] })).faults.length, 1);
  });
});
