/**
 * Verifies tokens: finds the key by the header, has it check the signature, then reads the claims and the time.
 *
 * The signature is checked before any claim is believed, and nothing in a token decides where keys come from. What
 * cannot change for a token is remembered by the key; the time is asked on every call.
 */
import { type Clock, systemClock } from "../clock/clock.ts";
import type { AuthLog } from "./auth-log.ts";
import type { AuthOptions } from "./auth-options.ts";
import { readIdentity, readSubscriptionGrant, timeFault } from "./claims.ts";
import { loadConfiguredKeys } from "./configured-keys.ts";
import type { Identity } from "./identity.ts";
import { Jwks, type JwksTimes, jwksTimes } from "./jwks.ts";
import { isSymmetric } from "./key-fit.ts";
import { readTokenHeader, type TokenHeader } from "./token-header.ts";
import type { SubscriptionGrant, TokenFault, TokenVerifier } from "./token-verifier.ts";
import { VerificationKey, type VerifiedToken } from "./verification-key.ts";

/** What tests replace. */
export interface VerifierSetup {
  readonly clock?: Clock;
  readonly jwksTimes?: JwksTimes;
}

/**
 * A verifier for `options`; `stop` ends its timers. Reads the key files, and waits for the first fetch of the key set: at
 * most 3 s, and a server that is down stops nobody. Without any key every token is `invalid_token`. Rejects with
 * `AuthSetupError` for keys that cannot be used.
 */
export async function createTokenVerifier(
  options: AuthOptions,
  log: AuthLog,
  setup: VerifierSetup = {},
): Promise<TokenVerifier & { stop(): void }> {
  const clock = setup.clock ?? systemClock;
  const keys = loadConfiguredKeys(options).map((material) => new VerificationKey(material, options));
  const times = setup.jwksTimes ?? jwksTimes;
  const jwks = options.jwksUrl === "" ? undefined : new Jwks(options.jwksUrl, options, log, clock, times);
  await jwks?.refresh();
  return new JwtVerifier(options, keys, jwks, clock);
}

/** `T`: what a kind of token stands for. */
type Outcome<T> = T | TokenFault;
type ReadToken<T> = (token: VerifiedToken) => T | "invalid_token";

class JwtVerifier implements TokenVerifier {
  readonly #keys: readonly VerificationKey[];
  readonly #jwks: Jwks | undefined;
  readonly #clock: Clock;
  readonly #toleranceSeconds: number;
  readonly #identityOf: ReadToken<Identity>;
  readonly #grantOf: ReadToken<SubscriptionGrant>;

  constructor(options: AuthOptions, keys: readonly VerificationKey[], jwks: Jwks | undefined, clock: Clock) {
    this.#keys = keys;
    this.#jwks = jwks;
    this.#clock = clock;
    this.#toleranceSeconds = options.clockToleranceSeconds;
    this.#identityOf = (token) => {
      token.identity ??= readIdentity(token.claims, options.roles);
      return token.identity;
    };
    this.#grantOf = (token) => {
      token.grant ??= readSubscriptionGrant(token.claims);
      return token.grant;
    };
  }

  verify(token: string): Outcome<Identity> | Promise<Outcome<Identity>> {
    return this.#check(token, this.#identityOf);
  }

  verifySubscription(token: string): Outcome<SubscriptionGrant> | Promise<Outcome<SubscriptionGrant>> {
    return this.#check(token, this.#grantOf);
  }

  stop(): void {
    this.#jwks?.stop();
  }

  #check<T extends object>(token: string, read: ReadToken<T>): Outcome<T> | Promise<Outcome<T>> {
    const header = readTokenHeader(token);
    if (header === undefined) return "invalid_token";
    const verified = this.#verifiedBy(token, header);
    if (verified !== undefined) return this.#accept(verified, read);
    if (this.#jwks === undefined || !this.#mayBePublished(header)) return "invalid_token";
    const refreshed = this.#jwks.refresh();
    if (refreshed === undefined) return this.#withoutKey(header);
    return refreshed.then(() => {
      const fetched = this.#verifiedBy(token, header);
      return fetched === undefined ? this.#withoutKey(header) : this.#accept(fetched, read);
    });
  }

  /** What `token` says; `undefined` where no key that is known has signed it. */
  #verifiedBy(token: string, header: TokenHeader): VerifiedToken | "invalid_token" | undefined {
    for (const key of this.#allKeys()) {
      const verified = key.mayVerify(header) ? key.verified(token) : undefined;
      if (verified !== undefined) return verified;
    }
    return undefined;
  }

  #accept<T extends object>(verified: VerifiedToken | "invalid_token", read: ReadToken<T>): Outcome<T> {
    if (verified === "invalid_token") return verified;
    const result = read(verified);
    if (result === "invalid_token") return result;
    return timeFault(verified.claims, this.#clock.unixSeconds(), this.#toleranceSeconds) ?? result;
  }

  /** False where asking for the key set is useless: a shared secret is not in it, and a `kid` we know has its key. */
  #mayBePublished(header: TokenHeader): boolean {
    if (isSymmetric(header.algorithm)) return false;
    return header.kid === undefined || !this.#allKeys().some((key) => key.kid === header.kid);
  }

  /** The fault of a token that no key verifies: the server's, where it owes us the key; otherwise the token's. */
  #withoutKey(header: TokenHeader): TokenFault {
    if (!this.#jwks?.isFailing) return "invalid_token";
    return [...this.#jwks.keys()].some((key) => key.mayVerify(header)) ? "invalid_token" : "unavailable";
  }

  #allKeys(): readonly VerificationKey[] {
    return this.#jwks === undefined ? this.#keys : [...this.#keys, ...this.#jwks.keys()];
  }
}
