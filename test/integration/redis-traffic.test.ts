/** The account that the Redis tests trust proves itself: each thing that may go wrong is found. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { account, assertNothingLost, type CountingClient } from "./redis-traffic.ts";

type Told = CountingClient["events"][number];
const m = (n: number, publisher = "a", epoch = "e1"): Told => ({ publisher, n, epoch });

/** Two clients on one channel: `a` published 1 to 4 and got them all; `b` got what is given. */
const clients = (events: Told[], faults: string[] = []): CountingClient[] => {
  const sent = { name: "a", channel: "c", acknowledged: new Set([1, 2, 3, 4]), messages: 4, faults: [] as string[] };
  const a = { ...sent, events: [m(1), m(2), m(3), m(4)] };
  const b = { ...sent, name: "b", acknowledged: new Set<number>(), messages: events.length, events, faults };
  return [a, b] as unknown as CountingClient[];
};

describe("The account of counted traffic", () => {
  it("is clean where everything came once, in order", () => {
    const { acknowledged, delivered } = assertNothingLost(clients([m(1), m(2), m(3), m(4)]));
    assert.deepEqual([acknowledged, delivered], [4, 8]);
  });

  it("finds a silent loss: in the middle, at the end, of everything", () => {
    for (const events of [[m(1), m(2), m(4)], [m(1), m(2), m(3)], []]) {
      assert.equal(account(clients(events)).silentLosses.length, 4 - events.length);
      assert.throws(() => assertNothingLost(clients(events), { lossesAllowed: true }), /silent losses/);
    }
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

  it("finds a duplicate, also behind a break", () => {
    assert.deepEqual(account(clients([m(1), m(2), "break", m(2), m(3), m(4)])).duplicates, ["a:2 to b"]);
  });

  it("finds another order, a message that nobody published, and whatever a client noted", () => {
    assert.equal(account(clients([m(1), m(3), m(2), m(4)])).disagreements.length, 1);
    assert.equal(account(clients([m(1), m(3), "break", m(2, "a", "e2"), m(4)])).disagreements.length, 0);
    assert.equal(account(clients([m(1), m(2), m(3), m(4), m(5)])).faults.length, 1);
    assert.equal(account(clients([m(1), m(2), m(3), m(4), m(1, "z")])).faults.length, 1);
    assert.equal(account(clients([m(1), m(2), m(3), m(4)], ["2 after 3"])).faults.length, 1);
  });
});
