/**
 * One signed request to a receiver, and what its answer means.
 *
 * The rule: the receiver decides nothing but the outcome. Redirects are not followed, a body is read only so that the
 * connection can be used again, and the whole takes no longer than its time.
 */
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { signature } from "../callout/signature.ts";

export type Outcome =
  /** The receiver has it. */
  | "delivered"
  /** It will never take this: no further attempt. */
  | "refused"
  /** It answered with an error, or not in time. */
  | "failed"
  /** It is not there, or says that it is busy: this says nothing about what was sent. */
  | "away";

export interface Answer {
  readonly outcome: Outcome;
  /** For people: `status 500`, `no answer within 5000 ms`. */
  readonly reason: string;
  /** What the receiver asked to be left alone for, in ms; 0 for nothing. */
  readonly retryAfterMs: number;
}

export interface Receiver {
  readonly url: URL;
  readonly secret: Buffer;
  readonly timeoutMs: number;
}

/** An answer's body is nobody's: this much is read, then the connection is given up. */
const answerBytesMax = 64 * 1024;
const retryAfterMaxMs = 3_600_000;
/** The receiver understood the request, and says that it is wrong, or that there will never be anyone to take it. */
const refusals = new Set([400, 410, 413, 422]);
const absences = new Set([408, 429, 502, 503, 504]);
const agents = {
  "http:": new HttpAgent({ keepAlive: true, maxFreeSockets: 16 }),
  "https:": new HttpsAgent({ keepAlive: true, maxFreeSockets: 16 }),
};

/** Sends `body`, signed now; `stop` ends it early. Never rejects. */
export async function post(receiver: Receiver, body: string, stop: AbortSignal): Promise<Answer> {
  // A connection that the receiver closed while it was idle says nothing about the receiver: a new one does.
  return (await attempt(receiver, body, stop)) ?? (await attempt(receiver, body, stop)) ?? answer("away", "ECONNRESET");
}

/** `undefined`: the connection was an old one, and is gone. */
function attempt({ url, secret, timeoutMs }: Receiver, body: string, stop: AbortSignal): Promise<Answer | undefined> {
  const bytes = Buffer.from(body);
  const headers = {
    "content-type": "application/json",
    "content-length": bytes.length,
    "user-agent": "tidegate-webhooks",
    "tidegate-signature": signature(secret, Math.floor(Date.now() / 1000), body),
  };
  return new Promise((resolve) => {
    const send = url.protocol === "https:" ? httpsRequest : httpRequest;
    const agent = agents[url.protocol as keyof typeof agents];
    const request = send(url, { method: "POST", headers, agent }, (response) => {
      resolve(answerOf(response));
      discard(response);
    });
    const end = (): void => void request.destroy();
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      end();
    }, timeoutMs);
    stop.addEventListener("abort", end); // not AbortSignal.any: what lives long would remember each request
    request.on("close", () => {
      clearTimeout(timer);
      stop.removeEventListener("abort", end);
      // Nothing was heard but the end: Node tells no more of an answer that changes the protocol (101).
      resolve(answer("failed", "the connection ended without an answer"));
    });
    request.on("error", (error: NodeJS.ErrnoException) => {
      if (isLate) resolve(answer("failed", `no answer within ${timeoutMs} ms`));
      else if (request.reusedSocket && error.code === "ECONNRESET") resolve(undefined);
      else resolve(answer("away", error.code ?? error.name));
    });
    if (stop.aborted) end();
    request.end(bytes);
  });
}

function answerOf({ statusCode: status = 0, headers }: IncomingMessage): Answer {
  const reason = `status ${status}`;
  if (status >= 200 && status < 300) return answer("delivered", reason);
  if (refusals.has(status)) return answer("refused", reason);
  return answer(absences.has(status) ? "away" : "failed", reason, retryAfterMs(headers["retry-after"]));
}

function answer(outcome: Outcome, reason: string, retryAfterMs = 0): Answer {
  return { outcome, reason, retryAfterMs };
}

/** `Retry-After` in either form (RFC 9110, section 10.2.3). */
function retryAfterMs(header: string | undefined): number {
  if (header === undefined) return 0;
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isFinite(ms) ? Math.min(retryAfterMaxMs, Math.max(0, ms)) : 0;
}

function discard(response: IncomingMessage): void {
  let bytes = 0;
  response.on("error", () => {}); // the outcome is known
  response.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > answerBytesMax) response.destroy();
  });
}
