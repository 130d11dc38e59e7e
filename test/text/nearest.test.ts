import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { didYouMean, nearest } from "../../src/text/nearest.ts";

describe("the nearest known word", () => {
  it("is the one with the fewest slips, whatever the letter case", () => {
    assert.equal(nearest("prot", ["host", "port"]), "port");
    assert.equal(nearest("MAXCONNECTIONS", ["maxConnections", "connectionTimeout"]), "maxConnections");
  });

  it("is none where more than half of the letters are wrong", () => {
    assert.equal(nearest("xyz", ["port"]), undefined);
    assert.equal(nearest("", ["port"]), undefined);
    assert.equal(didYouMean("xyz", ["port"]), "");
  });
});
