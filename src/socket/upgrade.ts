/**
 * From an HTTP request to a WebSocket, or to the HTTP status that says why not.
 *
 * Whatever can be refused is refused here, before the upgrade: a client whose connection opens and closes at once would
 * take it for a success and try again without pause.
 */
import type { Identity } from "../auth/identity.ts";
import type { TokenFault, TokenVerifier } from "../auth/token-verifier.ts";
import type { Connection } from "../connection/connection.ts";
import type { AddressCounts } from "../limit/address-counts.ts";
import type { Log } from "../log/log.ts";
import type { Counters, HandshakeStatus } from "../metrics/counters.ts";
import type { Format } from "../protocol/decode.ts";
import type { Encoding } from "../protocol/encoding.ts";
import type { HttpRequest, HttpResponse, us_socket_context_t } from "../uws/uws.ts";
import type { TrustedProxies } from "./client-address.ts";
import {
  type HandshakeRequest,
  handshakeFault,
  isRejection,
  type Negotiated,
  negotiate,
  type Rejection,
  readHandshake,
  readToken,
} from "./handshake.ts";
import type { Origins } from "./origins.ts";
import { rejectHandshake } from "./reject.ts";

/** What a socket opens with. */
export interface Admission {
  readonly address: string;
  readonly encoding: Encoding;
  readonly identity: Identity | undefined;
  /** Why the token that came with the handshake was not accepted, where one is not required. */
  readonly authError: TokenFault | undefined;
  /** The upgrade waited for a key, or for leave: sending from inside it is not possible yet. */
  readonly isLate: boolean;
  /** To be told its connection. */
  readonly opened?: ((connection: Connection) => void) | undefined;
}

/** A handshake that is otherwise accepted. */
export interface Handshake {
  readonly address: string;
  readonly format: Format;
  readonly identity: Identity | undefined;
  readonly headers: ReadonlyMap<string, string>;
  readonly query: URLSearchParams;
}

type Entry = Pick<Admission, "identity" | "opened">;
type Decided = Pick<Admission, "identity" | "authError" | "opened"> | Rejection;

export interface UpgradeParts {
  readonly verifier: TokenVerifier;
  readonly authRequired: boolean;
  readonly origins: Origins;
  readonly proxies: TrustedProxies;
  readonly addresses: AddressCounts;
  readonly counters: Counters;
  readonly log: Log;
  readonly connections: Iterable<Connection>;
  /** Asks who must agree to a handshake, and as whom it is let in; `undefined` where nobody is asked. Never rejects. */
  readonly connect: ((handshake: Handshake) => Entry | Rejection | Promise<Entry | Rejection>) | undefined;
  /** Why no more connections are taken at present; `undefined` where they are. */
  closedFor(): Rejection | undefined;
}

