import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { AuthOptions } from "../../src/auth/auth-options.ts";
import { AuthSetupError } from "../../src/auth/auth-setup-error.ts";
import { createTokenVerifier } from "../../src/auth/jwt-verifier.ts";
import { signToken, type TokenClaims } from "../../src/auth/sign-token.ts";
import {
  authOptions,
  fileWith,
  isAccepted,
  nowSeconds,
  otherSecret,
  pem,
  rsa,
  secret,
  TestClock,
  TestLog,
} from "./tokens.ts";

const clock = new TestClock();
const claims: TokenClaims = { userId: "7", expiresInSeconds: 60 }; // of a user, as no role is given
const sign = (changes: Partial<AuthOptions>, more: Partial<TokenClaims> = {}) =>
  signToken(authOptions(changes), { ...claims, ...more }, clock);
const part = (token: string, index: number): unknown =>
  JSON.parse(Buffer.from(token.split(".")[index] ?? "", "base64url").toString());

describe("signToken", () => {
  it("makes tokens that the verifier of the same options accepts", async () => {
    const options = authOptions({ secret, algorithm: "HS384", issuer: ["a", "b"], audience: ["c", "d"] });
    const token = signToken(options, { ...claims, channels: ["a.*"], publish: ["b.>"] }, clock);
    const verifier = await createTokenVerifier(options, new TestLog(), { clock });
    assert.deepEqual(verifier.verify(token), {
      userId: "7",
      userIdJson: '"7"',
      role: "user",
      channels: ["a.*"],
      publish: ["b.>"],
      expiresAt: nowSeconds + 60,
      tokenId: undefined,
      issuedAt: nowSeconds,
    });
    assert.deepEqual(part(token, 1), {
      user_id: "7",
      sub: "7",
      role: "user",
      channels: ["a.*"],
      publish: ["b.>"],
      iss: "a",
      aud: "c",
      iat: nowSeconds,
      exp: nowSeconds + 60,
    });
  });

  it("makes subscribe tokens, which grant a channel and make nobody a user", async () => {
    const options = authOptions({ secret, roles: ["admin"] });
    const token = signToken(options, { ...claims, channel: "private.a" }, clock);
    const verifier = await createTokenVerifier(options, new TestLog(), { clock });
    assert.deepEqual(verifier.verifySubscription(token), {
      userId: "7",
      channels: ["private.a"],
      expiresAt: nowSeconds + 60,
      issuedAt: nowSeconds,
    });
    assert.equal(verifier.verify(token), "invalid_token");
  });

  it("gives a token a name of its own where one is asked for", () => {
    assert.equal((part(sign({ secret }, { jti: "name" }), 1) as { jti: string }).jti, "name");
  });

  it("leaves out what is not configured", () => {
    const token = sign({ secret });
    assert.deepEqual(part(token, 0), { alg: "HS256", typ: "JWT" });
    assert.deepEqual(Object.keys(part(token, 1) as object).sort(), ["exp", "iat", "role", "sub", "user_id"]);
  });

  it("signs with the first HS key, and names its kid, where there is no short secret", async () => {
    const keys = [
      { kid: "public", algorithm: "RS256" as const, publicKeyFile: fileWith(pem(rsa.publicKey)) },
      { kid: "first", algorithm: "HS512" as const, secretFile: fileWith(`${secret}\n`) },
      { kid: "second", algorithm: "HS256" as const, secret: otherSecret },
    ];
    const token = sign({ keys });
    assert.deepEqual(part(token, 0), { alg: "HS512", typ: "JWT", kid: "first" });
    const verifier = await createTokenVerifier(authOptions({ keys }), new TestLog(), { clock });
    assert(isAccepted(verifier.verify(token)));
    assert.deepEqual(part(sign({ secret, keys }), 0), { alg: "HS256", typ: "JWT" });
  });

  it("says what to configure where no secret is", () => {
    const keys = [{ algorithm: "RS256" as const, publicKeyFile: fileWith(pem(rsa.publicKey)) }];
    for (const changes of [{}, { keys }])
      assert.throws(() => sign(changes), {
        name: "AuthSetupError",
        code: "key_source",
        message: /auth\.secret must be set/,
      });
  });

  it("refuses a weak secret", () => {
    assert.throws(() => sign({ secret: "short" }), { code: "weak_secret" });
  });

  it("refuses claims that the gateway would refuse", () => {
    const bad: Partial<TokenClaims>[] = [
      { userId: "" },
      { role: "root" },
      { expiresInSeconds: 0 },
      { expiresInSeconds: -5 },
      { expiresInSeconds: 1.5 },
      { expiresInSeconds: Number.NaN },
      { channels: ["a", "b..c"] },
      { publish: [""] },
      { channel: "a.>" },
      { channel: "a", role: "user" },
      { channel: "a", channels: [] },
      { channel: "a", publish: ["a"] },
      { userId: "x".repeat(10_000) },
    ];
    for (const more of bad)
      assert.throws(
        () => sign({ secret, roles: ["user"] }, more),
        (error) =>
          error instanceof AuthSetupError && error.code === "claims" && / must be .+, got /.test(error.message),
      );
  });
});
