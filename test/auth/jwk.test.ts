import assert from "node:assert/strict";
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { describe, it } from "node:test";
import { readJwk } from "../../src/auth/jwk.ts";
import { ed448, ed25519, p256, p384, p521, pairs, pem, rsa, secret } from "./tokens.ts";

const jwkOf = (key: KeyObject, more: object = {}) => ({ ...key.export({ format: "jwk" }), ...more });

describe("JWK", () => {
  it("takes the algorithm that the key names", () => {
    for (const [alg, { publicKey }] of pairs)
      assert.deepEqual(readJwk(jwkOf(publicKey, { alg, kid: "k", use: "sig" })), {
        kid: "k",
        algorithm: alg,
        key: pem(publicKey),
      });
  });

  it("derives the algorithm from type and curve where the key names none", () => {
    const derived = [rsa, p256, p384, p521, ed25519, ed448].map(
      ({ publicKey }) => readJwk(jwkOf(publicKey))?.algorithm,
    );
    assert.deepEqual(derived, ["RS256", "ES256", "ES384", "ES512", "EdDSA", "EdDSA"]);
  });

  it("refuses a symmetric key", () => {
    const k = Buffer.from(secret).toString("base64url");
    for (const more of [{}, { alg: "HS256" }, { alg: "RS256" }, { alg: "HS256", use: "sig" }])
      assert.equal(readJwk({ kty: "oct", k, ...more }), undefined);
    assert.equal(readJwk(jwkOf(rsa.publicKey, { alg: "HS256" })), undefined);
  });

  it("refuses a key for another use", () => {
    for (const more of [
      { use: "enc" },
      { use: "" },
      { use: null },
      { key_ops: ["sign"] },
      { key_ops: [] },
      { key_ops: "verify" },
    ])
      assert.equal(readJwk(jwkOf(rsa.publicKey, more)), undefined);
    assert.notEqual(readJwk(jwkOf(rsa.publicKey, { key_ops: ["verify"] })), undefined);
  });

  it("refuses an algorithm that does not fit the key, or that is not ours", () => {
    for (const alg of ["ES256", "EdDSA", "none", "RSA-OAEP", "rs256", "", null, 1, ["RS256"]])
      assert.equal(readJwk(jwkOf(rsa.publicKey, { alg })), undefined);
    assert.equal(readJwk(jwkOf(p256.publicKey, { alg: "ES384" })), undefined);
    assert.equal(readJwk(jwkOf(generateKeyPairSync("ec", { namedCurve: "secp256k1" }).publicKey)), undefined);
    assert.equal(readJwk(jwkOf(generateKeyPairSync("x25519").publicKey)), undefined);
    assert.equal(readJwk(jwkOf(generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey)), undefined);
  });

  it("refuses what is no key", () => {
    const texts = [
      undefined,
      null,
      1,
      "RSA",
      [],
      {},
      { kty: "RSA" },
      { kty: ["RSA"] },
      { kty: "EC", crv: "P-256", x: 1, y: 2 },
    ];
    for (const jwk of texts) assert.equal(readJwk(jwk), undefined);
    assert.equal(readJwk(jwkOf(rsa.publicKey, { kid: 7 })), undefined);
    assert.equal(readJwk(jwkOf(rsa.publicKey, { n: "AQAB" })), undefined);
    assert.equal(readJwk(jwkOf(p256.publicKey, { x: "AAAA" })), undefined);
  });

  it("takes only the public part of a private key", () => {
    assert.equal(readJwk(jwkOf(rsa.privateKey))?.key, pem(rsa.publicKey));
    assert.equal(readJwk(jwkOf(ed25519.privateKey))?.key, pem(ed25519.publicKey));
  });
});
