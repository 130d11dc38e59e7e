/**
 * The claims of a token whose signature holds: from what the issuer wrote to an `Identity` or a `SubscriptionGrant`.
 *
 * A claim of the wrong type makes the whole token invalid: an issuer's mistake never turns into a user with other
 * rights. A claim that is `null` counts as absent. Source of the names: RFC 7519, section 4.1, and the WebSocket guide.
 */
import { isPattern } from "../protocol/names.ts";
import type { Identity } from "./identity.ts";
import type { SubscriptionGrant, TokenFault } from "./token-verifier.ts";

/** The payload of a token. Shared by everyone who brings the same token: never written to. */
export type Claims = Readonly<Record<string, unknown>>;

const defaultRole = "user";
const noPatterns: readonly string[] = Object.freeze([]);

/**
 * The identity that `claims` describe, frozen; or `invalid_token`. An empty `allowedRoles` allows any role. A token with
 * `channel` is a subscription token and makes nobody a user: whoever was lent one channel gets no more than that.
 */
export function readIdentity(claims: Claims, allowedRoles: readonly string[]): Identity | "invalid_token" {
  const user = claims.user_id ?? claims.sub;
  const role = claims.role ?? defaultRole;
  const channels = readPatterns(claims.channels);
  const publish = readPatterns(claims.publish);
  if (isGiven(claims.channel) || !isUserId(user) || typeof role !== "string") return "invalid_token";
  if (channels === undefined || publish === undefined || !isTime(claims.exp)) return "invalid_token";
  const names = readNames(claims);
  if (names === undefined) return "invalid_token";
  if (allowedRoles.length > 0 && !allowedRoles.includes(role)) return "invalid_token";
  // Written out, not spread: V8 leaves no room for more fields then, and a connection has one of these.
  return Object.freeze({
    userId: String(user),
    userIdJson: JSON.stringify(user),
    role,
    channels,
    publish,
    expiresAt: Math.floor(claims.exp),
    tokenId: names.tokenId,
    issuedAt: names.issuedAt,
  });
}

/** The grant that `claims` describe, frozen; or `invalid_token`, also where they grant no channel. */
export function readSubscriptionGrant(claims: Claims): SubscriptionGrant | "invalid_token" {
  const user = claims.user_id ?? claims.sub;
  const single = isGiven(claims.channel) ? readPatterns([claims.channel]) : noPatterns;
  const several = readPatterns(claims.channels);
  if (isGiven(user) && !isUserId(user)) return "invalid_token";
  if (single === undefined || several === undefined || !isTime(claims.exp)) return "invalid_token";
  const names = readNames(claims);
  if (single.length + several.length === 0 || names === undefined) return "invalid_token";
  const userId = isGiven(user) ? String(user) : undefined;
  const channels = Object.freeze([...single, ...several]);
  return Object.freeze({ userId, channels, expiresAt: Math.floor(claims.exp), ...names });
}

/**
 * What the time says against a token: too early, or too late. Asked each time that a token is shown, because the rest of
 * its verification is remembered. Fractions of `nbf` and `iat` are cut off: a token is good in the second of its making.
 */
export function timeFault(claims: Claims, unixSeconds: number, toleranceSeconds: number): TokenFault | undefined {
  const { exp, nbf, iat } = claims;
  const latest = unixSeconds + toleranceSeconds;
  if (!isTime(exp)) return "invalid_token";
  if (isGiven(nbf) && !(isTime(nbf) && Math.floor(nbf) <= latest)) return "invalid_token";
  if (isGiven(iat) && !(isTime(iat) && Math.floor(iat) <= latest)) return "invalid_token";
  return unixSeconds >= exp + toleranceSeconds ? "token_expired" : undefined;
}

/** What the token can be revoked by, as far as it says; `undefined` where it says it wrongly. */
function readNames({ jti, iat }: Claims): { tokenId?: string; issuedAt?: number } | undefined {
  if (isGiven(jti) && typeof jti !== "string" && !Number.isSafeInteger(jti)) return undefined;
  const names: { tokenId?: string; issuedAt?: number } = {};
  if (isGiven(jti)) names.tokenId = String(jti);
  if (isTime(iat)) names.issuedAt = Math.floor(iat);
  return names;
}

/** The patterns of a claim, frozen; none where it is absent, `undefined` where it is anything but patterns. */
function readPatterns(claim: unknown): readonly string[] | undefined {
  if (!isGiven(claim)) return noPatterns;
  if (!Array.isArray(claim)) return undefined;
  const isListed = (item: unknown): item is string => typeof item === "string" && isPattern(item);
  return claim.every(isListed) ? Object.freeze([...claim]) : undefined;
}

/** Numbers beyond 2^53 are refused: JSON.parse rounds them, and two users would become one. */
const isUserId = (value: unknown): value is string | number =>
  typeof value === "string" ? value.length > 0 : Number.isSafeInteger(value);

/** Any finite number is a time, also an absurd one. */
const isTime = (value: unknown): value is number => Number.isFinite(value);
const isGiven = (value: unknown): value is NonNullable<unknown> => value !== undefined && value !== null;
