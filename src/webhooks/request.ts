/**
 * One signed request to a receiver, and what its answer means.
 *
 * The rule: the receiver decides nothing but the outcome. Redirects are not followed, a body is read only so that the
 * connection can be used again, and the whole takes no longer than its time.
 */
import type { IncomingMessage } from "node:http";
import { type HttpPost, PostError, type Receiver } from "../callout/http-post.ts";

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

/** An answer's body is nobody's: this much is read, then the connection is given up. */
const answerBytesMax = 64 * 1024;
const retryAfterMaxMs = 3_600_000;
/** The receiver understood the request, and says that it is wrong, or that there will never be anyone to take it. */
const refusals = new Set([400, 410, 413, 422]);
const absences = new Set([408, 429, 502, 503, 504]);

/** Sends `body`, signed now. Never rejects. */
export async function post(http: HttpPost, receiver: Receiver, body: string): Promise<Answer> {
  try {
    return await http.send(receiver, body, Math.floor(Date.now() / 1000), (response) => {
      discard(response);
      return answerOf(response);
    });
  } catch (error) {
    if (error instanceof PostError) return answer("failed", error.message);
    const { code, name } = error as NodeJS.ErrnoException;
    return answer("away", code ?? name);
  }
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
