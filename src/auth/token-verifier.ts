/** What the rest of the gateway asks of token verification. */
import type { Identity } from "./identity.ts";

/** Why a token is not accepted; also an error code of the wire protocol. */
export type TokenFault = "invalid_token" | "token_expired" | "unavailable";

/** A token that grants one connection single channels, for a `subscribe` that carries it. */
export interface SubscriptionGrant {
  /** The only user who may use it; `undefined`: whoever holds it. */
  readonly userId: string | undefined;
  /** Patterns, from the claims `channel` and `channels`. */
  readonly channels: readonly string[];
  /** Unix seconds. */
  readonly expiresAt: number;
  /** As in `Identity`. */
  readonly tokenId?: string;
  readonly issuedAt?: number;
}

/**
 * Verifies tokens. Answers at once where the key is known, and with a promise only while keys must be fetched; never
 * throws or rejects.
 */
export interface TokenVerifier {
  verify(token: string): Identity | TokenFault | Promise<Identity | TokenFault>;
  verifySubscription(token: string): SubscriptionGrant | TokenFault | Promise<SubscriptionGrant | TokenFault>;
}
