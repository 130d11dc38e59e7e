/**
 * Attacks on a listening gateway, each from one seed: what is written to a socket, in which pieces, and how it ends. A case
 * is plain data, so that one that found something is kept as it was, whatever becomes of the generator.
 */
import { callNames } from "../../src/calls/call-table.ts";
import { clientFrame, frameHeader, handshakeText } from "../socket/raw-client.ts";
import { bytePieces, corpus, foreign, keys, packrs, pool, textPieces } from "./material.ts";
import { altered, Dice, damaged } from "./mutate.ts";

export interface FuzzCase {
  readonly name: string;
  readonly port: "public" | "admin";
  /** Written one after the other, each in a packet of its own as far as the system allows. */
  readonly writes: readonly Buffer[];
  /** What the client does then: it waits for the answers, goes with FIN, by a reset, or has never read anything. */
  readonly end: "wait" | "fin" | "reset" | "unread";
}

/** The case of one seed. */
export function caseOf(seed: number): FuzzCase {
  const dice = new Dice(seed);
  const kind = dice.of(kinds);
  const { port, bytes } = makers[kind](dice);
  const end = dice.below(3) > 0 ? "wait" : dice.of(["fin", "reset", "unread"] as const);
  return { name: `${kind} of seed ${seed}`, port, writes: bytes.flatMap((write) => inPieces(write, dice)), end };
}

const kinds = ["frames", "frames", "fragments", "flood", "handshake", "handshake", "call", "call", "admin"] as const;
type Made = Pick<FuzzCase, "port"> & { readonly bytes: readonly Buffer[] };

const makers: Readonly<Record<(typeof kinds)[number], (dice: Dice) => Made>> = {
  frames(dice) {
    const isPacked = dice.below(2) === 0;
    const frames = many(30, dice, () => frameOf(isPacked ? packed(dice) : json(dice), isPacked ? 2 : 1, dice));
    const bytes = Buffer.concat(frames);
    return { port: "public", bytes: [opening(isPacked, dice), dice.below(3) === 0 ? hurt(bytes, dice) : bytes] };
  },
  fragments(dice) {
    const payload = json(dice);
    const parts = many(20, dice, (i) => {
      const part = payload.subarray(dice.below(payload.length), dice.below(payload.length + 1));
      const opcode = dice.below(10) === 0 ? dice.below(16) : i === 0 ? 1 : 0;
      const control = dice.below(4) === 0 ? clientFrame("x".repeat(dice.below(140)), dice.of([8, 9, 10])) : [];
      return Buffer.concat([frameHeader(part.length, opcode, dice.below(6) === 0), part, Buffer.from(control)]);
    });
    return { port: "public", bytes: [opening(false, dice), ...parts] };
  },
  flood(dice) {
    const one = dice.of([
      () => clientFrame("", dice.of([9, 10])),
      () => clientFrame("", dice.of([0, 1, 2])),
      () => frameHeader(0, 0, false),
      () => clientFrame("x"),
      () => clientFrame(json(dice)),
      () => clientFrame("x".repeat(dice.below(70_000)), dice.of([1, 2])),
      () => clientFrame(JSON.stringify({ action: "batch", data: { items: Array(100).fill(dice.of(corpus)) } })),
    ])();
    const times = Math.ceil((1 + dice.below(2_000_000)) / one.length);
    const start = dice.below(2) === 0 ? [frameHeader(0, 1, false)] : [];
    return { port: "public", bytes: [opening(false, dice), ...start, Buffer.concat(Array(times).fill(one))] };
  },
  handshake(dice) {
    const headers = Object.fromEntries(many(4, dice, () => [dice.of(headerNames), dice.of(headerValues(dice))]));
    const text = handshakeText({ method: dice.of(methods), target: target(dice), headers });
    const before = dice.below(8) === 0 ? proxyHeader(dice) : Buffer.alloc(0);
    const bytes = Buffer.concat([before, Buffer.from(text, "latin1")]);
    return { port: "public", bytes: [dice.below(2) === 0 ? hurt(bytes, dice) : bytes, clientFrame(json(dice))] };
  },
  call(dice) {
    const call = dice.of(calls);
    const path = `/api/v1/${dice.below(10) === 0 ? target(dice).slice(1) : call}`;
    const good = dice.of(callBodies);
    const value = dice.below(8) === 0 ? good : altered(good, [...pool, ...callBodies], [...keys, ...callKeys], dice);
    const lines = many(5, dice, () => JSON.stringify(altered(good, pool, [...keys, ...callKeys], dice)) ?? "");
    const isLines = call === "batch" && dice.below(2) === 0;
    const text = Buffer.from(isLines ? lines.join("\n") : (JSON.stringify(value) ?? ""));
    const body = dice.below(3) === 0 ? damaged(text, textPieces, dice) : text;
    const type = isLines ? "application/x-ndjson" : dice.of(contentTypes);
    return { port: "admin", bytes: [request("POST", path, type, body, dice)] };
  },
  admin(dice) {
    const path = dice.of([...pages, target(dice)]);
    const one = request(dice.of(methods), path, dice.of(contentTypes), json(dice), dice);
    const bytes = Buffer.concat(Array(1 + dice.below(5)).fill(one));
    return { port: "admin", bytes: [dice.below(2) === 0 ? hurt(bytes, dice) : bytes] };
  },
};

