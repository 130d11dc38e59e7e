import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { AuthOptions } from "../../src/auth/auth-options.ts";
import { createTokenVerifier } from "../../src/auth/jwt-verifier.ts";
import {
  authOptions,
  encode,
  fileWith,
  goodClaims,
  hsToken,
  nowSeconds,
  otherRsa,
  pem,
  rawToken,
  rsa,
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

describe("Token verifier: forged headers", () => {
  it("refuses alg none in every spelling, with and without a signature", async () => {
    const verifier = await verifierOf({ secret });
    for (const alg of ["none", "None", "NONE", "nOnE", "", "HS1", "hs256", "toString"]) {
      const input = `${encode(JSON.stringify({ alg }))}.${encode(JSON.stringify(goodClaims))}`;
      assert.equal(verifier.verify(`${input}.`), "invalid_token");
      assert.equal(verifier.verify(`${input}.${hsToken().split(".")[2]}`), "invalid_token");
    }
  });

  it("refuses a token without a signature", async () => {
    const verifier = await verifierOf({ secret });
    assert.equal(verifier.verify(hsToken().replace(/[^.]*$/, "")), "invalid_token");
    assert.equal(verifier.verify(hsToken().replace(/\.[^.]*$/, "")), "invalid_token");
  });

  it("refuses an HS token signed with the text of a public key", async () => {
    const publicKeyPem = pem(rsa.publicKey);
    const verifier = await verifierOf({
      secret,
      keys: [{ algorithm: "RS256", publicKeyFile: fileWith(publicKeyPem) }],
    });
    const der = rsa.publicKey.export({ type: "spki", format: "der" }).toString("latin1");
    for (const text of [
      publicKeyPem,
      publicKeyPem.trim(),
      der,
      JSON.stringify(rsa.publicKey.export({ format: "jwk" })),
    ])
      for (const alg of ["HS256", "HS384", "HS512"])
        assert.equal(verifier.verify(rawToken({ alg }, goodClaims, text)), "invalid_token");
  });

  it("refuses the right secret under another HS variant", async () => {
    const verifier = await verifierOf({ secret, algorithm: "HS256" });
    assert.equal(verifier.verify(rawToken({ alg: "HS384" }, goodClaims, secret)), "invalid_token");
    assert.equal(verifier.verify(rawToken({ alg: "HS512" }, goodClaims, secret)), "invalid_token");
  });

  it("refuses the right RSA key under another RSA algorithm", async () => {
    const verifier = await verifierOf({ keys: [{ algorithm: "RS256", publicKeyFile: fileWith(pem(rsa.publicKey)) }] });
    for (const alg of ["RS384", "RS512", "PS256"])
      assert.equal(verifier.verify(rawToken({ alg }, goodClaims, rsa.privateKey)), "invalid_token");
  });

  it("refuses a key that the token brings along", async () => {
    const verifier = await verifierOf({ keys: [{ algorithm: "RS256", publicKeyFile: fileWith(pem(rsa.publicKey)) }] });
    const jwk = otherRsa.publicKey.export({ format: "jwk" });
    const header = { alg: "RS256", jwk, jku: "http://127.0.0.1:1/keys", x5u: "http://127.0.0.1:1/key" };
    assert.equal(verifier.verify(rawToken(header, goodClaims, otherRsa.privateKey)), "invalid_token");
  });

  it("refuses extensions that must be understood", async () => {
    const verifier = await verifierOf({ secret });
    for (const crit of [["exp"], ["b64"], [], "exp", null, "", 0])
      assert.equal(verifier.verify(hsToken(goodClaims, { crit, b64: false })), "invalid_token");
  });

  it("refuses what is no token", async () => {
    const verifier = await verifierOf({ secret });
    const [header, payload, signature] = hsToken().split(".");
    const texts = [
      ..."|.|..|...|a.b.c|null|{}|\u{1f600}.\u{1f600}.\u{1f600}".split("|"),
      ...["[]", "null", '"HS256"', "{", '{"alg":["HS256"]}'].map((text) => `${encode(text)}.${payload}.${signature}`),
      ...["[]", "null", "7", "{", '"text"'].map((text) => hsToken(text)),
      `${header}.${payload}.${signature} `,
      `${header}.${payload}.${signature}\n`,
      `${header}.${payload}.${signature}=`,
      ` ${header}.${payload}.${signature}`,
      `${header}.${payload}.${signature}.${signature}`,
    ];
    for (const text of texts) assert.equal(verifier.verify(text), "invalid_token", JSON.stringify(text));
  });

  it("refuses a token of more than 16,384 characters, also a well signed one", async () => {
    const verifier = await verifierOf({ secret });
    const sized = (characters: number) => hsToken({ ...goodClaims, filler: "x".repeat(characters) });
    assert.deepEqual(verifier.verify(sized(12_000)), identity);
    assert.equal(verifier.verify(sized(12_300)), "invalid_token");
    assert.equal(verifier.verify("a".repeat(10_000_000)), "invalid_token");
  });
});
