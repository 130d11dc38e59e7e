/**
 * One key and the tokens that it verifies, by fast-jwt with the algorithm pinned.
 *
 * Only what never changes is left to the library: signature, algorithm, required claims, issuer, audience. The outcome for
 * a token, good or bad, is remembered; everything that depends on the time is checked by the verifier on each call,
 * against the clock that it was given (`timeFault`).
 */
import { createVerifier, TOKEN_ERROR_CODES } from "fast-jwt";
import type { Algorithm } from "./auth-options.ts";
import type { Claims } from "./claims.ts";
import type { Identity } from "./identity.ts";
import { RecentMap } from "./recent-map.ts";
import type { TokenHeader } from "./token-header.ts";
import type { SubscriptionGrant } from "./token-verifier.ts";

/** Where a token must come from and whom it must be for; an empty list allows any. */
export interface TokenRules {
  readonly issuer: readonly string[];
  readonly audience: readonly string[];
}

/** A key as it was configured or fetched. */
export interface KeyMaterial {
  readonly kid: string | undefined;
  readonly algorithm: Algorithm;
  /** The secret of an HS algorithm, otherwise a public key as PEM (SPKI) that fits the algorithm. */
  readonly key: string | Buffer;
}

/** A token with a good signature, and what was made of its claims, once that was asked for. */
export interface VerifiedToken {
  readonly claims: Claims;
  identity: Identity | "invalid_token" | undefined;
  grant: SubscriptionGrant | "invalid_token" | undefined;
}

export class VerificationKey {
  readonly kid: string | undefined;
  readonly algorithm: Algorithm;
  readonly #verify: (token: string) => unknown;
  /**
   * By token, as long as it is used. Not the library's own cache, which hashes each token twice: that cost a handshake
   * with a token of its own 12 us.
   */
  readonly #outcomes = new RecentMap<string, VerifiedToken | "invalid_token" | "foreign">(tokensRemembered);

  constructor(material: KeyMaterial, rules: TokenRules) {
    this.kid = material.kid;
    this.algorithm = material.algorithm;
    const requiredClaims = ["exp"];
    if (rules.issuer.length > 0) requiredClaims.push("iss");
    if (rules.audience.length > 0) requiredClaims.push("aud");
    this.#verify = createVerifier({
      key: material.key,
      algorithms: [material.algorithm],
      requiredClaims,
      ignoreExpiration: true,
      ignoreNotBefore: true,
      ...(rules.issuer.length > 0 && { allowedIss: [...rules.issuer] }),
      ...(rules.audience.length > 0 && { allowedAud: [...rules.audience] }),
    });
  }

  /** True where this key may have signed a token with `header`. Two different `kid` exclude it, a missing one does not. */
  mayVerify(header: TokenHeader): boolean {
    if (this.algorithm !== header.algorithm) return false;
    return this.kid === undefined || header.kid === undefined || this.kid === header.kid;
  }

  /**
   * What `token` says, the same object while the token is remembered; `undefined` where another key must have signed it;
   * `invalid_token` where no key can help. Never throws.
   */
  verified(token: string): VerifiedToken | "invalid_token" | undefined {
    let outcome = this.#outcomes.get(token);
    if (outcome === undefined) {
      outcome = this.#check(token);
      this.#outcomes.set(token, outcome);
    }
    return outcome === "foreign" ? undefined : outcome;
  }

  #check(token: string): VerifiedToken | "invalid_token" | "foreign" {
    try {
      const claims = this.#verify(token) as Claims; // the library accepts no payload but an object
      return { claims, identity: undefined, grant: undefined };
    } catch (error) {
      return isForeignSignature(error) ? "foreign" : "invalid_token";
    }
  }
}

/** Outcomes of a key that are remembered: they cannot become wrong, this only bounds what they hold. */
const tokensRemembered = 250;

function isForeignSignature(error: unknown): boolean {
  if (!(error instanceof Error && "code" in error)) return false;
  return error.code === TOKEN_ERROR_CODES.invalidSignature || error.code === TOKEN_ERROR_CODES.verifyError;
}
