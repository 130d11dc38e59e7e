/** The HTTP answers of the public port that are no upgrade. */
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

/** Answers with the status, the headers that go with it and the reason as JSON, and closes the connection. */
export function rejectHandshake(res: HttpResponse, { status, error, retryAfterSeconds }: Rejection): void {
  res.writeStatus(statusTexts[status]).writeHeader("Content-Type", "application/json");
  if (retryAfterSeconds !== undefined) res.writeHeader("Retry-After", String(retryAfterSeconds));
  if (status === "401") res.writeHeader("WWW-Authenticate", "Bearer");
  if (status === "426") res.writeHeader("Upgrade", "websocket").writeHeader("Sec-WebSocket-Version", "13");
  res.end(JSON.stringify({ success: false, error }), true);
}
