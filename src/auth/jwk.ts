/**
 * One entry of a JWK set, as far as it can verify tokens. Source: RFC 7517, section 4, and RFC 7518, section 6.
 *
 * Only the public members are read. A symmetric key (`oct`) is refused whatever it says: a secret that is published at a
 * URL is none, and accepting it would let the set's own text sign tokens.
 */
import { createPublicKey, type JsonWebKey, type KeyObject } from "node:crypto";
import { type Algorithm, algorithms } from "./auth-options.ts";
import { fitsAlgorithm } from "./key-fit.ts";
import type { KeyMaterial } from "./verification-key.ts";

/** The key that `jwk` describes, or `undefined` where it is none for us: the rest of its set stays usable. */
export function readJwk(jwk: unknown): KeyMaterial | undefined {
  if (typeof jwk !== "object" || jwk === null) return undefined;
  const { kty, crv, alg, kid, use, key_ops: operations, n, e, x, y } = jwk as Readonly<Record<string, unknown>>;
  if (use !== undefined && use !== "sig") return undefined;
  if (operations !== undefined && !(Array.isArray(operations) && operations.includes("verify"))) return undefined;
  if (kid !== undefined && typeof kid !== "string") return undefined;
  const algorithm = alg === undefined ? derivedAlgorithm(kty, crv) : algorithms.find((known) => known === alg);
  const members = kty === "RSA" ? { kty, n, e } : kty === "EC" ? { kty, crv, x, y } : { kty, crv, x };
  if (algorithm === undefined || (kty !== "RSA" && kty !== "EC" && kty !== "OKP")) return undefined;
  let key: KeyObject;
  try {
    key = createPublicKey({ key: members as JsonWebKey, format: "jwk" }); // checks every member's type
  } catch {
    return undefined;
  }
  if (!fitsAlgorithm(algorithm, key)) return undefined;
  return { kid, algorithm, key: key.export({ type: "spki", format: "pem" }).toString() };
}

/** The algorithm of a key that names none; for RSA the one that RFC 7518 recommends. */
function derivedAlgorithm(kty: unknown, crv: unknown): Algorithm | undefined {
  if (kty === "RSA") return "RS256";
  return typeof crv === "string" ? curveAlgorithms.get(`${kty} ${crv}`) : undefined;
}

const curveAlgorithms: ReadonlyMap<string, Algorithm> = new Map([
  ["EC P-256", "ES256"],
  ["EC P-384", "ES384"],
  ["EC P-521", "ES512"],
  ["OKP Ed25519", "EdDSA"],
  ["OKP Ed448", "EdDSA"],
]);
