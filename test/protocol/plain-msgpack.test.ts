import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Packr, pack, Unpackr } from "msgpackr";
import { decode } from "../../src/protocol/decode.ts";
import { isPlainMsgpack, levelsMax } from "../../src/protocol/plain-msgpack.ts";
import { fromBytes, limits, malformed, publication, refused, shown, str } from "./wire.ts";

const hex = (digits: string) => Buffer.from(digits.replaceAll(" ", ""), "hex");
const bytesOf = (...parts: (string | Uint8Array)[]) =>
  Buffer.concat(parts.map((p) => (typeof p === "string" ? hex(p) : p)));
/** What msgpackr by itself makes of these bytes, with the options that `decode` uses. */
const unguarded = (bytes: Uint8Array) => new Unpackr({ useRecords: false, int64AsType: "number" }).unpack(bytes);

describe("MessagePack: what a client may send", () => {
  const plain: readonly (readonly [string, string, string])[] = [
    ["nil", "c0", "null"],
    ["booleans", "92 c2 c3", "[false,true]"],
    ["small integers", "93 00 7f e0", "[0,127,-32]"],
    [
      "unsigned integers",
      "94 cc ff cd ffff ce ffffffff cf 001fffffffffffff",
      "[255,65535,4294967295,9007199254740991]",
    ],
    [
      "signed integers",
      "94 d0 80 d1 8000 d2 80000000 d3 ffe0000000000001",
      "[-128,-32768,-2147483648,-9007199254740991]",
    ],
    [
      "integers beyond 2^53, as near as a number comes",
      "92 cf ffffffffffffffff d3 8000000000000000",
      "[18446744073709552000,-9223372036854776000]",
    ],
    ["floats", "92 ca 3fc00000 cb 3ff199999999999a", "[1.5,1.1]"],
    ["strings of every header", "94 a0 a1 61 d9 01 62 da 0001 63", '["","a","b","c"]'],
    ["strings of 32 bits", "db 00000003 e282ac", '"€"'],
    ["arrays of every header", "93 90 dc 0001 01 dd 00000001 02", "[[],[1],[2]]"],
    ["maps of every header", "93 80 de 0001 a1 61 01 df 00000001 a1 62 02", '[{},{"a":1},{"b":2}]'],
    ["keys of every header", "84 a0 01 d9 01 61 02 da 0001 62 03 db 00000001 63 04", '{"":1,"a":2,"b":3,"c":4}'],
    ["duplicate keys, of which the last counts", "82 a1 61 01 a1 61 02", '{"a":2}'],
    [
      "keys that only look like __proto__",
      "82 a8 5f5f70726f746f5f 01 a9 5f5f70726f746f5f78 02",
      '{"__proto_":1,"__proto_x":2}',
    ],
    ["the text __proto__ as a value", "a9 5f5f70726f746f5f5f", '"__proto__"'],
    [
      "the key constructor",
      "81 ab 636f6e7374727563746f72 81 a9 70726f746f74797065 80",
      '{"constructor":{"prototype":{}}}',
    ],
    ["ill-formed UTF-8, as U+FFFD", "92 a1 ff a3 61 80 62", '["\ufffd","a\ufffdb"]'],
  ];
  for (const [name, message, json] of plain)
    it(`reads ${name}`, () => {
      assert.equal(fromBytes(publication(message)).messageJson, json);
    });

  it("reads undefined, as msgpackr writes it, like an absent field", () => {
    const frame = pack({
      action: "history",
      data: { channel: "a", limit: undefined, before: undefined },
      id: undefined,
    });
    assert.equal(frame.includes(hex("d40000")), true);
    assert.deepEqual(fromBytes(frame), { action: "history", channel: "a" });
    assert.equal(fromBytes(publication("d4 00 00")).error, "Missing required field: message");
  });

  it("carries strings and lists longer than any short header", () => {
    for (const message of ["€".repeat(30_000), Array.from({ length: 70_000 }, (_, i) => i % 3), "x".repeat(70_000)])
      assert.equal(fromBytes(publication(pack(message))).messageJson, JSON.stringify(message));
    const wide = Object.fromEntries(Array.from({ length: 70_000 }, (_, i) => [`k${i}`, i]));
    const packed = new Packr({ useRecords: false, variableMapSize: true }).pack(wide);
    assert.equal(fromBytes(publication(packed)).messageJson, JSON.stringify(wide));
  });
});

