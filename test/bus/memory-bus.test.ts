import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { LogRecord } from "../../src/bus/bus.ts";
import { MemoryBus } from "../../src/bus/memory-bus.ts";
import { busContract } from "./contract.ts";

busContract("MemoryBus", async () => [new MemoryBus()]);

const join: LogRecord = { kind: "join", channel: "presence.lobby", session: "node.1", member: { connection_id: 1 } };

describe("MemoryBus: the log is this process", () => {
  it("has applied and acknowledged a record when append returns, in this order", async () => {
    const bus = new MemoryBus();
    const steps: unknown[] = [];
    await bus.start((record, position) => steps.push(["applied", record, position]));
    bus.append(join, (outcome) => steps.push(["done", outcome]));
    assert.deepEqual(steps, [
      ["applied", join, bus.tail()],
      ["done", bus.tail()],
    ]);
  });

  it("refuses what is appended before start", () => {
    const outcomes: unknown[] = [];
    new MemoryBus().append(join, (outcome) => outcomes.push(outcome));
    assert.deepEqual(outcomes, ["unavailable"]);
  });

  it("has an epoch of its own in every life, so that nothing is recovered over a restart", () => {
    assert.notEqual(new MemoryBus().tail().epoch, new MemoryBus().tail().epoch);
  });

  it("gives offsets of twelve digits that rise as text, and knows each, also where their lower part is used up", async () => {
    const bus = new MemoryBus();
    await bus.start(() => {});
    const start = bus.tail().offset;
    let last = start;
    for (let n = 0; n < 9_000_100; n += 1)
      bus.append(join, (outcome) => {
        const { offset } = outcome as { offset: string };
        if (!(offset > last && offset.length === 12)) throw new Error(`${offset} after ${last}`);
        last = offset;
      });
    assert.deepEqual(
      [bus.knows("", start), bus.knows("", last), bus.knows("", `${Number(last) + 1}`)],
      [true, true, false],
    );
    assert.ok(last.startsWith("10001"), last);
  });
});
