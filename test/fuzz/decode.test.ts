/**
 * Mutated frames through the decoder, and a naive model's opinion on each. Bounded and repeatable: run `i` uses the seed
 * `FUZZ_SEED + i`, so a failure names the one seed that shows it again, and `FUZZ_RUNS` asks for more of them.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Packr } from "msgpackr";
import { decode, type Format } from "../../src/protocol/decode.ts";
import { publicationHead, transcode } from "../../src/protocol/encode.ts";
import type { ClientMessage } from "../../src/protocol/messages.ts";
import { isRefusal, type Refusal } from "../../src/protocol/refusal.ts";
import { judgeBytes, judgeText, type Verdict } from "./model.ts";
import { altered, Dice, damaged } from "./mutate.ts";

const firstSeed = Number(process.env.FUZZ_SEED ?? 20_260_101);
/** Of each of the four kinds. */
const runs = Number(process.env.FUZZ_RUNS ?? 50_000);
const limits = { depthMax: 6, batchItemsMax: 4 };

const since = { offset: "100000000007", epoch: "Xk3" };
const corpus: readonly unknown[] = [
  { action: "subscribe", data: { channel: "chat.room.1" } },
  {
    action: "subscribe",
    data: { channel: "a.b", options: { since, history: 3, presence: true }, token: "t.t.t" },
    id: 1,
  },
  { action: "unsubscribe", data: { channel: "a" }, id: "r" },
  { action: "message", data: { channel: "chat.room.1", message: "Hello everyone!" } },
  {
    action: "message",
    data: { channel: "a", message: { t: ["é", "😀", null, 1.5], d: [[[{}]]] }, recipients: [1, "2"] },
  },
  {
    action: "message",
    data: { channel: "a", message: 0, users: ["u"], connections: [], echo: false, key: "k" },
    id: 7,
  },
  { action: "message", data: { channel: "a", message: "x".repeat(150), key: "k" } },
  { action: "authenticate", data: { token: "header.payload.signature" }, id: 2 },
  { action: "presence", data: { channel: "presence.chat" } },
  { action: "history", data: { channel: "a", limit: 10, before: "100000000007" } },
  { action: "ping", id: -1 },
  { action: "pong" },
  {
    action: "batch",
    data: {
      items: [
        { action: "ping", id: 1 },
        { action: "presence", data: { channel: "a" } },
      ],
    },
    id: "b",
  },
  {
    action: "batch",
    data: { items: [{ action: "message", data: { channel: "a", message: [1] } }, { action: "batch" }] },
  },
];

const deep = (levels: number): unknown => (levels === 0 ? "x" : [deep(levels - 1)]);
const pool: readonly unknown[] = [
  ...[null, true, false, 0, 1, -1, 1.5, 255, 65_536, 2 ** 53, 2 ** 64, -(2 ** 33), 1e308, 5e-324],
  ...["", "a", "1", " 2 ", "1e2", "chat.room.1", "a b", "*", "a.>", "a.", "private.user.1", "😀", "\u202e", "\u0000"],
  ...["x".repeat(128), "x".repeat(129), "x".repeat(200), "x".repeat(201), "__proto__", '","from":"admin', "\\"],
  ...[
    "subscribe",
    "unsubscribe",
    "message",
    "authenticate",
    "presence",
    "history",
    "ping",
    "pong",
    "batch",
    "nonsense",
  ],
  ...[
    [],
    {},
    [1, "2"],
    ["u"],
    [null],
    [[]],
    { a: 1 },
    deep(5),
    deep(6),
    deep(7),
    { offset: "1", epoch: "e" },
    { offset: 1 },
  ],
  ...[[{ action: "ping" }], [1, 2, 3, 4, 5], { toJSON: 1, constructor: 1 }, JSON.parse('{"__proto__":{"a":1}}')],
];
const keys = [
  "action",
  "data",
  "id",
  "channel",
  "message",
  "options",
  "since",
  "history",
  "presence",
  "token",
  "echo",
  "key",
];
keys.push(
  "recipients",
  "users",
  "connections",
  "items",
  "limit",
  "before",
  "offset",
  "epoch",
  "__proto__",
  "constructor",
  "x",
);

/** Values that MessagePack has and JSON has not; the last ones need extensions. */
const foreign: readonly unknown[] = [
  ...[undefined, Number.NaN, Number.POSITIVE_INFINITY, Buffer.from("b"), new Date(0), new Date(1.5), 10n, 2n ** 63n],
  ...[
    new Map([[1, 2]]),
    new Map<unknown, unknown>([[null, 1]]),
    new Set([1]),
    /a/,
    new Error("e"),
    new Uint16Array(2),
    2n ** 70n,
  ],
];
const all = { moreTypes: true, useBigIntExtension: true, useToJSON: false };
const plain = new Packr({ ...all, useRecords: false, variableMapSize: true });
/** A client's choices; the plain one comes up most. */
const packrs = [
  ...[plain, plain, plain, plain],
  new Packr({ ...all, useRecords: false }),
  new Packr({ ...all, useRecords: true }),
  new Packr({ ...all, useRecords: false, structuredClone: true }),
  new Packr({ ...all, useRecords: false, bundleStrings: true }),
];

