/**
 * Tokens that ended before their time: by their `jti`, or all of a user that were issued up to a certain second.
 *
 * The rule: a token without `iat` is of unknown age, so it ends with its user's others; one that is issued in the very
 * second of the revocation ends too. Bounded: past `entriesMax` the oldest are forgotten.
 */
import type { TokenFault, TokenVerifier } from "./token-verifier.ts";

export interface Revocation {
  /** By `jti`. */
  readonly tokens: readonly string[];
  /** All tokens of these users issued up to `before`, in unix seconds. */
  readonly users: readonly string[];
  readonly before: number;
  /** Unix seconds until when it is to be remembered: no token that it ends lives longer. */
  readonly until: number;
}

/** What is asked of a token: `Identity` and `SubscriptionGrant` have it. */
export interface RevocableToken {
  readonly tokenId?: string | undefined;
  readonly userId?: string | undefined;
  readonly issuedAt?: number | undefined;
}

const entriesMax = 200_000;
const sweepSeconds = 60;

export class Revocations {
  readonly #tokens = new Map<string, number>(); // until, by `jti`
  readonly #users = new Map<string, { before: number; until: number }>();
  #sweptAt = 0;

  /** Tokens and users. */
  get count(): number {
    return this.#tokens.size + this.#users.size;
  }

  add({ tokens, users, before, until }: Revocation): void {
    for (const token of tokens) replace(this.#tokens, token, Math.max(until, this.#tokens.get(token) ?? 0));
    for (const user of users) {
      const known = this.#users.get(user) ?? { before: 0, until: 0 };
      replace(this.#users, user, { before: Math.max(before, known.before), until: Math.max(until, known.until) });
    }
  }

  has({ tokenId, userId, issuedAt = 0 }: RevocableToken): boolean {
    if (this.count === 0) return false;
    if (tokenId !== undefined && this.#tokens.has(tokenId)) return true;
    const before = userId === undefined ? undefined : this.#users.get(userId)?.before;
    return before !== undefined && issuedAt <= before;
  }

  /** Forgets those whose time is over; looks once a minute. Linear in all. */
  sweep(unixSeconds: number): void {
    if (unixSeconds < this.#sweptAt + sweepSeconds) return;
    this.#sweptAt = unixSeconds;
    for (const [token, until] of this.#tokens) if (until <= unixSeconds) this.#tokens.delete(token);
    for (const [user, { until }] of this.#users) if (until <= unixSeconds) this.#users.delete(user);
  }
}

/** The latest stands last. */
function replace<T>(entries: Map<string, T>, key: string, value: T): void {
  entries.delete(key);
  entries.set(key, value);
  if (entries.size > entriesMax) entries.delete(entries.keys().next().value!);
}

/** `verifier`, which does not know of revocations, as one to which such tokens are invalid. */
export function refusingRevoked(verifier: TokenVerifier, revocations: Pick<Revocations, "has">): TokenVerifier {
  const check = <T extends RevocableToken>(outcome: T | TokenFault): T | TokenFault =>
    typeof outcome !== "string" && revocations.has(outcome) ? "invalid_token" : outcome;
  const checked = <T extends RevocableToken>(outcome: T | TokenFault | Promise<T | TokenFault>) =>
    outcome instanceof Promise ? outcome.then(check) : check(outcome);
  return {
    verify: (token) => checked(verifier.verify(token)),
    verifySubscription: (token) => checked(verifier.verifySubscription(token)),
  };
}
