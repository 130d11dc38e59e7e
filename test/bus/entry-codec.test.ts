import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { pack, unpack } from "msgpackr";
import type { LogRecord, PublicationRecord } from "../../src/bus/bus.ts";
import { decodeEntry } from "../../src/bus/entry-codec.ts";
import { encodeEntry } from "./encode-entry.ts";

const publication: PublicationRecord = {
  kind: "publication",
  channel: "chat.room",
  head: '{"action":"message","message":"日本 \u0000 🏳️"',
  sender: 2 ** 53 - 1,
  echo: false,
  target: { connections: [1, 2 ** 53 - 1, -1], users: ["anna", ""] },
  key: "key",
  userId: "42",
  acceptedAtMs: 1000.5,
};

const records: LogRecord[] = [
  publication,
  { ...publication, target: undefined, key: undefined, userId: undefined, echo: true },
  { ...publication, target: { connections: [], users: [] } },
  { kind: "join", channel: "presence.a", session: "node.1", member: { user_id: 7, role: "user" } },
  { kind: "leave", channel: "presence.a", session: "node.1", member: { connection_id: 9 } },
  { kind: "roll_call", node: "", shard: undefined },
  { kind: "roll_begun", node: "abc", shard: 0 },
  { kind: "roll_ended", node: "abc", shard: 2 },
  { kind: "node_ended", node: "abc", shard: undefined },
  { kind: "command", channel: "", node: "abc", id: 1, body: '{"name":"日本"}', keptUntil: 0 },
  { kind: "command", channel: "chat.a", node: "abc", id: 2 ** 53 - 1, body: "", keptUntil: 4e9 },
  { kind: "answer", channel: "chat.a", node: "abc", id: 0, body: "{}", from: "def" },
  { kind: "occupied", channel: "chat.room", node: "abc" },
  { kind: "vacated", channel: "chat.room", node: "abc" },
];

const entry = { epoch: "e1", writer: "node", sequence: 7, isNewer: false, records };
const encode = (value: unknown): Buffer => pack(value);

