/** Who a connection is, as a verified token said. Shared by all connections with the same token: never written to. */
export interface Identity {
  /** The `user_id` claim, else `sub`, as text. */
  readonly userId: string;
  /** The same as JSON text, a number where the token had a number: ready for a frame. */
  readonly userIdJson: string;
  readonly role: string;
  /** Patterns that this user may subscribe to. */
  readonly channels: readonly string[];
  /** Patterns that this user may publish to. */
  readonly publish: readonly string[];
  /** Unix seconds. */
  readonly expiresAt: number;
  /** The `jti` claim, and `iat` in unix seconds, of tokens that have them: what a token is revoked by. */
  readonly tokenId?: string;
  readonly issuedAt?: number;
}