describe("MessagePack: what JSON has no form for", () => {
  const expected = "Invalid value for required field message, expected type: JSON value";
  const noJson = refused("invalid_field", expected, { request: "message", channel: "a" });
  const values = {
    "binary of 8 bits": "c4 01 00",
    "binary of 16 bits": "c5 0001 00",
    "binary of 32 bits": "c6 00000001 00",
    "a timestamp of 32 bits": "d6 ff 00000000",
    "a timestamp of 64 bits": "d7 ff 0000000000000000",
    "a timestamp of 96 bits": "c7 0c ff 000000000000000000000000",
  };
  for (const [name, value] of Object.entries(values)) {
    it(`refuses ${name} in a message, at any level`, () => {
      assert.deepEqual(fromBytes(publication(value)), noJson);
      assert.deepEqual(fromBytes(publication(`92 01 81 a1 61 ${value}`)), noJson);
    });
    it(`takes ${name} for no object, no list and no text`, () => {
      const data = fromBytes(bytesOf("82", str("action"), str("presence"), str("data"), value));
      assert.equal(data.error, "Invalid value for required field data, expected type: object");
      const channel = fromBytes(
        bytesOf("82", str("action"), str("presence"), str("data"), "81", str("channel"), value),
      );
      assert.equal(channel.error, "Invalid value for required field channel, expected type: string");
      const items = fromBytes(bytesOf("82", str("action"), str("batch"), str("data"), "81", str("items"), value));
      assert.equal(items.error, "Invalid value for required field items, expected type: array");
      assert.deepEqual(fromBytes(bytesOf("82", str("action"), str("ping"), str("id"), value)), { action: "ping" });
      assert.deepEqual(fromBytes(hex(value.replaceAll(" ", ""))), malformed);
    });
  }

  it("refuses undefined inside a message", () => {
    assert.deepEqual(fromBytes(publication("91 d4 00 00")), noJson);
  });

  it("refuses a float that is no number, and echoes none as an id", () => {
    for (const float of ["ca 7fc00000", "ca 7f800000", "cb 7ff8000000000000", "cb fff0000000000000"]) {
      const { error } = fromBytes(publication(float));
      assert.match(String(error), /expected type: JSON value \(a number must be finite\)/);
      assert.deepEqual(fromBytes(bytesOf("82", str("action"), str("ping"), str("id"), float)), { action: "ping" });
    }
  });
});