describe("An entry", () => {
  it("comes back as it was: every kind of record, every field", () => {
    assert.deepEqual(decodeEntry(encodeEntry(entry, 0), 0), entry);
    assert.deepEqual(decodeEntry(encodeEntry({ ...entry, records: [] }, 0), 0), { ...entry, records: [] });
  });

  it("carries times that another process, whose clock began elsewhere, can read", () => {
    const [record] = decodeEntry(encodeEntry(entry, 1_000_000), 1_000_400)!.records;
    assert.equal((record as PublicationRecord).acceptedAtMs, 1000.5 - 400);
  });

  it("is the same bytes whenever it is encoded again: a second copy can be told from another entry", () => {
    assert.deepEqual(encodeEntry(entry, 5), encodeEntry(structuredClone(entry), 5));
  });

  it("keeps the place of a record whose kind is unknown, so that releases agree on the offsets of the others", () => {
    const packed = unpack(encodeEntry(entry, 0)) as [number, string, string, number, unknown[][]];
    packed[4].splice(1, 0, [99, "of a later release"]);
    const decoded = decodeEntry(encode(packed), 0)!;
    assert.deepEqual(decoded.records, [records[0], undefined, ...records.slice(1)]);
  });

  const valid: readonly unknown[] = [0, "chat.a", "{", 1, true, [1], ["anna"], "key", "42", 1000];
  const command: readonly unknown[] = [7, "chat.a", "abc", 1, "{}", 0];
  const answer: readonly unknown[] = [8, "chat.a", "abc", 1, "{}", "def"];
  const malformed: readonly (readonly [what: string, fields: unknown])[] = [
    ["nothing after the kind of a publication", [0]],
    ...valid.slice(1).flatMap((_, i): [string, unknown][] => [
      [`a map as field ${i + 1} of a publication`, valid.with(i + 1, {})],
      [`a list of lists as field ${i + 1} of a publication`, valid.with(i + 1, [[]])],
    ]),
    ["numbers as targets", valid.with(5, 7).with(6, 8)],
    ["texts as connections", valid.with(5, ["1"])],
    ["numbers as users", valid.with(6, [1])],
    ["connections without users", valid.with(6, null)],
    ["users without connections", valid.with(5, null)],
    ["no head", valid.with(2, null)],
    ["no channel", valid.with(1, null)],
    ["a time that is no number", valid.with(9, Number.NaN)],
    ["a join without a member", [1, "presence.a", "node.1"]],
    ["a join without a channel", [1, null, "node.1", { user_id: 1 }]],
    ["a leave whose session is a number", [2, "presence.a", 1, { user_id: 1 }]],
    ["a member that is a list", [1, "presence.a", "node.1", []]],
    ["a member whose id is a map", [1, "presence.a", "node.1", { user_id: {} }]],
    ["a member whose role is a number", [1, "presence.a", "node.1", { user_id: 1, role: 1 }]],
    ["a member whose connection is a text", [1, "presence.a", "node.1", { connection_id: "1" }]],
    ["a node without a name", [3]],
    ["a node whose name is a number", [4, 7]],
    ["a node whose shard is a text", [5, "abc", "0"]],
    ...[command, answer].flatMap((fields) =>
      fields.slice(1).flatMap((_, i): [string, unknown][] => [
        [`a map as field ${i + 1} of kind ${fields[0]}`, fields.with(i + 1, {})],
        [`nothing as field ${i + 1} of kind ${fields[0]}`, fields.with(i + 1, null)],
        [`true as field ${i + 1} of kind ${fields[0]}`, fields.with(i + 1, true)],
      ]),
    ),
    ["a command whose number is a fraction", command.with(3, 1.5)],
    ["a command that is kept for ever", command.with(5, Number.POSITIVE_INFINITY)],
    ["an answer of a number", answer.with(5, 7)],
    ["a command that is a map", { 0: 7, 1: "chat.a", 2: "abc", 3: 1, 4: "{}" }],
    ["an occupied channel without a node", [32, "chat.a"]],
    ["a vacated channel whose name is a number", [33, 7, "node"]],
    ["a text", "0"],
    ["a number", 0],
    ["nothing", null],
  ];
  for (const [what, fields] of malformed) {
    it(`leaves out a record that is malformed, and keeps the others: ${what}`, () => {
      const bytes = encode([1, "e1", "node", 7, [valid, fields, [3, "abc"]]]);
      const decoded = decodeEntry(bytes, 0)!.records;
      assert.deepEqual(
        decoded.map((record) => record?.kind),
        ["publication", undefined, "roll_call"],
      );
    });
  }

  it("has fields behind those that are known, in a record and at its own end, which are passed over", () => {
    const packed = unpack(encodeEntry(entry, 0)) as [number, string, string, number, unknown[][]];
    const extended = packed.with(
      4,
      packed[4].map((fields) => [...fields, "new", { more: [1] }]),
    );
    assert.deepEqual(decodeEntry(encode([...extended, "of a later release"]), 0), entry);
  });

  it("of a newer version tells its head, and a place for each record, none of which is read", () => {
    const [, ...rest] = unpack(encodeEntry(entry, 0)) as unknown[];
    const decoded = decodeEntry(encode([2, ...rest, { more: true }]), 0);
    assert.deepEqual(decoded, { ...entry, isNewer: true, records: records.map(() => undefined) });
  });

  it("is nothing where there is no entry", () => {
    const packed = unpack(encodeEntry(entry, 0)) as unknown[];
    const foreign = [
      encode([0, ...packed.slice(1)]),
      encode(["1", ...packed.slice(1)]),
      encode([2, "e1", "node", 7]),
      encode([2, "e1", "node", 7, { of: "a version" }]),
      encode({ epoch: "e1" }),
      encode([1]),
      encode([1, "e1", "node", "7", []]),
      encode([1, "e1", "node", 7, "records"]),
      Buffer.from(""),
      Buffer.from("plain text"),
      Buffer.from([0xc1, 0xff]),
      encodeEntry(entry, 0).subarray(0, 20),
    ];
    for (const [i, bytes] of foreign.entries()) assert.equal(decodeEntry(bytes, 0), undefined, `number ${i}`);
  });
});
