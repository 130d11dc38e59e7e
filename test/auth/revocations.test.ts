import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Revocations } from "../../src/auth/revocations.ts";

const none = { tokens: [], users: [], before: 0, until: 0 };

describe("Revocations", () => {
  it("end a token by its id, and nothing that has another one or none", () => {
    const revocations = new Revocations();
    revocations.add({ ...none, tokens: ["a"], until: 100 });
    assert.equal(revocations.has({ tokenId: "a", userId: "1", issuedAt: 99 }), true);
    assert.equal(revocations.has({ tokenId: "b", userId: "1" }), false);
    assert.equal(revocations.has({ userId: "a" }), false);
    assert.equal(revocations.has({}), false);
  });

  it("end a user's tokens issued up to a second, that one included, and those of unknown age", () => {
    const revocations = new Revocations();
    revocations.add({ ...none, users: ["7"], before: 50, until: 100 });
    revocations.add({ ...none, users: ["7"], before: 40, until: 90 });
    assert.equal(revocations.has({ userId: "7", issuedAt: 50 }), true);
    assert.equal(revocations.has({ userId: "7" }), true);
    assert.equal(revocations.has({ userId: "7", issuedAt: 51 }), false);
    assert.equal(revocations.has({ userId: "70", issuedAt: 1 }), false);
    assert.equal(revocations.has({ tokenId: "7" }), false);
  });

  it("are forgotten when their time is over, within a minute", () => {
    const revocations = new Revocations();
    revocations.add({ ...none, tokens: ["a", "b"], until: 100 });
    revocations.add({ ...none, users: ["a"], tokens: ["b"], before: 1, until: 200 });
    revocations.sweep(100);
    assert.deepEqual([revocations.count, revocations.has({ tokenId: "a" })], [2, false]);
    revocations.sweep(159); // less than a minute later
    revocations.sweep(260);
    assert.equal(revocations.count, 0);
  });

  it("hold no more than 200,000 of each: the oldest go first", () => {
    const revocations = new Revocations();
    const tokens = Array.from({ length: 200_001 }, (_, n) => `token ${n}`);
    revocations.add({ ...none, tokens, until: 100 });
    assert.equal(revocations.count, 200_000);
    assert.equal(revocations.has({ tokenId: "token 0" }), false);
    assert.equal(revocations.has({ tokenId: "token 200000" }), true);
  });
});
