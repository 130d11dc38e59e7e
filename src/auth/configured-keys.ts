/**
 * The keys that stand in the configuration, read from their files and checked before the first token is.
 *
 * A key that cannot protect anything is refused here, at start: a short secret, a public key where a secret belongs, a
 * private key where the public one belongs, an RSA key for an ES algorithm.
 */
import { createPublicKey, type KeyObject } from "node:crypto";
import { readFileSync } from "node:fs";
import type { AuthOptions, KeyOptions } from "./auth-options.ts";
import { type AuthSetupCode, AuthSetupError } from "./auth-setup-error.ts";
import { describeKey, fitsAlgorithm, isSymmetric, neededKey } from "./key-fit.ts";
import type { KeyMaterial } from "./verification-key.ts";

/** RFC 7518, section 3.2: as long as the hash of HS256. Shorter secrets can be guessed from one token. */
const secretBytesMin = 32;

/** Every configured key, `secret` first. Reads files; throws `AuthSetupError` at the first key that is not fit. */
export function loadConfiguredKeys(options: AuthOptions): KeyMaterial[] {
  const keys = options.keys.map((key, index) => loadKey(key, `auth.keys[${index}]`));
  return options.secret === "" ? keys : [loadShortKey(options), ...keys];
}

/** The first key that can also sign: `secret`, else the first HS key. Throws `AuthSetupError` where there is none. */
export function loadSigningKey(options: AuthOptions): KeyMaterial {
  if (options.secret !== "") return loadShortKey(options);
  const index = options.keys.findIndex((key) => isSymmetric(key.algorithm));
  const key = options.keys[index];
  if (key !== undefined) return loadKey(key, `auth.keys[${index}]`);
  const rule = "auth.secret must be set, or a key with an HS algorithm and a secret be listed in auth.keys";
  throw new AuthSetupError("key_source", `cannot sign token: ${rule}, got neither`);
}

function loadShortKey({ algorithm, secret }: AuthOptions): KeyMaterial {
  return { kid: undefined, algorithm, key: checkedSecret("auth.secret", Buffer.from(secret)) };
}

function loadKey(options: KeyOptions, field: string): KeyMaterial {
  const { kid, algorithm } = options;
  const key = isSymmetric(algorithm) ? loadSecret(options, field) : loadPublicKey(options, field);
  return { kid, algorithm, key };
}

function loadSecret({ algorithm, secret, secretFile, publicKeyFile }: KeyOptions, field: string): Buffer {
  if (isSet(publicKeyFile))
    throw unusable("key_source", `${field}.publicKeyFile`, `absent for ${algorithm}`, "a value");
  if (isSet(secret) === isSet(secretFile)) {
    const given = isSet(secret) ? "both" : "neither";
    throw unusable("key_source", field, `given one of secret and secretFile for ${algorithm}`, given);
  }
  if (isSet(secret)) return checkedSecret(`${field}.secret`, Buffer.from(secret));
  const bytes = readKeyFile(`${field}.secretFile`, secretFile ?? "");
  let end = bytes.length; // editors and `echo` end a file with a line break that nobody means
  if (bytes[end - 1] === 0x0a) end -= 1;
  if (bytes[end - 1] === 0x0d) end -= 1;
  return checkedSecret(`${field}.secretFile`, bytes.subarray(0, end));
}

function checkedSecret(field: string, secret: Buffer): Buffer {
  if (secret.length < secretBytesMin)
    throw unusable("weak_secret", field, `a secret of at least ${secretBytesMin} bytes`, `${secret.length} bytes`);
  if (secret.includes("-----BEGIN "))
    throw unusable("weak_secret", field, "a random secret", "a PEM text, which others may know");
  return secret;
}

function loadPublicKey({ algorithm, secret, secretFile, publicKeyFile }: KeyOptions, field: string): string {
  if (isSet(secret) || isSet(secretFile))
    throw unusable("key_source", field, `given publicKeyFile alone for ${algorithm}`, "a secret");
  if (!isSet(publicKeyFile)) throw unusable("key_source", `${field}.publicKeyFile`, `set for ${algorithm}`, "nothing");
  const fileField = `${field}.publicKeyFile`;
  const pem = readKeyFile(fileField, publicKeyFile);
  const got = JSON.stringify(publicKeyFile);
  if (pem.includes("PRIVATE KEY-----"))
    throw unusable("key_unfit", fileField, "a file with the public key", `a private key in ${got}`);
  let key: KeyObject;
  try {
    key = createPublicKey(pem);
  } catch (cause) {
    throw unusable("key_malformed", fileField, "a file with a public key or certificate in PEM", got, cause);
  }
  if (!fitsAlgorithm(algorithm, key))
    throw unusable("key_unfit", fileField, `${neededKey(algorithm)} for ${algorithm}`, describeKey(key));
  return key.export({ type: "spki", format: "pem" }).toString();
}

function readKeyFile(field: string, path: string): Buffer {
  // A key pasted in place of its file's name must not be printed, so it must not reach the file system's error either.
  if (/[\n\r\0]|-----BEGIN/.test(path)) throw unusable("key_unreadable", field, "the name of a file", "a key's text");
  try {
    return readFileSync(path);
  } catch (cause) {
    throw unusable("key_unreadable", field, "a readable file", JSON.stringify(path), cause);
  }
}

const isSet = (value: string | undefined): value is string => value !== undefined && value !== "";

function unusable(code: AuthSetupCode, field: string, rule: string, got: string, cause?: unknown): AuthSetupError {
  return new AuthSetupError(code, `cannot load key: ${field} must be ${rule}, got ${got}`, cause);
}
