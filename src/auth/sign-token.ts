/**
 * Signs tokens that this gateway accepts: for the command line, the examples and the tests. Production tokens come from
 * whoever knows the users.
 */
import { createSigner } from "fast-jwt";
import { type Clock, systemClock } from "../clock/clock.ts";
import { isChannelName, isPattern } from "../protocol/names.ts";
import type { AuthOptions } from "./auth-options.ts";
import { AuthSetupError } from "./auth-setup-error.ts";
import { loadSigningKey } from "./configured-keys.ts";
import { tokenCharactersMax } from "./token-header.ts";

export interface TokenClaims {
  /** Becomes `user_id` and `sub`, as text; not empty. */
  readonly userId: string;
  /** `user` where it is not given. */
  readonly role?: string | undefined;
  /** Patterns that the user may subscribe to. */
  readonly channels?: readonly string[] | undefined;
  /** Patterns that the user may publish to. */
  readonly publish?: readonly string[] | undefined;
  /** Makes it a subscribe token: it grants the user this one channel, with none of the rights above. */
  readonly channel?: string | undefined;
  /** Whole seconds, at least 1. */
  readonly expiresInSeconds: number;
  /** The token's own name, by which it can be revoked. */
  readonly jti?: string | undefined;
}

/**
 * A token with `claims`, signed with the first shared secret that `options` name; issuer and audience are the first ones
 * they accept. Reads that secret's file. Throws `AuthSetupError` without a secret, or for claims that the gateway would
 * refuse.
 */
export function signToken(options: AuthOptions, claims: TokenClaims, clock: Clock = systemClock): string {
  const { userId, role = "user", channels, publish, channel, expiresInSeconds, jti } = claims;
  if (userId === "") throw unsignable("userId", "a text of at least one character", '""');
  if (channel !== undefined && !isChannelName(channel))
    throw unsignable("channel", "a channel name", JSON.stringify(channel));
  if (channel !== undefined && (claims.role ?? channels ?? publish) !== undefined)
    throw unsignable("channel", "given without role, channels and publish", "both");
  if (channel === undefined && options.roles.length > 0 && !options.roles.includes(role))
    throw unsignable("role", `one of auth.roles (${options.roles.join(", ")})`, JSON.stringify(role));
  if (!Number.isSafeInteger(expiresInSeconds) || expiresInSeconds < 1)
    throw unsignable("expiresInSeconds", "a whole number of seconds, at least 1", String(expiresInSeconds));
  for (const [field, patterns] of Object.entries({ channels, publish })) {
    const malformed = patterns?.find((pattern) => !isPattern(pattern));
    if (malformed !== undefined) throw unsignable(field, "channel patterns", JSON.stringify(malformed));
  }
  const { kid, algorithm, key } = loadSigningKey(options);
  const [iss] = options.issuer;
  const [aud] = options.audience;
  const iat = clock.unixSeconds();
  const sign = createSigner({ key, algorithm, ...(kid !== undefined && { kid }) });
  const exp = iat + expiresInSeconds;
  const rights = channel === undefined ? { role, channels, publish } : { channel };
  const token = sign({ user_id: userId, sub: userId, ...rights, iss, aud, iat, exp, jti });
  if (token.length <= tokenCharactersMax) return token;
  throw unsignable("the claims", `short enough for a token of ${tokenCharactersMax} characters`, `${token.length}`);
}

function unsignable(field: string, rule: string, got: string): AuthSetupError {
  return new AuthSetupError("claims", `cannot sign token: ${field} must be ${rule}, got ${got}`);
}
