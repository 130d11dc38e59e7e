/** A worker and a supervisor of neighbouring releases, as when newer files are put in place while a gateway runs. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { pack, unpack } from "msgpackr";
import type { LogRecord } from "../../src/bus/bus.ts";
import { encodeDown, encodeUp } from "../../src/bus/worker-messages.ts";
import { createWorkerNodes } from "./worker-nodes.ts";

const join = (channel: string): LogRecord => ({ kind: "join", channel, session: "s", member: { user_id: 1 } });
const unknownKind = [200, "chat.a", { of: "a later release" }];
/** The message with the first of its records, which stand as element `at`, of a kind that is not known. */
function withUnknown(message: Uint8Array, at: number): Uint8Array {
  const fields = unpack(message) as unknown[][];
  fields[at]![0] = unknownKind;
  return pack([...fields, "a field"]);
}

describe("The link of a worker, to a process of a later release", () => {
  it("passes over messages and records that the worker does not know, and takes the others", async () => {
    const nodes = await createWorkerNodes();
    const worker = nodes.worker();
    const seen: [string, number][] = [];
    await worker.bus.start((record, _, ageMs) => seen.push([(record as { channel: string }).channel, ageMs]));
    const { epoch } = worker.bus.tail("chat.a");
    const placed = ["a", "b", "c"].map((channel, i) => ({
      record: join(channel),
      position: { offset: `000000000000-0000${i}`, epoch },
    }));
    worker.bus.receive(pack([99, "a message"]));
    worker.bus.receive(withUnknown(encodeDown({ kind: "records", placed }), 1));
    worker.bus.receive(withUnknown(encodeDown({ kind: "past", placed, agesMs: [7, 8, 9] }), 2));
    assert.deepEqual(seen, [
      ["b", 0],
      ["c", 0],
      ["b", 8],
      ["c", 9],
    ]);
  });

  it("refuses records that the supervisor does not know, and appends the others", async () => {
    const nodes = await createWorkerNodes();
    const worker = nodes.worker();
    const seen: string[] = [];
    await worker.bus.start((record) => seen.push((record as { channel: string }).channel));
    worker.seat.receive(pack([99, "a message"]));
    const outcomes: unknown[] = [];
    const appended = new Promise<void>((resolve) => {
      for (const channel of ["a", "b"])
        worker.bus.append(join(channel), (outcome) => {
          outcomes.push(outcome === "unavailable" ? outcome : "appended");
          if (outcomes.length === 2) resolve();
        });
    });
    await appended;
    assert.deepEqual(outcomes, ["appended", "appended"]);
    worker.seat.receive(withUnknown(encodeUp({ kind: "append", first: 100, records: [join("x"), join("c")] }), 2));
    await new Promise<void>((resolve) => worker.bus.append(join("last"), () => resolve()));
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(seen, ["a", "b", "c", "last"]);
  });
});