describe("MessagePack: frames that are hostile", () => {
  /** Frames that msgpackr would read, and that must never reach it. */
  const unreadable = {
    "a record definition": publication("d4 72 40 91 a1 61 01"),
    "a record definition of two bytes": publication("d5 72 40 00 91 a1 61 01"),
    "an object with an id": publication("d6 69 00000001 90"),
    "a string bundle": bytesOf(publication("d6 62 00000006 c1 01"), "a1 61 a0"),
    "an error": publication("d4 65 00 91 a5 4572726f72"),
    "what calls a method of its reader": publication("d4 65 00 92 a8 746f537472696e67 01"),
    "a set": publication("d4 73 00 91 01"),
    "a regular expression": publication("d4 78 00 92 a1 61 a0"),
    "a typed array": publication("d5 74 01 00"),
    "a big integer": publication("c7 09 42 010000000000000000"),
    "an invalid timestamp": publication("c7 01 ff 00"),
    "undefined of another length": publication("c7 01 00 00"),
    "a key that is a number": publication("81 01 01"),
    "a key that is nil": publication("81 c0 01"),
    "a key that is a boolean": publication("81 c3 01"),
    "a key that is undefined": publication("81 d4 00 00 01"),
    "the key __proto__": publication(bytesOf("81", str("__proto__"), "01")),
    "the key __proto__ with a longer header": publication(bytesOf("81 d9 09", Buffer.from("__proto__"), "01")),
    "the key __proto__ with the longest header": publication(bytesOf("81 db 00000009", Buffer.from("__proto__"), "01")),
  };
  for (const [name, bytes] of Object.entries(unreadable))
    it(`answers Invalid message format to ${name}`, () => {
      assert.doesNotThrow(() => unguarded(bytes));
      assert.deepEqual(fromBytes(bytes), malformed);
    });

  const broken = {
    nothing: "",
    "an extension of no known type": "c7 01 05 00",
    "the token that is never used": "c1",
    "a key that is an array": "81 90 01",
    "a key that is a map": "81 80 01",
    "a key that is binary": "81 c4 01 61 01",
    "two values": "80 80",
    "a value and one byte": "c0 c0",
    "an array that says 2^32 - 1": "dd ffffffff",
    "arrays within arrays that say 2^32 - 1": "dd ffffffff".repeat(1000),
    "an array that says 65535": "dc ffff 01 02",
    "a map that says 2^32 - 1": "df ffffffff",
    "a map without its last value": "82 a1 61 01 a1 62",
    "a map without its last key": "82 a1 61 01",
    "a string that says 2^32 - 1": "db ffffffff 61",
    "a string that says 65535": "da ffff 61",
    "binary that says 2^32 - 1": "c6 ffffffff 61",
    "an extension that says 2^32 - 1": "c9 ffffffff ff 00",
    "a cut off integer": "cf 00",
    "a cut off float": "cb 00",
    "a cut off length": "dd 00",
    "a cut off timestamp": "d7 ff 00",
  };
  for (const [name, bytes] of Object.entries(broken))
    it(`answers Invalid message format to ${name}`, () => {
      assert.deepEqual(fromBytes(hex(bytes)), malformed);
      if (bytes !== "" && !bytes.startsWith("80 80") && !bytes.startsWith("c0 c0"))
        assert.deepEqual(fromBytes(publication(bytes)), malformed);
    });

  it("answers Invalid message format to a frame cut off after any of its bytes", () => {
    const message = { text: "x".repeat(40), list: [1, -1, 1.5, 70_000, -70_000, null, true], deep: { a: ["€"] } };
    const frame = pack({ action: "message", data: { channel: "chat.room.1", message, users: ["u"] }, id: "r" });
    for (let end = 0; end < frame.length; end += 1)
      assert.deepEqual(fromBytes(frame.subarray(0, end)), malformed, `${end}`);
    assert.equal(fromBytes(frame).action, "message");
    assert.deepEqual(fromBytes(bytesOf(frame, "c0")), malformed);
  });

  it("answers Invalid message format to a text frame, which carries no MessagePack", () => {
    assert.deepEqual(shown(decode(Buffer.from('{"action":"ping"}'), false, "msgpack", limits)), malformed);
    assert.deepEqual(shown(decode(pack({ action: "ping" }), false, "msgpack", limits)), malformed);
    assert.deepEqual(fromBytes(Buffer.from('{"action":"ping"}')), malformed);
  });

  it("refuses what would unfold a small frame into a large one", () => {
    const repeats = 500;
    const key = "k".repeat(1000);
    const records = bytesOf("dc 01f5 d4 72 40 91", str(key), "00", "40 00".repeat(repeats));
    assert.equal(JSON.stringify(unguarded(records)).length > repeats * key.length, true);
    assert.deepEqual(fromBytes(publication(records)), malformed);
    const levels = 15;
    const id = (i: number, what: string) => `d6 ${what} 000000${i.toString(16).padStart(2, "0")} `;
    const doubled = (_: unknown, i: number) => `${id(i + 2, "69")} 92 ${id(i + 1, "70")} ${id(i + 1, "70")}`;
    const references = hex(
      `dc 00${(levels + 1).toString(16)} ${id(1, "69")} 90 ${Array.from({ length: levels }, doubled).join("")}`,
    );
    assert.equal(JSON.stringify(unguarded(references)).length > 2 ** levels, true);
    assert.deepEqual(fromBytes(publication(references)), malformed);
  });

  it("reads from a view of a larger buffer no more than the view", () => {
    const frame = bytesOf("ff", pack({ action: "ping", id: "x".repeat(200) }), "ff");
    assert.equal(fromBytes(frame.subarray(1, -1)).action, "ping");
    assert.deepEqual(fromBytes(frame.subarray(1, -2)), malformed);
    assert.deepEqual(fromBytes(frame.subarray(1)), malformed);
  });
});

