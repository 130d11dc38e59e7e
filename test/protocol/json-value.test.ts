import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { jsonFault } from "../../src/protocol/json-value.ts";
import { nested } from "./wire.ts";

describe("jsonFault", () => {
  it("finds nothing in JSON", () => {
    const values = ["", "a", 0, -0, 1.5, 1e308, true, false, null, [], {}, [[]], { a: { b: [1, "x", null] } }];
    for (const value of values) assert.equal(jsonFault(value, 3), undefined, JSON.stringify(value));
    assert.equal(jsonFault(Object.create(null), 1), undefined);
    assert.equal(jsonFault(JSON.parse('{"__proto__":1,"constructor":2,"toJSON":3}'), 1), undefined);
  });

  it("finds numbers that JSON has no form for", () => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])
      for (const holder of [value, [value], { a: [0, value] }])
        assert.equal(jsonFault(holder, 5), "JSON value (a number must be finite)");
  });

  it("finds every other kind of value, at any level", () => {
    const values: unknown[] = [
      undefined,
      1n,
      Symbol("s"),
      () => 1,
      new Date(0),
      new Map(),
      new Set(),
      /a/,
      new Error("e"),
      new Uint8Array(1),
    ];
    values.push(
      new ArrayBuffer(1),
      new Boolean(true),
      new (class Own {})(),
      Object.create({ inherited: 1 }),
      Promise.resolve(),
    );
    for (const value of values)
      for (const holder of [value, [value], { a: value }, [[{ a: [0, value] }]]])
        assert.equal(jsonFault(holder, 5), "JSON value");
  });

  it("looks behind a key __proto__ as behind any other", () => {
    assert.equal(jsonFault(JSON.parse('{"__proto__":[1e400]}'), 5), "JSON value (a number must be finite)");
    assert.equal(jsonFault(JSON.parse(`{"__proto__":${nested(5)}}`), 5), "JSON value with less nesting");
  });

  it("counts arrays and objects as levels: a scalar has none", () => {
    assert.equal(jsonFault("x", 0), undefined);
    assert.equal(jsonFault(null, 0), undefined);
    for (const value of [[], {}]) {
      assert.equal(jsonFault(value, 0), "JSON value with less nesting");
      assert.equal(jsonFault(value, 1), undefined);
      assert.equal(jsonFault([value], 1), "JSON value with less nesting");
      assert.equal(jsonFault({ a: value }, 2), undefined);
    }
  });

  it("stops at the depth limit, however deep a value goes on", () => {
    for (const text of [nested(1_000_000), `${'{"a":'.repeat(500_000)}1${"}".repeat(500_000)}`])
      assert.equal(jsonFault(JSON.parse(text), 128), "JSON value with less nesting");
  });
});
