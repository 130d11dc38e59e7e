import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readPlainPublish } from "../../src/inbound/plain-publish.ts";
import { decode } from "../../src/protocol/decode.ts";

const limits = { depthMax: 32, batchItemsMax: 100 };
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const frame = (message: unknown, rest: object = {}) =>
  JSON.stringify({ action: "message", data: { channel: "chat.room-1", message }, ...rest });

/** Frames that JSON.stringify or people write, and ones that are nearly what the short cut takes. */
const texts = [
  frame(""),
  frame("Hello everyone!"),
  frame("x".repeat(60_000)),
  ...[0, 7, 999_999_999_999_999, "a", "", "a b:{}", "x".repeat(128)].map((id) => frame("Hi", { id })),
  ...['a"b', "a\\b", "\u007f", "\n", "ä", "€", "😀", "\u2028"].map((text) => frame(text)),
  ...[1e15, -1, 1.5, "ä", "x".repeat(129), null, true, [], {}].map((id) => frame("Hi", { id })),
  ...[7, null, true, [1], { text: "Hi" }].map((message) => frame(message)),
  frame("Hi").replace("room", "ro om"),
  frame("Hi").replace("chat.room-1", ""),
  frame("Hi").replace("chat.room-1", ".a"),
  frame("Hi").replace("chat.room-1", "a..b"),
  frame("Hi").replace("chat.room-1", "x".repeat(200)),
  frame("Hi").replace("chat.room-1", "x".repeat(201)),
  frame("Hi", { id: 7 }).replace(":7", ":07"),
  frame("Hi", { id: 7 }).replace(":7", ":7e2"),
  ` ${frame("Hi")}`,
  `${frame("Hi")}\n`,
  `${frame("Hi")}}`,
  frame("Hi").replace('"Hi"', '"Hi","echo":false'),
  frame("Hi").replace('"Hi"', '"Hi","message":"Ho"'),
  frame("Hi").replace("message", "Message"),
];

describe("A message of plain text", () => {
  it("is read as by the long way, or left to it", () => {
    let read = 0;
    for (const text of texts) {
      const message = readPlainPublish(bytesOf(text));
      if (message === undefined) continue;
      assert.deepEqual(message, decode(bytesOf(text), false, "json", limits), text.slice(0, 200));
      read += 1;
    }
    assert.equal(read, 11, "all that JSON.stringify writes of ASCII text, with and without an id");
  });

  it("is read from all of a buffer, and from a part of one", () => {
    const text = frame("Hi");
    const { buffer } = bytesOf(text);
    assert.equal(readPlainPublish(buffer as ArrayBuffer)?.messageJson, '"Hi"');
    const within = bytesOf(`xx${text}xx`).subarray(2, -2);
    assert.equal(readPlainPublish(within)?.messageJson, '"Hi"');
  });

  it("of bytes that are no ASCII is left to the long way, whatever they stand for in Latin-1", () => {
    const bytes = bytesOf(frame("Hi"));
    for (let i = 0; i < bytes.length; i += 1)
      for (const byte of [0x00, 0x1f, 0x7f, 0x80, 0xc3, 0xe4, 0xff]) {
        const changed = bytes.slice();
        changed[i] = byte;
        assert.equal(readPlainPublish(changed), undefined);
      }
  });
});
