import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { AppendFault, LogRecord } from "../../src/bus/bus.ts";
import { KnownOffsets } from "../../src/bus/worker-offsets.ts";
import type { StreamPosition } from "../../src/protocol/messages.ts";
import { patienceMs } from "../support/child.ts";
import { busContract } from "./contract.ts";
import { createWorkerNodes, type WorkerNode } from "./worker-nodes.ts";

busContract("Three workers on a memory bus", async () => {
  const nodes = await createWorkerNodes();
  return [1, 2, 3].map(() => nodes.worker().bus);
});

describe("WorkerBus: the log is another process'", () => {
  it("has the node number that the supervisor leased for it, also when that changes", async () => {
    const nodes = await createWorkerNodes();
    const [first, second] = [nodes.worker(), nodes.worker()];
    await Promise.all([first.bus.start(() => {}), second.bus.start(() => {})]);
    assert.deepEqual([first.bus.node, second.bus.node], [1, 2]);
    second.seat.renumber(77);
    await settled(second);
    assert.equal(second.bus.node, 77);
  });

  it("fills a worker that starts while others publish: each record once, in order, none missing", async () => {
    const nodes = await createWorkerNodes();
    const [first, second] = [nodes.worker(), nodes.worker()];
    const [seenByFirst, seenBySecond] = [[] as string[], [] as string[]];
    await first.bus.start((record) => seenByFirst.push(channelOf(record)));
    for (let n = 0; n < 3000; n += 1) first.bus.append(message(`chat.${n}`), () => {});
    await settled(first);
    const starting = second.bus.start((record) => seenBySecond.push(channelOf(record)));
    for (let n = 3000; n < 6000; n += 1) {
      first.bus.append(message(`chat.${n}`), () => {});
      if (n % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await starting;
    await settled(first);
    await settled(second);
    await settled(first);
    assert.deepEqual(seenBySecond, seenByFirst);
  });

  it("is told of a record once that came in the turn in which it is filled", async () => {
    const nodes = await createWorkerNodes();
    const first = nodes.worker();
    await first.bus.start(() => {});
    const second = nodes.worker({}, () => nodes.source.append(message("chat.a"), () => {}));
    const seen: string[] = [];
    await second.bus.start((record) => seen.push(channelOf(record)));
    await settled(second);
    assert.deepEqual(seen, ["chat.a", "last"]);
  });

  it("knows every position of the log that its supervisor knows, also those from before its start", async () => {
    const nodes = await createWorkerNodes();
    const [first, second] = [nodes.worker(), nodes.worker()];
    await first.bus.start(() => {});
    const before = first.bus.tail("chat.a");
    const published = await append(first, message("chat.a"));
    await second.bus.start(() => {});
    assert.equal(second.bus.knownFrom("chat.a"), before.offset);
    assert.deepEqual(second.bus.tail("chat.a"), published);
    assert.equal(second.bus.knows("chat.a", published.offset), true);
    assert.equal(second.bus.knows("chat.a", before.offset), true);
    const next = String(Number(published.offset) + 1);
    for (const unknown of [next, "", "x", `${published.offset} `, published.offset.slice(1)])
      assert.equal(second.bus.knows("chat.a", unknown), false, JSON.stringify(unknown));
  });

  it("forgets all positions when the log enters another epoch", async () => {
    const nodes = await createWorkerNodes();
    const worker = nodes.worker();
    await worker.bus.start(() => {});
    const published = await append(worker, message("chat.a"));
    nodes.enter({ epoch: "second", tail: "start", knownFrom: "start" });
    await until(() => worker.bus.tail("chat.a").epoch === "second");
    assert.deepEqual(worker.bus.tail("chat.a"), { offset: "start", epoch: "second" });
    assert.equal(worker.bus.knows("chat.a", published.offset), false);
    assert.equal(worker.bus.knows("chat.a", "start"), true);
  });

  it("knows a position that the log passed without a record", async () => {
    const nodes = await createWorkerNodes();
    const worker = nodes.worker();
    await worker.bus.start(() => {});
    const { offset, epoch } = worker.bus.tail("chat.a");
    const passed = { offset: String(Number(offset) + 5), epoch };
    nodes.hub.moved(0, passed);
    await until(() => worker.bus.tail("chat.a").offset === passed.offset);
    assert.equal(worker.bus.knows("chat.a", passed.offset), true);
  });

  it("refuses what would wait beyond its bound, and takes more once the supervisor has answered", async () => {
    const nodes = await createWorkerNodes();
    const worker = nodes.worker({ queueBytesMax: 1000 });
    await worker.bus.start(() => {});
    const outcomes: (StreamPosition | AppendFault)[] = [];
    for (let n = 0; n < 50; n += 1) worker.bus.append(message("chat.a"), (outcome) => outcomes.push(outcome));
    await until(() => outcomes.length === 50);
    const refused = outcomes.filter((outcome) => outcome === "unavailable").length;
    assert.equal(refused > 0 && refused < 50, true, `${refused} were refused`);
    assert.notEqual(await append(worker, message("chat.a")), "unavailable");
  });

  it("calls its own roll where the record of a member was refused", async () => {
    const nodes = await createWorkerNodes();
    const worker = nodes.worker({ queueBytesMax: 1000 });
    const called: string[] = [];
    await worker.bus.start((record) => record.kind === "roll_call" && called.push(record.node));
    const join = { kind: "join", channel: "presence.a", session: "s", member: { user_id: 1 } } as const;
    for (let n = 0; n < 50; n += 1) worker.bus.append(join, () => {});
    await until(() => called.length > 0);
    assert.deepEqual(called, [worker.bus.incarnation]);
  });

  it("takes nothing more from a worker that is gone: its end is the last that the log has of it", async () => {
    const nodes = await createWorkerNodes();
    const [dying, other] = [nodes.worker(), nodes.worker()];
    const seen: string[] = [];
    await dying.bus.start(() => {});
    await other.bus.start((record) => seen.push(record.kind));
    dying.bus.append(message("chat.a"), () => {});
    dying.kill();
    nodes.source.append({ kind: "node_ended", node: dying.bus.incarnation }, () => {});
    await settled(other);
    assert.deepEqual(seen, ["node_ended", "publication"]);
  });
});

describe("KnownOffsets: positions as runs", () => {
  it("knows what was added and what lies between, across a carry of the last four digits", () => {
    const offsets = new KnownOffsets(10);
    for (let n = 100_000_009_995; n <= 100_000_010_005; n += 1) offsets.add(String(n));
    for (const known of ["100000009995", "100000009999", "100000010000", "100000010005"])
      assert.equal(offsets.has(known), true, known);
    for (const unknown of ["100000009994", "100000010006", "100000019999", "10000001000", "100000010000 "])
      assert.equal(offsets.has(unknown), false, unknown);
  });

  it("forgets the oldest runs past its capacity, and stays exact over many turns", () => {
    const offsets = new KnownOffsets(1000);
    const offset = (run: number, n: number) => `${String(run).padStart(10, "0")}-${String(n).padStart(4, "0")}`;
    for (let run = 0; run < 10_000; run += 1) for (let n = 0; n < 3; n += 1) offsets.add(offset(run, n));
    assert.equal(offsets.has(offset(8999, 0)), false);
    assert.equal(offsets.has(offset(9000, 0)), true);
    assert.equal(offsets.has(offset(9999, 2)), true);
    assert.equal(offsets.has(offset(9999, 3)), false);
  });

  it("is the same in another process that was given its parts", () => {
    const [one, other] = [new KnownOffsets(1000), new KnownOffsets(1000)];
    for (let n = 0; n < 70; n += 1) one.add(`${String(1000 + n * 7)}-0003`);
    for (const part of one.parts(9)) other.addRuns(part);
    for (let n = 0; n < 70; n += 1) assert.equal(other.has(`${String(1000 + n * 7)}-0003`), true);
    assert.equal(other.has("1000-0002"), false);
  });
});

const message = (channel: string): LogRecord => ({
  kind: "publication",
  channel,
  head: `{"action":"message","channel":"${channel}","message":1`,
  sender: 1,
  echo: true,
  target: undefined,
  key: undefined,
  userId: undefined,
  acceptedAtMs: performance.now(),
});

const channelOf = (record: LogRecord): string => ("channel" in record ? record.channel : record.kind);

/** Resolves to where the record is. */
function append({ bus }: WorkerNode, record: LogRecord): Promise<StreamPosition> {
  return new Promise((resolve, reject) => {
    bus.append(record, (outcome) => (outcome === "unavailable" ? reject(new Error(outcome)) : resolve(outcome)));
  });
}

/** Resolves once the worker has applied what was in the log when it was called. */
async function settled(worker: WorkerNode): Promise<void> {
  const { offset } = await append(worker, message("last"));
  await until(() => worker.bus.tail("last").offset >= offset);
}

async function until(condition: () => boolean): Promise<void> {
  const startedMs = performance.now();
  while (!condition()) {
    if (performance.now() - startedMs > patienceMs) assert.fail("waited in vain");
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
