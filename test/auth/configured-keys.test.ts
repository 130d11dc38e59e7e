import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { describe, it } from "node:test";
import { inspect } from "node:util";
import type { AuthOptions, KeyOptions } from "../../src/auth/auth-options.ts";
import { AuthSetupError } from "../../src/auth/auth-setup-error.ts";
import { createTokenVerifier } from "../../src/auth/jwt-verifier.ts";
import {
  authOptions,
  ed25519,
  fileWith,
  goodClaims,
  hsToken,
  isAccepted,
  p256,
  pem,
  rawToken,
  rsa,
  secret,
  TestClock,
  TestLog,
} from "./tokens.ts";

const create = (changes: Partial<AuthOptions>) =>
  createTokenVerifier(authOptions(changes), new TestLog(), { clock: new TestClock() });

/** The error of `changes`, checked for its form and for `hidden` in any part of it. */
async function setupError(changes: Partial<AuthOptions>, hidden?: string): Promise<AuthSetupError> {
  const error = await create(changes).then(
    () => assert.fail("it was accepted"),
    (reason: unknown) => reason,
  );
  assert(error instanceof AuthSetupError);
  assert.match(error.message, /^cannot \w+ .+: .+ must be .+, got .+$/);
  if (hidden !== undefined) assert(!inspect(error, { depth: 9 }).includes(hidden), "the error shows a secret");
  return error;
}

const keyError = (key: KeyOptions, hidden?: string) => setupError({ keys: [key] }, hidden);

describe("Configured secrets", () => {
  it("refuses a secret of less than 32 bytes and does not print it", async () => {
    const weak = "hunter2 hunter2 hunter2 hunter2"; // 31 bytes
    const error = await setupError({ secret: weak }, "hunter2");
    assert.equal(error.code, "weak_secret");
    assert.equal(error.message, "cannot load key: auth.secret must be a secret of at least 32 bytes, got 31 bytes");
    assert.equal((await keyError({ algorithm: "HS512", secret: weak }, "hunter2")).code, "weak_secret");
    assert.equal((await keyError({ algorithm: "HS256", secretFile: fileWith(weak) }, "hunter2")).code, "weak_secret");
    assert.equal((await keyError({ algorithm: "HS256", secretFile: fileWith("") })).code, "weak_secret");
  });

  it("counts bytes, not characters", async () => {
    await create({ secret: "ü".repeat(16) });
    assert.equal((await setupError({ secret: "ü".repeat(15) })).code, "weak_secret");
  });

  it("refuses a PEM text as a secret", async () => {
    assert.equal((await setupError({ secret: pem(rsa.publicKey) })).code, "weak_secret");
    assert.equal(
      (await keyError({ algorithm: "HS256", secretFile: fileWith(pem(rsa.publicKey)) })).code,
      "weak_secret",
    );
  });

  it("reads a secret from a file, without the line break at its end", async () => {
    for (const end of ["", "\n", "\r\n"]) {
      const verifier = await create({ keys: [{ algorithm: "HS256", secretFile: fileWith(secret + end) }] });
      assert(isAccepted(verifier.verify(hsToken())));
    }
    const line = await create({ keys: [{ algorithm: "HS256", secretFile: fileWith(`${secret}\n\n`) }] });
    assert.equal(line.verify(hsToken()), "invalid_token");
  });

  it("refuses a key without a source, with two, or with the source of another algorithm", async () => {
    const publicKeyFile = fileWith(pem(rsa.publicKey));
    const keys: KeyOptions[] = [
      { algorithm: "HS256" },
      { algorithm: "HS256", secret: "" },
      { algorithm: "HS256", secret, secretFile: fileWith(secret) },
      { algorithm: "HS256", publicKeyFile },
      { algorithm: "HS256", secret, publicKeyFile },
      { algorithm: "RS256" },
      { algorithm: "RS256", publicKeyFile: "" },
      { algorithm: "RS256", secret },
      { algorithm: "RS256", secret, publicKeyFile },
    ];
    for (const key of keys) assert.equal((await keyError(key, secret)).code, "key_source");
  });
});

describe("Configured public keys", () => {
  it("names the field and the file that cannot be read", async () => {
    const path = "/nowhere/tidegate.pem";
    const error = await keyError({ algorithm: "RS256", publicKeyFile: path });
    assert.equal(error.code, "key_unreadable");
    assert.match(
      error.message,
      /auth\.keys\[0\]\.publicKeyFile must be a readable file, got "\/nowhere\/tidegate\.pem"/,
    );
    assert.equal((error.cause as NodeJS.ErrnoException).code, "ENOENT");
    assert.equal((await keyError({ algorithm: "HS256", secretFile: "/" })).code, "key_unreadable");
  });

  it("does not print a key that stands in place of its file's name", async () => {
    const text = rsa.privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    const body = text.split("\n")[1] ?? "";
    assert.equal((await keyError({ algorithm: "RS256", publicKeyFile: text }, body)).code, "key_unreadable");
    assert.equal((await keyError({ algorithm: "HS256", secretFile: text }, body)).code, "key_unreadable");
  });

  it("refuses a file that holds no key", async () => {
    const texts = [
      "",
      "no key",
      "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
      pem(rsa.publicKey).slice(0, 200),
    ];
    for (const text of texts) {
      const error = await keyError({ algorithm: "RS256", publicKeyFile: fileWith(text) });
      assert.equal(error.code, "key_malformed");
      assert(error.cause instanceof Error);
    }
  });

  it("refuses a private key and does not print it", async () => {
    const text = rsa.privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    const error = await keyError({ algorithm: "RS256", publicKeyFile: fileWith(text) }, text.split("\n")[1]);
    assert.equal(error.code, "key_unfit");
  });

  it("refuses a key of a type that its algorithm does not take", async () => {
    const koblitz = generateKeyPairSync("ec", { namedCurve: "secp256k1" });
    const short = generateKeyPairSync("rsa", { modulusLength: 1024 });
    const pss = generateKeyPairSync("rsa-pss", { modulusLength: 2048 });
    const x25519 = generateKeyPairSync("x25519");
    const misfits = [
      ["RS256", p256],
      ["PS256", ed25519],
      ["ES256", rsa],
      ["ES384", p256],
      ["ES256", koblitz],
      ["EdDSA", p256],
      ["EdDSA", x25519],
      ["RS256", short],
      ["PS256", pss],
    ] as const;
    for (const [algorithm, { publicKey }] of misfits)
      assert.equal((await keyError({ algorithm, publicKeyFile: fileWith(pem(publicKey)) })).code, "key_unfit");
    const error = await keyError({ algorithm: "RS256", publicKeyFile: fileWith(pem(short.publicKey)) });
    assert.match(error.message, /must be an RSA key of at least 2048 bits for RS256, got type rsa of 1024 bits$/);
  });

  it("takes a PKCS #1 public key", async () => {
    const text = rsa.publicKey.export({ type: "pkcs1", format: "pem" }).toString();
    const verifier = await create({ keys: [{ algorithm: "PS256", publicKeyFile: fileWith(text) }] });
    assert(isAccepted(verifier.verify(rawToken({ alg: "PS256" }, goodClaims, rsa.privateKey))));
  });
});
