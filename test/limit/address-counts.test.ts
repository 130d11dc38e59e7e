import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { AddressCounts } from "../../src/limit/address-counts.ts";

describe("AddressCounts", () => {
  it("lets an address have as many as it may, and no more", () => {
    const counts = new AddressCounts(3);
    for (let i = 0; i < 3; i += 1) assert.equal(counts.take("192.0.2.1"), true);
    assert.equal(counts.take("192.0.2.1"), false);
    assert.equal(counts.take("192.0.2.1"), false);
  });

  it("counts each address by itself", () => {
    const counts = new AddressCounts(1);
    for (const address of ["192.0.2.1", "192.0.2.2", "2001:db8::1", ""]) assert.equal(counts.take(address), true);
    for (const address of ["192.0.2.1", "192.0.2.2", "2001:db8::1", ""]) assert.equal(counts.take(address), false);
  });

  it("gives back exactly what is released: a refusal counts for nothing", () => {
    const counts = new AddressCounts(2);
    counts.take("a");
    counts.take("a");
    for (let i = 0; i < 100; i += 1) assert.equal(counts.take("a"), false);
    counts.release("a");
    assert.equal(counts.take("a"), true);
    assert.equal(counts.take("a"), false);
  });

  it("earns nothing by releases beyond what was taken", () => {
    const counts = new AddressCounts(1);
    for (let i = 0; i < 5; i += 1) counts.release("a");
    assert.equal(counts.take("a"), true);
    assert.equal(counts.take("a"), false);
    for (let i = 0; i < 5; i += 1) counts.release("a");
    assert.equal(counts.take("a"), true);
    assert.equal(counts.take("a"), false);
  });

  it("limits nothing where the limit is 0", () => {
    const counts = new AddressCounts(0);
    for (let i = 0; i < 1000; i += 1) assert.equal(counts.take("a"), true);
    counts.release("a");
    assert.equal(counts.take("a"), true);
  });
});
