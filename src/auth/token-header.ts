/**
 * The header of a token, read before anything is known about its signature: it only selects the keys to try.
 *
 * Whatever else a header says (`jku`, `x5u`, `jwk`, `x5c`) is an offer by whoever sent the token and is not looked at.
 * Source: RFC 7515, section 4.1.
 */
import { type Algorithm, algorithms } from "./auth-options.ts";
import { RecentMap } from "./recent-map.ts";

export interface TokenHeader {
  readonly algorithm: Algorithm;
  readonly kid: string | undefined;
}

/** Longer tokens are refused unread. The handshake's URL is limited to 16 KiB as well. */
export const tokenCharactersMax = 16_384;

const known: ReadonlySet<unknown> = new Set(algorithms);

/**
 * The header of `token`, or `undefined` where no key could verify it: no token at all, an algorithm that is not ours
 * (`none` among them), extensions that must be understood (`crit`).
 */
export function readTokenHeader(token: string): TokenHeader | undefined {
  if (token.length > tokenCharactersMax) return undefined;
  const end = token.indexOf(".");
  if (end <= 0) return undefined;
  const encoded = token.slice(0, end);
  let header = headers.get(encoded);
  if (header === undefined) {
    header = decodeHeader(encoded);
    if (header !== undefined) headers.set(encoded, header);
  }
  return header;
}

/** An issuer writes the same header into all of its tokens. */
const headers = new RecentMap<string, TokenHeader>(100);

function decodeHeader(encoded: string): TokenHeader | undefined {
  let header: unknown;
  try {
    header = JSON.parse(Buffer.from(encoded, "base64url").toString());
  } catch {
    return undefined;
  }
  if (typeof header !== "object" || header === null) return undefined;
  const { alg, kid, crit } = header as Readonly<Record<string, unknown>>;
  if (!known.has(alg) || crit !== undefined) return undefined;
  if (kid !== undefined && typeof kid !== "string") return undefined;
  return { algorithm: alg as Algorithm, kid };
}
