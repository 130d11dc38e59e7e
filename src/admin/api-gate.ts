/**
 * Who may use the server API, decided from the headers alone, before a byte of the body is kept.
 *
 * The rule without keys: only this machine, and no web page in its browsers. So the peer must be a loopback address with
 * no proxy in front, the `Host` no foreign name, the `Origin` none or this port's own; with JSON as the only content
 * type, a page elsewhere cannot even send a request without asking first, and it is never answered.
 */
import { isIP } from "node:net";
import type { ApiKeys } from "../auth/api-keys.ts";
import { TokenBuckets } from "../limit/token-buckets.ts";
import type { HttpRequest, HttpResponse } from "../uws/uws.ts";
import { type ApiRefusal, refusal } from "./api-reply.ts";
import { createHostCheck, isLoopback } from "./host-check.ts";

export interface GateOptions {
  /** What the port is bound to. */
  readonly host: string;
  readonly keys: ApiKeys;
  /** Of one key; 0: no limit. */
  readonly requestsPerSecondMax: number;
}

export class ApiGate {
  readonly #keys: ApiKeys;
  readonly #isAllowedHost: (hostHeader: string) => boolean;
  readonly #mustCheckPeer: boolean;
  readonly #buckets: TokenBuckets | undefined; // [key]

  constructor({ host, keys, requestsPerSecondMax }: GateOptions) {
    this.#keys = keys;
    // Bound to all addresses, a page could give this machine a name of its own; only a key keeps it out then.
    this.#isAllowedHost = createHostCheck(keys.count === 0 && isIP(host) !== 0 ? "localhost" : host);
    this.#mustCheckPeer = !isLoopback(host); // bound to loopback, the system lets nobody else in
    if (requestsPerSecondMax > 0)
      this.#buckets = new TokenBuckets(requestsPerSecondMax, requestsPerSecondMax / 1000, Math.max(1, keys.count));
  }

  /** Why the request is refused, or `undefined`. Hot path: each header that is read costs a fifth of a parse. */
  check(request: HttpRequest, response: HttpResponse): ApiRefusal | undefined {
    const key = this.#keys.count === 0 ? this.#keyless(request, response) : this.#keyOf(request);
    if (typeof key !== "number") return key;
    if (this.#buckets === undefined) return undefined;
    const nowMs = performance.now();
    if (this.#buckets.take(key, 1, nowMs)) return undefined;
    const seconds = Math.ceil(this.#buckets.waitMs(key, 1, nowMs) / 1000);
    return { ...tooMany, headers: { "Retry-After": String(Math.max(1, seconds)) } };
  }

  /** The key alone decides: a page that knows it needs no trick. */
  #keyOf(request: HttpRequest): number | ApiRefusal {
    const authorization = request.getHeader("authorization");
    const token = authorization === "" ? "" : bearer(authorization);
    const presented = token === "" ? request.getHeader("x-api-key") : token; // another scheme's is for a proxy in front
    if (presented === "") return request.getQuery() ? hasQuery : noKey;
    const key = this.#keys.find(presented);
    if (key === -1) return wrongKey;
    return request.getQuery() ? hasQuery : key; // a right one in the header does not make one in the URL good
  }

  #keyless(request: HttpRequest, response: HttpResponse): 0 | ApiRefusal {
    const host = request.getHeader("host");
    if (!this.#isAllowedHost(host)) return wrongHost;
    const origin = request.getHeader("origin");
    if (origin !== "" && origin !== `http://${host}`) return wrongOrigin;
    if (this.#mustCheckPeer && !isLoopbackPeer(response.getRemoteAddress())) return notLoopback;
    if (proxyHeaders.some((name) => request.getHeader(name) !== "")) return notLoopback;
    return request.getQuery() ? hasQuery : 0;
  }
}

/** What proxies add by their defaults, or by the lines that everybody copies. */
const proxyHeaders = ["x-forwarded-for", "forwarded", "via", "x-real-ip", "x-forwarded-host", "x-forwarded-proto"];

/** The scheme's name is in any letter case (RFC 9110, section 11.1). */
function bearer(authorization: string): string {
  if (authorization.startsWith("Bearer ") && authorization.charCodeAt(7) !== 32) return authorization.slice(7);
  return /^bearer +(\S+)$/i.exec(authorization)?.[1] ?? "";
}

/** The bytes of an address, of either family. */
function isLoopbackPeer(address: ArrayBuffer): boolean {
  const bytes = new Uint8Array(address);
  if (bytes.length === 4) return bytes[0] === 127;
  const isMapped = bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 255 && bytes[11] === 255;
  return isMapped ? bytes[12] === 127 : bytes[15] === 1 && bytes.subarray(0, 15).every((byte) => byte === 0);
}

const unauthorized = { "WWW-Authenticate": 'Bearer realm="Tidegate"' };
const wrongHost = refusal(403, "forbidden", "Host not allowed: use an IP address, localhost or adminHost in the URL");
const wrongOrigin = refusal(403, "forbidden", "Origin not allowed: this API is for backends, not for web pages");
const hasQuery = refusal(
  400,
  "invalid_call",
  "No query string is taken: arguments go into the body, an API key into the header Authorization: Bearer KEY",
);
const noKey = refusal(
  401,
  "unauthorized",
  "An API key is needed: Authorization: Bearer KEY, or X-API-Key: KEY",
  unauthorized,
);
const wrongKey = refusal(401, "unauthorized", "The API key is not one of api.keys", unauthorized);
const notLoopback = refusal(
  403,
  "forbidden",
  "Without api.keys this API answers only requests of this machine that no proxy forwarded",
);
const tooMany = refusal(429, "rate_limited", "Too many requests of this API key: see api.requestsPerSecondMax");
