/**
 * 1,000 seeded runs of the log, its nodes and their clients while everything happens to them: no loss is silent, no message
 * comes twice. And each protection is needed: without it, the same runs fail. A seed that fails fails again: `runModel(seed)`.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { runModel } from "./run.ts";
import { protections } from "./surroundings.ts";

const runs = 1000;
describe(`${runs} seeded runs of crashes, cuts, lost answers, failovers, wipes and trimming`, () => {
  it("lose nothing in silence and nothing acknowledged with redis.durable, double nothing, and come to rest", () => {
    const sums: Record<string, number> = {};
    for (let seed = 0; seed < runs; seed += 1) {
      const { wrongs, counts } = runModel(seed);
      assert.deepEqual(wrongs, [], `seed ${seed}`);
      for (const [what, times] of Object.entries(counts)) sums[what] = (sums[what] ?? 0) + times;
    }
    const faults = ["crash", "blackout", "disconnect", "gap", "request lost", "answer lost", "failover", "rollback"];
    for (const what of [...faults, "wipe", "flush", "trim", "unknown", "replayed", "breaks"])
      assert.ok(sums[what]! > 200, `${what}: ${sums[what]}`);
    assert.ok(sums.acknowledged! > 30_000 && sums.delivered! > 100_000, JSON.stringify(sums));
    assert.ok(sums.traceless! < sums.delivered! / 1000, `${sums.traceless} losses of which nobody can tell`);
  });
});

describe("Where a replica takes over that did not confirm what redis.durable waited for", () => {
  it("acknowledged messages may be lost, and none of them in silence", () => {
    let lost = 0;
    for (let seed = 0; seed < runs; seed += 3) {
      const { wrongs, counts } = runModel(seed, { hasSecondReplica: true });
      assert.deepEqual(wrongs, [], `seed ${seed}`);
      lost += counts["acknowledged and lost"]!;
    }
    assert.ok(lost > 50, `${lost} acknowledged messages were lost: this should happen`);
  });
});

describe("The runs fail without", () => {
  for (const without of protections)
    it(without, () => {
      let seed = 0;
      while (seed < runs && runModel(seed, { without }).wrongs.length === 0) seed += 1;
      assert.ok(seed < runs, `none of the ${runs} runs needs it`);
    });
});