const methods = ["GET", "GET", "GET", "GET", "POST", "HEAD", "PUT", "OPTIONS", "get", "G", "CONNECT", ""];
const pages = ["/", "/chat", "/metrics", "/healthz", "/readyz", "/api", "/api/openapi.json", "/console/main.js"];
const contentTypes = ["application/json", "application/json; charset=utf-8", "text/plain", "", "application/x-ndjson"];
const calls = [...callNames, "authorize/explain", "constructor", "__proto__"];
const callKeys = ["user", "connection", "session", "session_id", "code", "reason", "prefix", "cursor", "calls", "ttl"];
const callBodies: readonly unknown[] = [
  {},
  { channel: "chat.room.1", message: { text: "hello" } },
  { channel: "chat.room.1", message: "m", user: "u", key: "k", recipients: [1] },
  { channels: ["a", "b.c"], message: [1, [2, [3]]] },
  { user: "u", code: 4503, reason: "bye" },
  { channel: "chat.room.1", limit: 10, cursor: "c" },
  { user: 42, role: "user", expires_in: 60, channels: ["a.>"] },
  { calls: [{ call: "publish", channel: "a", message: 1 }, { call: "nonsense" }] },
];
const headerNames = ["Host", "Connection", "Upgrade", "Sec-WebSocket-Version", "Sec-WebSocket-Key", "Origin", "Cookie"]
  .concat(["Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions", "Authorization", "X-Forwarded-For", "Expect"])
  .concat(["Content-Length", "Transfer-Encoding", "", " ", "X\u0000Y"]);
const headerValues = (dice: Dice): readonly string[] => [
  ...["", "websocket", "Upgrade", "keep-alive, Upgrade", "13", "8", "null", "bearer, a.b.c", "Bearer a.b.c", "chunked"],
  ...[
    "permessage-deflate; client_max_window_bits",
    "permessage-deflate; server_max_window_bits=1",
    "*",
    "\u00ff\u0001",
  ],
  ...[
    "tidegate.msgpack.v1, tidegate.json.v1",
    "tidegate.json.batch.v1, tidegate.json.v1",
    "0",
    "-1",
    "99999999999999999999",
    "1.2.3.4, 5.6.7.8:99",
    "100-continue",
  ],
  ...["x".repeat(dice.below(20_000)), ",".repeat(dice.below(5000)), "a b\tc"],
];

function target(dice: Dice): string {
  const odd = ["/", "//", "/../..", "/%00", "/%", "/%ff%fe", "*", "http://x/", "/healthz", "/?token=a.b.c&token=d"];
  return dice.of([
    ...odd,
    "/?format=msgpack",
    "/?format=xml",
    `/${"p".repeat(dice.below(18_000))}`,
    "/?%=%&&=",
    "/\u00ff",
  ]);
}

