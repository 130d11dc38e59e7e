import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readIdentity, readSubscriptionGrant, timeFault } from "../../src/auth/claims.ts";
import { nowSeconds } from "./tokens.ts";

const exp = nowSeconds + 60;
const identityOf = (claims: object) => readIdentity({ user_id: 7, exp, ...claims }, []);
const grantOf = (claims: object) => readSubscriptionGrant({ exp, ...claims });
const parsed = (json: string): unknown => JSON.parse(json);

describe("Identity claims", () => {
  it("keeps a number a number and a text a text", () => {
    const user = (claims: object) => {
      const identity = identityOf(claims);
      return typeof identity === "object" ? [identity.userId, identity.userIdJson] : identity;
    };
    assert.deepEqual(user({ user_id: 123 }), ["123", "123"]);
    assert.deepEqual(user({ user_id: "123" }), ["123", '"123"']);
    assert.deepEqual(user({ user_id: 0 }), ["0", "0"]);
    assert.deepEqual(user({ user_id: parsed("-0") }), ["0", "0"]);
    assert.deepEqual(user({ user_id: 'a"\n' }), ['a"\n', '"a\\"\\n"']);
  });

  it("takes user_id before sub", () => {
    assert.equal((identityOf({ user_id: "a", sub: "b" }) as { userId: string }).userId, "a");
    assert.equal((identityOf({ user_id: undefined, sub: "b" }) as { userId: string }).userId, "b");
    assert.equal((identityOf({ user_id: null, sub: 5 }) as { userIdJson: string }).userIdJson, "5");
    assert.equal(identityOf({ user_id: "", sub: "b" }), "invalid_token");
  });

  it("refuses a user that is no text and no exact number", () => {
    for (const user_id of [undefined, "", true, {}, [], ["a"], 1.5, 2 ** 53, 1e300, parsed("1e999"), parsed("null")])
      assert.equal(identityOf({ user_id }), "invalid_token");
  });

  it("gives the role user where none is named, and refuses one that is no text", () => {
    assert.equal((identityOf({}) as { role: string }).role, "user");
    assert.equal((identityOf({ role: "admin" }) as { role: string }).role, "admin");
    for (const role of [1, true, ["admin"], {}]) assert.equal(identityOf({ role }), "invalid_token");
  });

  it("takes patterns in channels and publish, and refuses a token with anything else there", () => {
    const identity = identityOf({ channels: ["private.a", "x.*", ">"], publish: ["private.{user}.>"] });
    assert(typeof identity === "object");
    assert.deepEqual(identity.channels, ["private.a", "x.*", ">"]);
    assert.deepEqual(identity.publish, ["private.{user}.>"]);
    for (const bad of ["a", {}, [1], [null], [["a"]], ["a..b"], ["a", ""], [">.a"], ["a b"], ["a".repeat(201)], 7]) {
      assert.equal(identityOf({ channels: bad }), "invalid_token");
      assert.equal(identityOf({ publish: bad }), "invalid_token");
    }
  });

  it("takes nothing from the prototype", () => {
    const claims = parsed(`{"__proto__":{"user_id":1,"role":"admin"},"exp":${exp}}`) as Record<string, unknown>;
    assert.equal(readIdentity(claims, []), "invalid_token");
  });
});

describe("Subscription claims", () => {
  it("joins channel and channels", () => {
    assert.deepEqual(grantOf({ channel: "a.b", channels: ["c.*"], sub: "u" }), {
      userId: "u",
      channels: ["a.b", "c.*"],
      expiresAt: exp,
    });
  });

  it("refuses a token that grants no channel", () => {
    for (const claims of [{}, { channels: [] }, { channel: null }, { user_id: 7 }])
      assert.equal(grantOf(claims), "invalid_token");
  });

  it("refuses malformed channels, a malformed user and a missing exp", () => {
    for (const channel of ["", "a..b", 7, ["a"], {}]) assert.equal(grantOf({ channel }), "invalid_token");
    assert.equal(grantOf({ channel: "a", channels: "b" }), "invalid_token");
    assert.equal(grantOf({ channel: "a", user_id: "" }), "invalid_token");
    assert.equal(grantOf({ channel: "a", user_id: {} }), "invalid_token");
    assert.equal(grantOf({ channel: "a", exp: undefined }), "invalid_token");
  });
});

describe("Times of a token", () => {
  const fault = (claims: object) => timeFault({ exp, ...claims }, nowSeconds, 0);

  it("refuses a token without exp, or with one that is no finite number", () => {
    for (const value of [undefined, null, "1900000000", true, [exp], {}, parsed("1e999"), parsed("-1e999")])
      assert.equal(fault({ exp: value }), "invalid_token");
    assert.equal(identityOf({ exp: undefined }), "invalid_token");
  });

  it("takes an absurd exp at its word", () => {
    for (const value of [1e300, Number.MAX_SAFE_INTEGER, nowSeconds + 0.5])
      assert.equal(fault({ exp: value }), undefined);
    for (const value of [0, -1, -1e300, nowSeconds]) assert.equal(fault({ exp: value }), "token_expired");
  });

  it("refuses an nbf or iat in the future, and one that is no finite number", () => {
    for (const claim of ["nbf", "iat"]) {
      for (const value of [nowSeconds, nowSeconds + 0.9, 0, -5, undefined, null])
        assert.equal(fault({ [claim]: value }), undefined);
      for (const value of [nowSeconds + 1, 1e300, parsed("1e999"), parsed("-1e999"), "0", {}, [0], false])
        assert.equal(fault({ [claim]: value }), "invalid_token");
    }
  });
});

describe("What a token can be revoked by", () => {
  it("is its jti and the second in which it was issued, where it has them", () => {
    for (const read of [identityOf, (claims: object) => grantOf({ channel: "a", ...claims })]) {
      const names = (claims: object) => {
        const token = read(claims);
        return typeof token === "string" ? token : [token.tokenId, token.issuedAt];
      };
      assert.deepEqual(names({ jti: "a token", iat: nowSeconds + 0.5 }), ["a token", nowSeconds]);
      assert.deepEqual(names({ jti: 12 }), ["12", undefined]);
      assert.deepEqual(names({ jti: null, iat: null }), [undefined, undefined]);
      for (const jti of [{}, ["a"], true, 1.5, 2 ** 60]) assert.equal(names({ jti }), "invalid_token");
    }
  });
});
