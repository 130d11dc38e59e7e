/**
 * What a handshake asks for, read from its request once, and whether it is one.
 *
 * uWebSockets.js accepts an old version, a missing Connection header, two Hosts, and a body, whose bytes it then takes for
 * frames: the checks of RFC 6455, section 4.2.1, and of RFC 9112, section 3.2, are made here. The request is gone when its
 * handler returns, so everything is copied out first.
 */
import { type Encoding, encodings } from "../protocol/encoding.ts";
import type { HttpRequest, HttpResponse } from "../uws/uws.ts";

export interface HandshakeRequest {
  readonly headers: ReadonlyMap<string, string>;
  readonly query: URLSearchParams;
  /**
   * The address at the other end of the TCP connection, and the one a PROXY v2 header claimed, where it is asked for; text,
   * "" for none.
   */
  readonly peerAddress: string;
  readonly proxiedAddress: string;
}

/** Copies what is needed. Repeated headers are joined by commas, as RFC 9110 allows. */
export function readHandshake(req: HttpRequest, res: HttpResponse, isProxied: boolean): HandshakeRequest {
  const headers = new Map<string, string>();
  req.forEach((name, value) => {
    const before = headers.get(name);
    headers.set(name, before === undefined ? value : `${before},${value}`);
  });
  return {
    headers,
    query: new URLSearchParams(req.getQuery()),
    peerAddress: addressText(res.getRemoteAddress(), () => res.getRemoteAddressAsText()),
    proxiedAddress: isProxied
      ? addressText(res.getProxiedRemoteAddress(), () => res.getProxiedRemoteAddressAsText())
      : "",
  };
}

/** Why the handshake is refused. */
export interface Rejection {
  readonly status: "400" | "401" | "403" | "426" | "429" | "503";
  readonly error: string;
  readonly retryAfterSeconds?: number;
}

export const isRejection = (value: object): value is Rejection => "status" in value;

/** The rules of the protocol itself. `undefined` for a proper handshake. */
export function handshakeFault({ headers }: HandshakeRequest): Rejection | undefined {
  if (headers.get("upgrade")?.toLowerCase() !== "websocket")
    return { status: "400", error: "Bad handshake: the Upgrade header must be websocket" };
  if (!list(headers.get("connection")).some((word) => word.toLowerCase() === "upgrade"))
    return { status: "400", error: "Bad handshake: the Connection header must hold Upgrade" };
  if (headers.get("sec-websocket-version") !== "13")
    return { status: "426", error: "Unsupported WebSocket version: use 13" };
  if (!/^[A-Za-z0-9+/]{22}==$/.test(headers.get("sec-websocket-key") ?? ""))
    return { status: "400", error: "Bad handshake: Sec-WebSocket-Key must be 16 bytes in base64" };
  if (headers.has("transfer-encoding") || (headers.get("content-length") ?? "0") !== "0")
    return { status: "400", error: "Bad handshake: it must have no body" };
  if (headers.get("host")?.includes(",")) return { status: "400", error: "Bad handshake: the Host header must be one" };
  return undefined;
}

/** The encoding and the subprotocol that the connection gets. */
export interface Negotiated {
  readonly encoding: Encoding;
  /** The subprotocol to answer with: one that was offered, never a token; "" for none. */
  readonly subprotocol: string;
}

/** A subprotocol decides before `?format=` and `?batch=`. */
export function negotiate({ headers, query }: HandshakeRequest): Negotiated | Rejection {
  const offered = list(headers.get("sec-websocket-protocol"));
  const chosen = encodings.find(({ subprotocol }) => offered.includes(subprotocol));
  if (chosen !== undefined) return { encoding: chosen, subprotocol: chosen.subprotocol };
  const [format, batch] = [query.get("format") ?? "json", query.get("batch") ?? "false"];
  if (format !== "json" && format !== "msgpack")
    return { status: "400", error: "Unknown format: expected json or msgpack" };
  if (batch !== "true" && batch !== "false") return { status: "400", error: "Unknown batch: expected true or false" };
  const encoding = encodings.find((each) => each.format === format && each.isBatched === (batch === "true"))!;
  // Browsers fail a handshake whose offered subprotocols are all left unanswered: "bearer" is one of them.
  return { encoding, subprotocol: offered[0]?.toLowerCase() === "bearer" ? offered[0] : "" };
}

/** The token of the handshake; `undefined` for none, `"conflict"` where two disagree, or a place holds more than a token. */
export function readToken({ headers, query }: HandshakeRequest): { token: string } | "conflict" | undefined {
  const tokens = new Set<string>(query.getAll("token").filter((token) => token !== ""));
  const bearer = /^Bearer +(.+)$/i.exec(headers.get("authorization")?.trim() ?? "")?.[1];
  if (bearer !== undefined && /[\s,]/.test(bearer)) return "conflict"; // a second header is joined by a comma
  if (bearer !== undefined) tokens.add(bearer);
  const offered = list(headers.get("sec-websocket-protocol"));
  for (const [i, word] of offered.entries()) {
    const next = offered[i + 1];
    if (word.toLowerCase() === "bearer" && next !== undefined && !next.startsWith("tidegate.")) tokens.add(next);
  }
  if (tokens.size > 1) return "conflict";
  const [token] = tokens;
  return token === undefined ? undefined : { token };
}

function list(header: string | undefined): string[] {
  return (header ?? "")
    .split(",")
    .map((word) => word.trim())
    .filter((word) => word !== "");
}

/** IPv4 within IPv6 (`::ffff:1.2.3.4`) is given as the IPv4 address it is. */
function addressText(bytes: ArrayBuffer, text: () => ArrayBuffer): string {
  const octets = new Uint8Array(bytes);
  const from = octets.length === 4 ? 0 : isMapped(octets) ? 12 : undefined;
  if (from === undefined) return Buffer.from(text()).toString("latin1");
  return `${octets[from]}.${octets[from + 1]}.${octets[from + 2]}.${octets[from + 3]}`;
}

function isMapped(octets: Uint8Array): boolean {
  if (octets.length !== 16 || octets[10] !== 255 || octets[11] !== 255) return false;
  for (let i = 0; i < 10; i += 1) if (octets[i] !== 0) return false;
  return true;
}