function proxyHeader(dice: Dice): Buffer {
  const good = Buffer.from("0d0a0d0a000d0a515549540a2111000cc63364097f0000011234251d", "hex");
  return dice.below(2) === 0 ? good : damaged(good, bytePieces, dice);
}

function request(method: string, path: string, type: string, body: Buffer, dice: Dice): Buffer {
  const length = dice.below(6) === 0 ? dice.of([0, 1, body.length * 2, 2 ** 31, 2 ** 53]) : body.length;
  const isChunked = dice.below(6) === 0;
  const sizes = isChunked ? "Transfer-Encoding: chunked" : `Content-Length: ${length}`;
  const head = `${method} ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${type}\r\n${sizes}\r\n\r\n`;
  const size = dice.below(4) === 0 ? dice.of(["ffffffff", "-1", "0", "zz"]) : body.length.toString(16);
  const whole = isChunked ? Buffer.concat([Buffer.from(`${size}\r\n`), body, Buffer.from("\r\n0\r\n\r\n")]) : body;
  const bytes = Buffer.concat([Buffer.from(head, "latin1"), whole]);
  return dice.below(6) === 0 ? hurt(bytes, dice) : bytes;
}

const opening = (isPacked: boolean, dice: Dice): Buffer => {
  const deflate = dice.below(3) === 0 ? { "Sec-WebSocket-Extensions": "permessage-deflate" } : {};
  const packs = isPacked ? { "Sec-WebSocket-Protocol": "tidegate.msgpack.v1" } : {};
  return Buffer.from(handshakeText({ headers: { ...deflate, ...packs } }));
};

/** A whole frame; now and then with another opcode, a reserved bit (of which one means: compressed), or a wrong length. */
function frameOf(payload: Buffer, opcode: number, dice: Dice): Buffer {
  const frame = clientFrame(payload, dice.below(20) === 0 ? dice.below(16) : opcode);
  if (dice.below(20) === 0) frame[0]! ^= dice.of([0x10, 0x20, 0x40, 0x80]);
  if (dice.below(40) === 0) frame[1]! ^= 1 << dice.below(8);
  return frame;
}

function json(dice: Dice): Buffer {
  const text = Buffer.from(JSON.stringify(altered(dice.of(corpus), pool, keys, dice)) ?? "");
  return dice.below(3) === 0 ? damaged(text, textPieces, dice) : text;
}

function packed(dice: Dice): Buffer {
  const bytes = Buffer.from(dice.of(packrs).pack(altered(dice.of(corpus), [...pool, ...foreign], keys, dice)));
  return dice.below(3) === 0 ? damaged(bytes, bytePieces, dice) : bytes;
}

const httpPieces = ["\r\n", "\n", "\r", "\r\n\r\n", "\u0000", " ", ":", "HTTP/1.1", "HTTP/9.9", "GET / HTTP/1.1\r\n"]
  .concat(["Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n", "\u00ff".repeat(40), "0\r\n\r\n", "\r\n \r\n"])
  .map((text) => Buffer.from(text, "latin1"));
const hurt = (bytes: Buffer, dice: Dice): Buffer => damaged(bytes, dice.below(2) ? httpPieces : bytePieces, dice);

function many<T>(max: number, dice: Dice, make: (i: number) => T): T[] {
  return Array.from({ length: 1 + dice.below(max) }, (_, i) => make(i));
}

/** Mostly as one; else cut at one to four places. */
function inPieces(bytes: Buffer, dice: Dice): Buffer[] {
  if (dice.below(3) > 0) return [bytes];
  const cuts = many(4, dice, () => dice.below(bytes.length + 1)).sort((a, b) => a - b);
  return [0, ...cuts].map((from, i) => bytes.subarray(from, cuts[i] ?? bytes.length));
}
