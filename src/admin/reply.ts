/** An HTTP answer as a value, and the one place that writes one to a socket. */
import { STATUS_CODES } from "node:http";
import type { HttpResponse } from "../uws/uws.ts";

export interface Reply {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export const textReply = (status: number, body: string): Reply => ({
  status,
  contentType: "text/plain; charset=utf-8",
  body,
});

export const jsonReply = (status: number, value: object, headers: Readonly<Record<string, string>> = {}): Reply => ({
  status,
  contentType: "application/json; charset=utf-8",
  body: `${JSON.stringify(value)}\n`,
  headers,
});

/** Writes `reply`, to a HEAD its headers alone; `isLast`: and closes. `response` is not aborted, and corked. */
export function writeReply(response: HttpResponse, reply: Reply, isHead: boolean, isLast = false): void {
  response.writeStatus(`${reply.status} ${STATUS_CODES[reply.status] ?? ""}`);
  response.writeHeader("Content-Type", reply.contentType);
  for (const [name, value] of Object.entries({ ...commonHeaders, ...reply.headers })) response.writeHeader(name, value);
  if (isHead) response.endWithoutBody(Buffer.byteLength(reply.body));
  else response.end(reply.body, isLast);
}

const commonHeaders = {
  "Cache-Control": "no-store",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
};
