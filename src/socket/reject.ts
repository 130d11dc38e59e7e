/**
 * The HTTP answers of the public port that are no upgrade.
 *
 * The rule: a connection gets one of them and is closed. uWebSockets.js takes a PROXY header before every request, and
 * every one after the first would be the client's own. So each answer waits until the packet of its request has been
 * read to its end: a second request in it finds the first one unanswered, which ends the connection.
 */
import type { HealthAnswer } from "../metrics/health.ts";
import type { HttpResponse } from "../uws/uws.ts";
import type { Rejection } from "./handshake.ts";

const statusTexts: Record<Rejection["status"], string> = {
  "400": "400 Bad Request",
  "401": "401 Unauthorized",
  "403": "403 Forbidden",
  "426": "426 Upgrade Required",
  "429": "429 Too Many Requests",
  "503": "503 Service Unavailable",
};

/** Answers with the status, the headers that go with it and the reason as JSON; to a HEAD without that. */
export function rejectHandshake(
  res: HttpResponse,
  { status, error, retryAfterSeconds }: Rejection,
  isHead = false,
): void {
  answer(res, isHead, JSON.stringify({ success: false, error }), () => {
    res.writeStatus(statusTexts[status]).writeHeader("Content-Type", "application/json");
    if (retryAfterSeconds !== undefined) res.writeHeader("Retry-After", String(retryAfterSeconds));
    if (status === "401") res.writeHeader("WWW-Authenticate", "Bearer");
    if (status === "426") res.writeHeader("Upgrade", "websocket").writeHeader("Sec-WebSocket-Version", "13");
  });
}

/** Answers `/healthz` or `/readyz`; to a HEAD without the body. */
export function answerHealth(res: HttpResponse, { status, body }: HealthAnswer, isHead: boolean): void {
  answer(res, isHead, body, () => {
    res.writeStatus(status === 200 ? "200 OK" : statusTexts["503"]).writeHeader("Content-Type", "text/plain");
    res.writeHeader("Cache-Control", "no-store");
  });
}

/** Writes what `writeHead` writes, then the body, or to a HEAD its length alone; then closes. */
function answer(res: HttpResponse, isHead: boolean, body: string, writeHead: () => void): void {
  afterPacket(
    res,
    () => {
      writeHead();
      if (!isHead) return void res.end(body, true);
      res.writeHeader("Connection", "close");
      res.tryEnd("", Buffer.byteLength(body)); // the length alone; `endWithoutBody` would leave the connection open
    },
    () => isHead && res.close(),
  );
}

/** Runs `write` corked and in a turn of its own, then `written`; neither where the client has gone by then. */
function afterPacket(res: HttpResponse, write: () => void, written: () => void = () => {}): void {
  let isAborted = false;
  res.onAborted(() => {
    isAborted = true;
  });
  setImmediate(() => {
    if (isAborted) return;
    res.cork(write);
    written();
  });
}