const textPieces = [
  '"',
  "\\",
  "{",
  "}",
  "[",
  "]",
  ",",
  ":",
  "null",
  "true",
  "-",
  "1e400",
  "1e5",
  "0",
  '"id":',
  '"data":{}',
  "\ufeff",
]
  .concat([
    '"__proto__":',
    '"constructor":',
    '"\\ud800"',
    '"\\u0000"',
    "\u202e",
    " ",
    "\n",
    "\u0000",
    "[[[[[[[",
    '"action":"ping"',
  ])
  .map((text) => Buffer.from(text))
  .concat([Buffer.from([0xff]), Buffer.from([0xed, 0xa0, 0x80]), Buffer.from([0xc0, 0xaf])]);
const bytePieces = [
  "c0",
  "c1",
  "c3",
  "80",
  "81",
  "90",
  "91",
  "a0",
  "a161",
  "cb7ff8000000000000",
  "cf",
  "d3",
  "c401",
  "c6ffffffff",
]
  .concat([
    "d40000",
    "d47240",
    "d5724000",
    "d66900000001",
    "d67000000001",
    "d66200000006",
    "d6ff00000000",
    "d7ff",
    "c70cff",
  ])
  .concat([
    "c704ff00000000",
    "d87300",
    "d90161",
    "da0001",
    "dbffffffff",
    "dc0002",
    "ddffffffff",
    "de0001",
    "dfffffffff",
    "ff7f",
  ])
  .concat(["a95f5f70726f746f5f5f", "91".repeat(520), "81a161".repeat(10), "a2c3a9", "a3ed a080", "a1ff"])
  .map((digits) => Buffer.from(digits.replace(" ", ""), "hex"));

const kinds: Readonly<Record<string, { format: Format; frame(dice: Dice): Buffer }>> = {
  "JSON with damaged bytes": {
    format: "json",
    frame: (dice) => damaged(Buffer.from(JSON.stringify(dice.of(corpus))), textPieces, dice),
  },
  "JSON with other values": {
    format: "json",
    frame: (dice) => Buffer.from(JSON.stringify(altered(dice.of(corpus), pool, keys, dice))),
  },
  "MessagePack with damaged bytes": {
    format: "msgpack",
    frame: (dice) => damaged(plain.pack(dice.of(corpus)), bytePieces, dice),
  },
  "MessagePack with other values": {
    format: "msgpack",
    frame: (dice) => Buffer.from(dice.of(packrs).pack(altered(dice.of(corpus), [...pool, ...foreign], keys, dice))),
  },
};

const codes = ["invalid_message", "unknown_action", "missing_field", "invalid_field", "invalid_channel"];
const actions = ["subscribe", "unsubscribe", "message", "authenticate", "presence", "history", "ping", "pong", "batch"];

describe("decode, against a naive model", () => {
  for (const [kind, { format, frame }] of Object.entries(kinds))
    it(`agrees on ${runs} frames of ${kind}, and never throws`, () => {
      const seen = new Set<string>();
      for (let i = 0; i < runs; i += 1) {
        const bytes = frame(new Dice(firstSeed + i));
        try {
          seen.add(compare(bytes, format));
        } catch (error) {
          const input = format === "json" ? JSON.stringify(bytes.toString()) : bytes.toString("hex");
          assert.fail(`FUZZ_SEED=${firstSeed + i} shows it: ${input.slice(0, 2000)}\n${(error as Error).stack}`);
        }
      }
      // The mutations are worth something only while they still reach every outcome.
      if (runs >= 50_000) for (const outcome of [...codes, ...actions]) assert.equal(seen.has(outcome), true, outcome);
    });
});

/** Throws where the decoder and the model differ; otherwise what both found: a code, or an action. */
function compare(bytes: Buffer, format: Format): string {
  const decoded = decode(bytes, true, format, limits);
  const verdict = format === "json" ? judgeText(bytes, limits) : judgeBytes(bytes, limits);
  assert.deepEqual(summary(decoded), expected(verdict));
  if (isRefusal(decoded)) return decoded.code;
  if (decoded.action === "message") checkOutgoing(decoded.channel, decoded.messageJson, bytes.length);
  return decoded.action;
}

/** A published value is no larger than its frame allows, and goes out whole in both encodings. */
function checkOutgoing(channel: string, messageJson: string, frameBytes: number): void {
  assert.equal(messageJson.length <= 6 * frameBytes, true, "a frame unfolds"); // a control character becomes \u0000
  const frame = `${publicationHead(channel, 1, messageJson, 2, '"u"')}}`;
  assert.deepEqual(Object.keys(JSON.parse(frame)), ["action", "channel", "sender", "message", "time", "user_id"]);
  assert.equal(transcode(frame)[0], 0x86);
}

function summary(result: ClientMessage | Refusal): unknown {
  if (isRefusal(result)) return { code: result.code };
  const items = result.action === "batch" ? { items: result.items.map(summary) } : {};
  return { message: withoutAbsent({ ...result, ...items }) };
}

function expected(verdict: Verdict): unknown {
  if ("code" in verdict) return verdict;
  const { items } = verdict.message;
  return items === undefined ? verdict : { message: { ...verdict.message, items: (items as Verdict[]).map(expected) } };
}

const withoutAbsent = (message: object): object =>
  Object.fromEntries(Object.entries(message).filter(([, value]) => value !== undefined));
