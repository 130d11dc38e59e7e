import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { LogRecord } from "../../src/bus/bus.ts";
import { EntryBatch } from "../../src/bus/entry-batch.ts";
import { decodeEntry } from "../../src/bus/entry-codec.ts";
import { recordsPerEntryMax } from "../../src/bus/stream-offset.ts";

const publication = (text: string): LogRecord => ({
  kind: "publication",
  channel: "chat.room",
  head: `{"action":"message","message":"${text}"`,
  sender: 7,
  echo: true,
  target: undefined,
  key: undefined,
  userId: "anna",
  acceptedAtMs: 1500,
});
const join: LogRecord = { kind: "join", channel: "presence.a", session: "node.1", member: { user_id: "anna" } };

function batchOf(records: readonly LogRecord[]): EntryBatch<number> {
  const batch = new EntryBatch<number>();
  for (const [index, record] of records.entries()) batch.add(record, 0, index);
  return batch;
}

const recordsOf = (bytes: Buffer) => decodeEntry(bytes, 0)?.records;

describe("EntryBatch", () => {
  it("holds the records in their order, and beside each its companion", () => {
    const records = [publication("a"), join, publication("b")];
    const batch = new EntryBatch<string>();
    for (const [index, record] of records.entries()) batch.add(record, 0, `companion ${index}`);
    assert.deepEqual(recordsOf(batch.entry("e1", "node", 1)), records);
    assert.deepEqual(batch.companions, ["companion 0", "companion 1", "companion 2"]);
  });

  it("is an entry without records where it is empty: a probe", () => {
    const batch = new EntryBatch<undefined>();
    assert.equal(batch.byteLength, 0);
    const expected = { epoch: "e1", writer: "node", sequence: 3, isNewer: false, records: [] };
    assert.deepEqual(decodeEntry(batch.entry("e1", "node", 3), 0), expected);
  });

  it("is as long as the records that it was told of: each tells its bytes when it is added", () => {
    const batch = new EntryBatch<undefined>();
    let sum = 0;
    for (let n = 0; n < 100; n += 1) {
      sum += batch.add(publication("x".repeat(n)), 0, undefined);
      assert.equal(batch.byteLength, sum);
    }
    const empty = new EntryBatch<undefined>().entry("e1", "node", 1);
    assert.equal(batch.entry("e1", "node", 1).length, empty.length + sum);
  });

  // 1024 bytes at first, then twice as many each time, or what one record needs.
  for (const [what, sizes] of [
    ["record by record", Array.from({ length: 500 }, (_, n) => n % 90)],
    ["by one that is larger than all room so far", [10, 20_000, 10]],
    ["by a first one that is larger than the room at first", [5000, 1]],
  ] as const)
    it(`grows ${what}, and every record stays whole`, () => {
      const records = sizes.map((size, n) => publication(`${n} ${"日".repeat(size)}`));
      assert.deepEqual(recordsOf(batchOf(records).entry("e1", "node", 1)), records);
    });

  for (const bytes of [1023, 1024, 1025])
    it(`grows where its first record takes ${bytes} bytes, of the 1024 that it has at first`, () => {
      const bytesOf = (size: number) => new EntryBatch<undefined>().add(publication("x".repeat(size)), 0, undefined);
      const records = [publication("x".repeat(500 + bytes - bytesOf(500))), join, publication("after it")];
      const batch = batchOf(records.slice(0, 1));
      assert.equal(batch.byteLength, bytes);
      for (const record of records.slice(1)) batch.add(record, 0, 1);
      assert.deepEqual(recordsOf(batch.entry("e1", "node", 1)), records);
    });

  it("holds as many records as an entry may have", () => {
    const batch = new EntryBatch<number>();
    for (let n = 0; n < recordsPerEntryMax; n += 1) batch.add(join, 0, n);
    const records = recordsOf(batch.entry("e1", "node", 1));
    assert.equal(records?.length, recordsPerEntryMax);
    assert.deepEqual(records?.at(-1), join);
    assert.equal(batch.companions.at(-1), recordsPerEntryMax - 1);
  });

  it("is the same bytes each time it is sent, whatever was packed in between", () => {
    const batch = batchOf([publication("a"), join]);
    const first = batch.entry("e1", "node", 1);
    const copy = Buffer.from(first);
    batchOf([publication("another batch"), publication("x".repeat(3000))]).entry("e1", "other", 9);
    assert.deepEqual(batch.entry("e1", "node", 1), copy);
    assert.deepEqual(first, copy, "and what was handed out stays as it is");
  });

  it("is the same records when it is sent again in another epoch", () => {
    const records = [publication("a"), join];
    const batch = batchOf(records);
    batch.entry("e1", "node", 4);
    const expected = { epoch: "e2", writer: "node", sequence: 4, isNewer: false, records };
    assert.deepEqual(decodeEntry(batch.entry("e2", "node", 4), 0), expected);
  });

  it("shares nothing with another batch that is filled at the same time", () => {
    const [even, odd] = [new EntryBatch<undefined>(), new EntryBatch<undefined>()];
    const records = Array.from({ length: 200 }, (_, n) => publication(`number ${n}`));
    for (const [n, record] of records.entries()) (n % 2 === 0 ? even : odd).add(record, 0, undefined);
    assert.deepEqual(
      recordsOf(even.entry("e1", "node", 1)),
      records.filter((_, n) => n % 2 === 0),
    );
    assert.deepEqual(
      recordsOf(odd.entry("e1", "node", 2)),
      records.filter((_, n) => n % 2 === 1),
    );
  });
});
