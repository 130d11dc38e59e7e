/** The configuration of authentication: the `auth` section, as `config` validates it. */

export const algorithms = [
  "HS256",
  "HS384",
  "HS512",
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
] as const;
export type Algorithm = (typeof algorithms)[number];

export interface KeyOptions {
  /** Matched with the token's `kid` header; a key without one is tried for every token of its algorithm. */
  readonly kid?: string | undefined;
  readonly algorithm: Algorithm;
  /** The shared secret of an HS algorithm, at least 32 bytes. */
  readonly secret?: string | undefined;
  /** A file that holds it. */
  readonly secretFile?: string | undefined;
  /** A PEM file with the public key of an RS, PS, ES or EdDSA algorithm. */
  readonly publicKeyFile?: string | undefined;
}

export interface AuthOptions {
  /** Refuse handshakes without a valid token. */
  readonly required: boolean;
  /** Short for one HS key: `{ algorithm, secret }`; empty for none. */
  readonly secret: string;
  /** The algorithm of `secret`. */
  readonly algorithm: "HS256" | "HS384" | "HS512";
  /** Further keys; all are accepted at once, so that keys can be rotated. */
  readonly keys: readonly KeyOptions[];
  /** Keys by URL (RFC 7517); empty for none. */
  readonly jwksUrl: string;
  /** Accepted `iss` values; empty: any. */
  readonly issuer: readonly string[];
  /** Accepted `aud` values; empty: any. */
  readonly audience: readonly string[];
  /** Accepted roles; empty: any. */
  readonly roles: readonly string[];
  readonly clockToleranceSeconds: number;
  /** `token_expiring` is sent this long before the end. */
  readonly expiringNoticeSeconds: number;
  /** The connection is closed with 4003 this long after the end. */
  readonly expiryGraceSeconds: number;
}
