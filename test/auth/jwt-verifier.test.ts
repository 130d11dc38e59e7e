import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { AuthOptions } from "../../src/auth/auth-options.ts";
import { createTokenVerifier } from "../../src/auth/jwt-verifier.ts";
import {
  authOptions,
  ed25519,
  encode,
  fileWith,
  goodClaims,
  hsToken,
  isAccepted,
  nowSeconds,
  otherSecret,
  p256,
  pairs,
  pem,
  rawToken,
  secret,
  TestClock,
  TestLog,
} from "./tokens.ts";

const clock = new TestClock();
const verifierOf = (changes: Partial<AuthOptions>, at: TestClock = clock) =>
  createTokenVerifier(authOptions(changes), new TestLog(), { clock: at });
const identity = {
  userId: "7",
  userIdJson: "7",
  role: "user",
  channels: [],
  publish: [],
  expiresAt: nowSeconds + 60,
  tokenId: undefined,
  issuedAt: undefined,
};

describe("Token verifier: keys and algorithms", () => {
  for (const alg of ["HS256", "HS384", "HS512"] as const) {
    it(`accepts ${alg} with the configured secret`, async () => {
      const verifier = await verifierOf({ secret, algorithm: alg });
      assert.deepEqual(verifier.verify(rawToken({ alg }, goodClaims, secret)), identity);
      assert.equal(verifier.verify(rawToken({ alg }, goodClaims, otherSecret)), "invalid_token");
    });
  }

  for (const [algorithm, { publicKey, privateKey }] of pairs) {
    it(`accepts ${algorithm} with an ${publicKey.asymmetricKeyType} key from a PEM file`, async () => {
      const verifier = await verifierOf({ keys: [{ algorithm, publicKeyFile: fileWith(pem(publicKey)) }] });
      const token = rawToken({ alg: algorithm }, goodClaims, privateKey);
      assert.deepEqual(verifier.verify(token), identity);
      const forged = `${token.split(".")[0]}.${encode(JSON.stringify({ ...goodClaims, user_id: 1 }))}.${token.split(".")[2]}`;
      assert.equal(verifier.verify(forged), "invalid_token");
    });
  }

  it("refuses every token where no key is configured", async () => {
    const verifier = await verifierOf({});
    assert.equal(verifier.verify(hsToken()), "invalid_token");
    assert.equal(verifier.verify(rawToken({ alg: "HS256" }, goodClaims, "")), "invalid_token");
    assert.equal(verifier.verifySubscription(hsToken()), "invalid_token");
  });

  it("accepts every key of a rotation at once", async () => {
    const keys = [
      { algorithm: "HS256" as const, secret: otherSecret },
      { algorithm: "ES256" as const, publicKeyFile: fileWith(pem(p256.publicKey)) },
    ];
    const verifier = await verifierOf({ secret, keys });
    for (let turn = 0; turn < 2; turn += 1) {
      assert.deepEqual(verifier.verify(hsToken()), identity);
      assert.deepEqual(verifier.verify(rawToken({ alg: "HS256" }, goodClaims, otherSecret)), identity);
      assert.deepEqual(verifier.verify(rawToken({ alg: "ES256" }, goodClaims, p256.privateKey)), identity);
    }
  });

  it("chooses by kid where token and key have one, and by algorithm otherwise", async () => {
    const keys = [
      { kid: "old", algorithm: "HS256" as const, secret },
      { kid: "new", algorithm: "HS256" as const, secret: otherSecret },
    ];
    const verifier = await verifierOf({ keys });
    assert.deepEqual(verifier.verify(hsToken(goodClaims, { kid: "old" })), identity);
    assert.equal(verifier.verify(hsToken(goodClaims, { kid: "new" })), "invalid_token");
    assert.equal(verifier.verify(hsToken(goodClaims, { kid: "other" })), "invalid_token");
    assert.deepEqual(verifier.verify(hsToken()), identity);
    const withoutKid = await verifierOf({ secret });
    assert.deepEqual(withoutKid.verify(hsToken(goodClaims, { kid: "any" })), identity);
  });

  it("looks a kid with path, quote and prototype characters up as plain text", async () => {
    const verifier = await verifierOf({ keys: [{ kid: "k", algorithm: "HS256", secret }] });
    for (const kid of ["../../../dev/null", "/etc/passwd", "' OR 1=1 --", "__proto__", "constructor", "", "\u0000"])
      assert.equal(verifier.verify(hsToken(goodClaims, { kid })), "invalid_token");
    const withoutKid = await verifierOf({ secret });
    for (const kid of [1, null, {}, ["k"], true])
      assert.equal(withoutKid.verify(hsToken(goodClaims, { kid })), "invalid_token");
  });
});

