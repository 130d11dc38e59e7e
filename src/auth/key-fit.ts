/**
 * Which public key fits which algorithm. Source: RFC 7518, sections 3.1 to 3.5, and RFC 8037, section 3.1.
 *
 * Checked where a key comes in, so that no library's guess about a key's type decides what a token is verified with.
 */
import type { KeyObject } from "node:crypto";
import type { Algorithm } from "./auth-options.ts";

/** RFC 7518, section 3.3: a smaller key must not be used. */
const rsaBitsMin = 2_048;

/** The curve of each ES algorithm, as OpenSSL names it. */
const curves: Readonly<Partial<Record<Algorithm, string>>> = {
  ES256: "prime256v1",
  ES384: "secp384r1",
  ES512: "secp521r1",
};

/** True for the HS algorithms, whose key is a shared secret. */
export function isSymmetric(algorithm: Algorithm): boolean {
  return algorithm.startsWith("HS");
}

/** True where `key`, a public key, can verify signatures of `algorithm`; never for an HS algorithm. */
export function fitsAlgorithm(algorithm: Algorithm, key: KeyObject): boolean {
  const type = key.asymmetricKeyType;
  const details = key.asymmetricKeyDetails ?? {};
  switch (algorithm.slice(0, 2)) {
    case "RS":
    case "PS":
      return type === "rsa" && (details.modulusLength ?? 0) >= rsaBitsMin;
    case "ES":
      return type === "ec" && details.namedCurve === curves[algorithm];
    case "Ed":
      return type === "ed25519" || type === "ed448";
    default:
      return false;
  }
}

/** The key that `algorithm` needs, for people. */
export function neededKey(algorithm: Algorithm): string {
  if (algorithm === "EdDSA") return "an Ed25519 or Ed448 key";
  const curve = curves[algorithm];
  return curve === undefined ? `an RSA key of at least ${rsaBitsMin} bits` : `an EC key on ${curve}`;
}

/** What `key` is, for people. */
export function describeKey(key: KeyObject): string {
  const { modulusLength, namedCurve } = key.asymmetricKeyDetails ?? {};
  const type = `type ${key.asymmetricKeyType ?? key.type}`;
  if (modulusLength !== undefined) return `${type} of ${modulusLength} bits`;
  return namedCurve === undefined ? type : `${type} on ${namedCurve}`;
}
