import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { callTable } from "../../src/calls/call-table.ts";

describe("the short check of a plain publication", () => {
  const plain = [
    '{"channel":"a","message":1}',
    '{"message":null,"channel":"chat.room-1"}',
    '{"channel":"a","message":{"channel":"b c"}}',
  ];
  for (const text of plain) {
    it(`takes ${text}, as the schema does`, () => {
      assert.equal(callTable.publish.isPlain(JSON.parse(text)), true);
      assert.deepEqual(callTable.publish.input.parse(JSON.parse(text)), JSON.parse(text));
    });
  }

  const others = [
    "null",
    "7",
    '"a"',
    "[]",
    '["a","b"]',
    "{}",
    '{"channel":"a"}',
    '{"message":1}',
    '{"channel":"a b","message":1}',
    '{"channel":7,"message":1}',
    '{"channel":["a"],"message":1}',
    '{"channel":"a","mesage":1}',
    '{"channel":"a","message":1,"key":"k"}',
    '{"channel":"a","message":1,"__proto__":{}}',
    '{"channel":"a","__proto__":{"message":1}}',
    '{"__proto__":{"channel":"a","message":1},"a":1}',
  ];
  for (const text of others) {
    it(`leaves ${text} to the schema`, () => assert.equal(callTable.publish.isPlain(JSON.parse(text)), false));
  }
});
