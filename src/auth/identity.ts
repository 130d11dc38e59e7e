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
  /** Unix seconds; `Infinity` for never, which only the embedding program can say. */
  readonly expiresAt: number;
  /** The `jti` claim, and `iat` in unix seconds, of tokens that have them: what a token is revoked by. */
  readonly tokenId?: string | undefined;
  readonly issuedAt?: number | undefined;
}

/** The fields of a frame that tell a client who it is. */
export function whoIs({ userIdJson, role, expiresAt }: Identity, unixSeconds: number): object {
  const expires_in = Number.isFinite(expiresAt) ? Math.max(0, expiresAt - unixSeconds) : undefined;
  return { user_id: JSON.parse(userIdJson), role, expires_in };
}