/** Handles one handshake. Never throws. `open` is reached through `res.upgrade`, with an `Admission` as user data. */
export function upgrade(parts: UpgradeParts, res: HttpResponse, req: HttpRequest, context: us_socket_context_t): void {
  const request = readHandshake(req, res, !parts.proxies.isEmpty);
  const checked = check(parts, request);
  if (isRejection(checked)) return reject(parts, res, request, checked);
  const { address, negotiated, token } = checked;
  const verified =
    token === undefined ? undefined : token === "conflict" ? "invalid_token" : parts.verifier.verify(token.token);
  const finish = (result: Decided, isLate: boolean): void => {
    // Asked again of one that waited: many wait for one key, and all of them are decided before the first is let in.
    const decided = isLate && !isRejection(result) ? (parts.closedFor() ?? result) : result;
    if (isRejection(decided)) {
      if (isCounted) parts.addresses.release(address);
      return reject(parts, res, request, decided);
    }
    parts.counters.handshakes["101"] += 1;
    const { headers } = request;
    const state: Admission = { address, encoding: negotiated.encoding, ...decided, isLate };
    const key = headers.get("sec-websocket-key") ?? "";
    res.upgrade({ state }, key, negotiated.subprotocol, headers.get("sec-websocket-extensions") ?? "", context);
  };
  let isCounted = false;
  const decideAll = (result: Identity | TokenFault | undefined): Decided | Promise<Decided> => {
    const decided = decide(parts, result);
    if (isRejection(decided)) return decided;
    isCounted = parts.addresses.take(address); // before anybody is asked: one address must not keep them all busy
    if (!isCounted) return tooManyFromAddress;
    return agree(parts, { address, format: negotiated.encoding.format, ...request }, decided);
  };
  const decided = verified instanceof Promise ? verified.then(decideAll) : decideAll(verified);
  if (!(decided instanceof Promise)) return finish(decided, false);
  let isAborted = false;
  res.onAborted(() => {
    isAborted = true;
  });
  decided.then((result) => {
    if (isAborted) {
      if (isCounted) parts.addresses.release(address);
      return;
    }
    const finishLate = (): void => finish(result, true);
    // In a cork of its own uWebSockets.js may close the new socket at once: cork() goes on to read the response that is
    // none any more (its issue 1928). While another socket is corked, cork() calls its task and does nothing else.
    // Without one, the library prints a warning that the handshake is not corked, and upgrades it all the same.
    const [other] = parts.connections;
    if (other === undefined) finishLate();
    else other.cork(() => res.cork(finishLate));
  });
}

interface Checked {
  readonly address: string;
  readonly negotiated: Negotiated;
  readonly token: { readonly token: string } | "conflict" | undefined;
}

function check(parts: UpgradeParts, request: HandshakeRequest): Checked | Rejection {
  const fault = handshakeFault(request);
  if (fault !== undefined) return fault;
  if (!parts.origins.allows(request.headers.get("origin"))) return { status: "403", error: "Origin not allowed" };
  const negotiated = negotiate(request);
  if (isRejection(negotiated)) return negotiated;
  const closed = parts.closedFor();
  if (closed !== undefined) return closed;
  return { address: parts.proxies.clientAddress(request), negotiated, token: readToken(request) };
}

function decide(
  { authRequired, counters, closedFor }: UpgradeParts,
  result: Identity | TokenFault | undefined,
): Decided {
  if (result !== undefined) counters.authentications[typeof result === "string" ? result : "ok"] += 1;
  const closed = closedFor(); // asked again: keys may have taken their time
  if (closed !== undefined) return closed;
  if (typeof result === "object") return { identity: result, authError: undefined };
  if (!authRequired) return { identity: undefined, authError: result };
  if (result === "unavailable") return { status: "503", error: "Token cannot be checked now", retryAfterSeconds: 5 };
  return { status: "401", error: result === "token_expired" ? "Token expired" : "A valid token is required" };
}

/** What those who must agree make of a handshake that the token and the limits allow. */
function agree(
  { connect }: UpgradeParts,
  handshake: Omit<Handshake, "identity">,
  decided: Exclude<Decided, Rejection>,
): Decided | Promise<Decided> {
  if (connect === undefined) return decided;
  const { authError } = decided;
  const entry = connect({ ...handshake, identity: decided.identity });
  const admit = (given: Entry | Rejection): Decided => (isRejection(given) ? given : { authError, ...given });
  return entry instanceof Promise ? entry.then(admit) : admit(entry);
}

const tooManyFromAddress: Rejection = {
  status: "429",
  error: "Too many connections from this address",
  retryAfterSeconds: 10,
};

function reject(
  { counters, log, proxies }: UpgradeParts,
  res: HttpResponse,
  request: HandshakeRequest,
  why: Rejection,
): void {
  counters.handshakes[why.status satisfies HandshakeStatus] += 1;
  log.warn({ status: why.status, reason: why.error, address: proxies.clientAddress(request) }, "handshake refused");
  rejectHandshake(res, why);
}