describe("isPlainMsgpack", () => {
  it("is true for exactly one value, to its last byte", () => {
    for (const one of ["c0", "a1 61", "c4 01 00", "d4 00 00", "d6 ff 00000000", "d7 ff 0000000000000000", "92 01 80"]) {
      assert.equal(isPlainMsgpack(hex(one)), true, one);
      assert.equal(isPlainMsgpack(bytesOf(one, "00")), false, `${one} and more`);
      assert.equal(isPlainMsgpack(hex(one).subarray(0, -1)), false, `${one} cut off`);
    }
    assert.equal(isPlainMsgpack(bytesOf("c7 0c ff", new Uint8Array(12))), true);
  });

  it("is false for extensions that are no timestamp and not undefined, whatever their length", () => {
    for (const type of [0x00, 0x01, 0x42, 0x62, 0x65, 0x69, 0x70, 0x72, 0x73, 0x74, 0x78, 0x80, 0xfe, 0xff])
      for (const [token, length] of [
        [0xd4, 1],
        [0xd5, 2],
        [0xd6, 4],
        [0xd7, 8],
        [0xd8, 16],
      ] as const) {
        const isAllowed = token === 0xd4 ? type === 0 : (token === 0xd6 || token === 0xd7) && type === 0xff;
        const given = new Uint8Array([token, type, ...new Uint8Array(length)]);
        assert.equal(isPlainMsgpack(given), isAllowed, Buffer.from(given).toString("hex"));
      }
    for (const length of [0, 1, 4, 8, 11, 12, 13])
      for (const type of [0x00, 0x72, 0xff]) {
        const given = new Uint8Array([0xc7, length, type, ...new Uint8Array(length)]);
        assert.equal(isPlainMsgpack(given), length === 12 && type === 0xff, Buffer.from(given).toString("hex"));
        assert.equal(isPlainMsgpack(bytesOf("c8 00", given.subarray(1))), false);
        assert.equal(isPlainMsgpack(bytesOf("c9 000000", given.subarray(1))), false);
      }
    assert.equal(isPlainMsgpack(bytesOf("c7 01 ff", new Uint8Array(12))), false);
  });
});

describe("MessagePack: depth", () => {
  const arrays = (levels: number) => bytesOf("91".repeat(levels - 1), "90");
  const maps = (levels: number) => bytesOf("81 a1 61".repeat(levels - 1), "80");

  it("tells a message that is too deep from a frame that is deeper than any frame could be", () => {
    for (const nested of [arrays, maps]) {
      assert.equal(fromBytes(publication(nested(32))).action, "message");
      assert.equal(fromBytes(publication(nested(33))).code, "invalid_field");
      assert.equal(fromBytes(publication(nested(levelsMax - 2))).code, "invalid_field");
      assert.deepEqual(fromBytes(publication(nested(levelsMax - 1))), malformed);
      assert.deepEqual(fromBytes(publication(nested(200_000))), malformed);
    }
  });

  it("holds at its own edge", () => {
    for (const nested of [arrays, maps]) {
      assert.equal(isPlainMsgpack(nested(levelsMax)), true);
      assert.equal(isPlainMsgpack(nested(levelsMax + 1)), false);
    }
  });
});

describe("MessagePack: keys that name prototypes", () => {
  it("leave Object.prototype as it was, wherever they stand", () => {
    const before = Reflect.ownKeys(Object.prototype);
    const polluted = bytesOf("81", str("polluted"), "01");
    const proto = bytesOf("81", str("__proto__"), polluted);
    const ofPrototype = bytesOf("81", str("constructor"), "81", str("prototype"), polluted);
    assert.deepEqual(fromBytes(publication(proto)), malformed);
    assert.equal(fromBytes(publication(ofPrototype)).messageJson, '{"constructor":{"prototype":{"polluted":1}}}');
    assert.deepEqual(fromBytes(bytesOf("82", str("action"), str("ping"), str("__proto__"), polluted)), malformed);
    assert.deepEqual(fromBytes(bytesOf("82", str("action"), str("ping"), str("constructor"), ofPrototype)), {
      action: "ping",
    });
    assert.deepEqual(Reflect.ownKeys(Object.prototype), before);
    assert.equal(Reflect.get({}, "polluted"), undefined);
  });
});
