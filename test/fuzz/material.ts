/** What mutations are made of: good frames, and values, keys and bytes that mean something to a decoder. */
import { Packr } from "msgpackr";

const since = { offset: "100000000007", epoch: "Xk3" };
export const corpus: readonly unknown[] = [
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
export const pool: readonly unknown[] = [
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
export const keys = [
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
export const foreign: readonly unknown[] = [
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
export const plain = new Packr({ ...all, useRecords: false, variableMapSize: true });
/** A client's choices; the plain one comes up most. */
export const packrs = [
  ...[plain, plain, plain, plain],
  new Packr({ ...all, useRecords: false }),
  new Packr({ ...all, useRecords: true }),
  new Packr({ ...all, useRecords: false, structuredClone: true }),
  new Packr({ ...all, useRecords: false, bundleStrings: true }),
];

export const textPieces = [
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
export const bytePieces = [
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