describe("Token verifier: time", () => {
  it("expires a token in the second of its exp, also one that it has verified before", async () => {
    const at = new TestClock();
    const verifier = await verifierOf({ secret }, at);
    const token = hsToken();
    assert.deepEqual(verifier.verify(token), identity);
    at.seconds += 59;
    assert.deepEqual(verifier.verify(token), identity);
    at.seconds += 1;
    assert.equal(verifier.verify(token), "token_expired");
    assert.equal(verifier.verify(token), "token_expired");
  });

  it("accepts a token that was too early, once its time has come", async () => {
    const at = new TestClock();
    const verifier = await verifierOf({ secret }, at);
    const token = hsToken({ ...goodClaims, nbf: nowSeconds + 10 });
    assert.equal(verifier.verify(token), "invalid_token");
    at.seconds += 10;
    assert.deepEqual(verifier.verify(token), identity);
  });

  it("grants clockToleranceSeconds on exp, nbf and iat", async () => {
    const verifier = await verifierOf({ secret, clockToleranceSeconds: 5 });
    const verify = (claims: object) => verifier.verify(hsToken({ ...goodClaims, ...claims }));
    assert(isAccepted(verify({ exp: nowSeconds - 4 })));
    assert.equal(verify({ exp: nowSeconds - 5 }), "token_expired");
    for (const claim of ["nbf", "iat"]) {
      assert(isAccepted(verify({ [claim]: nowSeconds + 5 })));
      assert.equal(verify({ [claim]: nowSeconds + 6 }), "invalid_token");
    }
  });

  it("does not call a forged token expired", async () => {
    const verifier = await verifierOf({ secret });
    const token = rawToken({ alg: "HS256" }, { ...goodClaims, exp: 1 }, otherSecret);
    assert.equal(verifier.verify(token), "invalid_token");
  });
});

describe("Token verifier: claims", () => {
  it("accepts only the configured issuers", async () => {
    const verifier = await verifierOf({ secret, issuer: ["https://a.example", "b"] });
    const verify = (iss?: unknown) => verifier.verify(hsToken({ ...goodClaims, iss }));
    assert.deepEqual(verify("https://a.example"), identity);
    assert.deepEqual(verify("b"), identity);
    for (const iss of [undefined, "c", "https://a.example/", "https://aXexample", "", null, ["b"], {}])
      assert.equal(verify(iss), "invalid_token");
  });

  it("accepts only the configured audiences, alone or in a list", async () => {
    const verifier = await verifierOf({ secret, audience: ["tidegate"] });
    const verify = (aud?: unknown) => verifier.verify(hsToken({ ...goodClaims, aud }));
    assert.deepEqual(verify("tidegate"), identity);
    assert.deepEqual(verify(["other", "tidegate"]), identity);
    for (const aud of [undefined, "other", ["other"], [], null, [["tidegate"]], { tidegate: true }])
      assert.equal(verify(aud), "invalid_token");
  });

  it("accepts only the configured roles, the default role among them only if listed", async () => {
    const verifier = await verifierOf({ secret, roles: ["admin"] });
    assert.equal(verifier.verify(hsToken()), "invalid_token");
    assert.equal(verifier.verify(hsToken({ ...goodClaims, role: "Admin" })), "invalid_token");
    assert.deepEqual(verifier.verify(hsToken({ ...goodClaims, role: "admin" })), { ...identity, role: "admin" });
  });

  it("answers a repeated token with the same frozen identity", async () => {
    const verifier = await verifierOf({ secret });
    const token = hsToken({ ...goodClaims, channels: ["a.*"], publish: ["b.>"] });
    const first = verifier.verify(token);
    assert.equal(verifier.verify(token), first);
    assert(typeof first === "object" && "role" in first);
    assert(Object.isFrozen(first) && Object.isFrozen(first.channels) && Object.isFrozen(first.publish));
  });

  it("answers a repeated bad token the same way", async () => {
    const verifier = await verifierOf({ secret, issuer: ["a"] });
    for (const token of [hsToken(), hsToken({ ...goodClaims, iss: "a", role: 1 }), hsToken(goodClaims).slice(0, -2)])
      for (let turn = 0; turn < 3; turn += 1) assert.equal(verifier.verify(token), "invalid_token");
  });
});

describe("Token verifier: subscription tokens", () => {
  it("grants channels with the same keys, to a user or to the bearer", async () => {
    const publicKeyFile = fileWith(pem(ed25519.publicKey));
    const verifier = await verifierOf({ keys: [{ algorithm: "EdDSA", publicKeyFile }], audience: ["tidegate"] });
    const claims = { channel: "private.room.1", aud: "tidegate", exp: nowSeconds + 60 };
    const sign = (more: object) => rawToken({ alg: "EdDSA" }, { ...claims, ...more }, ed25519.privateKey);
    const grant = { userId: undefined, channels: ["private.room.1"], expiresAt: nowSeconds + 60 };
    assert.deepEqual(verifier.verifySubscription(sign({})), grant);
    assert.deepEqual(verifier.verifySubscription(sign({ user_id: 7 })), { ...grant, userId: "7" });
    assert.equal(verifier.verifySubscription(sign({ aud: "other" })), "invalid_token");
    assert.equal(verifier.verifySubscription(sign({ exp: nowSeconds })), "token_expired");
    assert.equal(verifier.verifySubscription(hsToken({ ...claims })), "invalid_token");
  });

  it("makes nobody a user: a token with `channel` is refused as an identity", async () => {
    const verifier = await verifierOf({ secret });
    const token = hsToken({ ...goodClaims, channel: "private.room.1" });
    assert(isAccepted(verifier.verifySubscription(token)));
    assert.equal(verifier.verify(token), "invalid_token");
  });
});
