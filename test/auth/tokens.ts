/**
 * Tokens for the tests, signed with node:crypto alone: the library under test has no part in them, and headers and claims
 * can be as wrong as a test wants. Key pairs are made once a process.
 */
import {
  constants,
  createHmac,
  createSign,
  generateKeyPairSync,
  type KeyObject,
  type KeyPairKeyObjectResult,
  sign as signDirectly,
} from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import type { AuthLog } from "../../src/auth/auth-log.ts";
import type { Algorithm, AuthOptions } from "../../src/auth/auth-options.ts";
import type { Clock } from "../../src/clock/clock.ts";

export const nowSeconds = 1_800_000_000;
export const secret = "0123456789abcdef0123456789abcdef";
export const otherSecret = "another secret of thirty-two bytes or more";

export const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
export const otherRsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
export const p256 = generateKeyPairSync("ec", { namedCurve: "P-256" });
export const p384 = generateKeyPairSync("ec", { namedCurve: "P-384" });
export const p521 = generateKeyPairSync("ec", { namedCurve: "P-521" });
export const ed25519 = generateKeyPairSync("ed25519");
export const ed448 = generateKeyPairSync("ed448");

/** Every algorithm with a public key, and a pair that fits it. */
export const pairs: readonly (readonly [Algorithm, KeyPairKeyObjectResult])[] = [
  ["RS256", rsa],
  ["RS384", rsa],
  ["RS512", rsa],
  ["PS256", rsa],
  ["PS384", rsa],
  ["PS512", rsa],
  ["ES256", p256],
  ["ES384", p384],
  ["ES512", p521],
  ["EdDSA", ed25519],
  ["EdDSA", ed448],
];

export const goodClaims = { user_id: 7, exp: nowSeconds + 60 };

/** A token in the compact form; `key` is a secret or a private key. `header.alg` decides how it is signed. */
export function rawToken(header: { alg: string; [field: string]: unknown }, claims: unknown, key: string | KeyObject) {
  const input = `${encode(JSON.stringify(header))}.${encode(typeof claims === "string" ? claims : JSON.stringify(claims))}`;
  return `${input}.${signature(header.alg, input, key).toString("base64url")}`;
}

function signature(algorithm: string, input: string, key: string | KeyObject): Buffer {
  if (algorithm === "none") return Buffer.alloc(0);
  const hash = `sha${algorithm.slice(2)}`;
  if (typeof key === "string") return createHmac(hash, key).update(input).digest();
  if (algorithm === "EdDSA") return signDirectly(null, Buffer.from(input), key);
  if (algorithm.startsWith("ES")) return createSign(hash).update(input).sign({ key, dsaEncoding: "ieee-p1363" });
  if (algorithm.startsWith("RS")) return createSign(hash).update(input).sign(key);
  const padding = constants.RSA_PKCS1_PSS_PADDING;
  return createSign(hash).update(input).sign({ key, padding, saltLength: constants.RSA_PSS_SALTLEN_DIGEST });
}

export const hsToken = (claims: unknown = goodClaims, header: object = {}): string =>
  rawToken({ alg: "HS256", ...header }, claims, secret);

export const encode = (text: string): string => Buffer.from(text).toString("base64url");
export const pem = (key: KeyObject): string => key.export({ type: "spki", format: "pem" }).toString();

/** True for what stands for an accepted token; false for a fault, and for a promise of either. */
export const isAccepted = (outcome: unknown): boolean => typeof outcome === "object" && !(outcome instanceof Promise);

/** The options of a gateway without any key, changed by `changes`. */
export function authOptions(changes: Partial<AuthOptions> = {}): AuthOptions {
  return {
    required: false,
    secret: "",
    algorithm: "HS256",
    keys: [],
    jwksUrl: "",
    issuer: [],
    audience: [],
    roles: [],
    clockToleranceSeconds: 0,
    expiringNoticeSeconds: 60,
    expiryGraceSeconds: 30,
    ...changes,
  };
}

/** A clock that stands still until a test moves it. */
export class TestClock implements Clock {
  seconds = nowSeconds;
  ms = 0;
  nowMs(): number {
    return this.ms;
  }
  unixSeconds(): number {
    return this.seconds;
  }
}

export class TestLog implements AuthLog {
  readonly lines: string[] = [];
  warn(fields: object, text: string): void {
    this.lines.push(`${text} ${JSON.stringify(fields)}`);
  }
}

const directory = mkdtempSync(join(tmpdir(), "tidegate-auth-"));
after(() => rmSync(directory, { recursive: true }));
let files = 0;

/** The path of a new file with `content`, removed at the end. */
export function fileWith(content: string | Uint8Array): string {
  files += 1;
  const path = join(directory, String(files));
  writeFileSync(path, content);
  return path;
}
