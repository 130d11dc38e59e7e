/** The contract proves itself: a bus of several nodes passes it, and each way to be wrong fails the rule that names it. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { busContract, busRules } from "./contract.ts";
import { createSharedLog, type Fault } from "./shared-log.ts";

busContract("One node, delivering later", async () => createSharedLog(1));
busContract("Three nodes on one log", async () => createSharedLog(3));

/** A part of the title of the rule that finds each fault. */
const found: Record<Exclude<Fault, "none">, string> = {
  "loses a record on one node": "each record once",
  "doubles a record on one node": "each record once",
  "swaps two records on one node": "in one order on every node",
  "leaves the publisher's node out": "each record once",
  "reverses a burst": "the order in which a node appended",
  "acknowledges twice": "acknowledges each append once",
  "acknowledges another position": "acknowledges each append once",
  "never acknowledges": "acknowledges each append once",
  "counts offsets without padding": "ascend strictly as text",
  "changes the epoch": "within one epoch",
  "has its tail ahead": "tail",
  "has its tail behind": "tail",
  "has an empty tail": "positions that a client can send back",
  "knows nothing": "knows the positions",
  "knows what is not there": "knows the positions",
  "mangles text": "a record as it was",
  "drops the target": "a record as it was",
  "loses what was appended while a node started": "starts later",
  "accepts after stop": "refuses what is appended after stop",
  "forgets what stop found": "that stop finds under way",
};

describe("The contract of a bus finds a bus that", () => {
  for (const [fault, title] of Object.entries(found) as [Fault, string][])
    it(fault, async () => {
      const rule = busRules.find((candidate) => candidate.title.includes(title));
      assert.ok(rule, `no rule is called ${title}`);
      await assert.rejects(rule.check(async () => createSharedLog(3, fault), 300));
    });
});
