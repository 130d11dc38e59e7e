import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { printable } from "../../src/cli/output.ts";
import { lineOf } from "../../src/cli/tail-lines.ts";

const time = Date.UTC(2025, 0, 31, 12, 34, 56) / 1000;
const now = new Date(time * 1000);
const clock = [now.getHours(), now.getMinutes(), now.getSeconds()]
  .map((part) => String(part).padStart(2, "0"))
  .join(":");

describe("text from the network", () => {
  it("cannot steer the terminal: control characters are written out", () => {
    assert.equal(printable("\u001b[2J\u0007\u0000\u007f\u009b31m"), "\\u001b[2J\\u0007\\u0000\\u007f\\u009b31m");
  });

  it("stays on one line", () => {
    assert.equal(printable("a\r\nb\tc\u2028d\u0085"), "a\\r\\nb\\tc\\u2028d\\u0085");
  });

  it("cannot reverse the direction of writing", () => {
    assert.equal(printable("\u202eevil\u2066\u200f\ufeff"), "\\u202eevil\\u2066\\u200f\\ufeff");
  });

  it("keeps every script and emoji", () => {
    for (const text of ["Grüße", "می\u200cخواهم", "👨\u200d👩\u200d👧", "日本語", "C:\\new"])
      assert.equal(printable(text), text);
  });

  it("as JSON keeps its meaning", () => {
    const value = { "a\u009b": "\u202e\u2028\u001b" };
    assert.deepEqual(JSON.parse(printable(JSON.stringify(value))), value);
  });
});

describe("the line of a frame", () => {
  it("has the time, the sender and the message", () => {
    assert.equal(lineOf({ action: "message", time, sender: 7, message: "hi" }, now), `${clock} #7  hi`);
    assert.equal(lineOf({ action: "message", time, sender: 7, user_id: 42, message: "hi" }, now), `${clock} 42  hi`);
    assert.equal(lineOf({ action: "message", time, sender: 0, message: "hi" }, now), `${clock} server  hi`);
  });

  it("shows what is not text as JSON", () => {
    for (const message of [null, 42, { a: [1] }, [true]])
      assert.equal(
        lineOf({ action: "message", time, sender: 7, message }, now),
        `${clock} #7  ${JSON.stringify(message)}`,
      );
  });

  it("has the date where that is another day's", () => {
    const later = new Date((time + 7 * 86_400) * 1000);
    assert.match(
      lineOf({ action: "message", time, sender: 7, message: "hi" }, later)!,
      /^2025-\d\d-\d\d \d\d:\d\d:\d\d #7 {2}hi$/,
    );
  });

  it("tells who joined and left", () => {
    const frame = { action: "presence", event: "join", channel: "c", member: { user_id: "ann" }, count: 3, time };
    assert.equal(lineOf(frame, now), `${clock} * ann join (3 here)`);
    const left = { ...frame, event: "leave", member: { connection_id: 7 }, count: 2 };
    assert.equal(lineOf(left, now), `${clock} * #7 leave (2 here)`);
  });

  it("is none for everything else", () => {
    for (const action of ["ping", "welcome", "subscribe", "presence", "constructor"])
      assert.equal(lineOf({ action, success: true }, now), undefined);
  });

  it("survives frames of the wrong shape", () => {
    for (const frame of [
      { action: "message" },
      { action: "message", time: 1e300 },
      { action: "presence", event: "join", member: 7 },
    ])
      assert.equal(typeof lineOf(frame, now), "string");
  });
});
