/**
 * Asks backends whether something is allowed, and says what holds where they do not answer.
 *
 * The rule: a question always ends, within its time-out, in a verdict; nothing here throws or rejects. What was answered
 * with a `ttl`, and what is decided without asking, is there at once and without a promise. Equal questions are one:
 * those of one event, user, role and channel; of an anonymous user also of one address.
 */
import type { IncomingMessage } from "node:http";
import { z } from "zod";
import type { Clock } from "../clock/clock.ts";
import { type ErrorCode, errorCodes } from "../protocol/codes.ts";
import { AnswerCache } from "./answer-cache.ts";
import { Breaker, type BreakerState } from "./breaker.ts";
import { type CalloutEvent, type CalloutOptions, type CalloutTarget, shownUrl } from "./callout-options.ts";
import { HttpPost, PostError } from "./http-post.ts";

/** What the backend is told, as JSON. */
export interface Question {
  readonly event: CalloutEvent;
  /** As the token has it; absent: anonymous. */
  readonly user?: string | number | undefined;
  readonly role?: string | undefined;
  readonly channel?: string | undefined;
  /** Absent for a handshake. */
  readonly connection?: number | undefined;
  readonly session?: string | undefined;
  readonly address: string;
}

/** `code` is one of the protocol's. */
export type Verdict =
  | { readonly allow: true }
  | { readonly allow: false; readonly code: ErrorCode; readonly reason: string };

export interface CalloutParts {
  readonly clock: Clock;
  readonly counters: CalloutCounters;
  readonly log: { warn(fields: object, text: string): void };
}

/** What is counted; `metrics/` has such an object. */
export interface CalloutCounters {
  readonly calloutDecisions: Record<CalloutEvent, Record<"allowed" | "refused" | "unanswered", number>>;
  readonly calloutRequests: Record<"answered" | "failed" | "timed_out", number>;
  readonly calloutsReused: Record<"cache" | "flight", number>;
  readonly calloutsUnasked: Record<"breaker" | "in_flight_max", number>;
  readonly calloutLatency: { observe(milliseconds: number): void };
}

const answerBytesMax = 16_384;
/** A kept connection's, before the backend closes it: the least that servers give is five seconds (Node). */
const idleMs = 4000;
/** Seconds; an answer that is to hold for longer holds for so long. */
const ttlMax = 86_400;

/** Only `allow` must be right; whatever else is not, is as if it were not there. */
const answerSchema = z.object({
  allow: z.boolean(),
  code: z.enum(errorCodes as [ErrorCode, ...ErrorCode[]]).catch("forbidden"),
  reason: z.string().max(256).catch("Not allowed"),
  ttl: z
    .number()
    .min(0)
    .transform((seconds) => Math.min(seconds, ttlMax))
    .catch(0),
});

const allowed: Verdict = { allow: true };
const unavailable: Verdict = {
  allow: false,
  code: "unavailable",
  reason: "Cannot be decided now. Try again.",
};

export class Callouts {
  readonly #options: CalloutOptions;
  readonly #parts: CalloutParts;
  readonly #post: HttpPost;
  readonly #answers: AnswerCache<Verdict>;
  readonly #inFlight = new Map<string, Promise<Verdict | undefined>>();
  readonly #breakers = new Map<string, Breaker>(); // by URL: as many as the configuration names

  constructor(options: CalloutOptions, parts: CalloutParts) {
    this.#options = options;
    this.#parts = parts;
    const headers = { accept: "application/json", "user-agent": "tidegate" };
    const connections = { maxSockets: options.inFlightMax, maxFreeSockets: options.inFlightMax, timeout: idleMs };
    this.#post = new HttpPost(headers, connections);
    this.#answers = new AnswerCache(options.cacheEntriesMax, parts.clock);
  }

  /** The verdict, at once where it is known. */
  ask(target: CalloutTarget, question: Question): Verdict | Promise<Verdict> {
    const { calloutsReused } = this.#parts.counters;
    const key = JSON.stringify([target.url, ...namesOf(question)]);
    const known = this.#answers.get(key);
    if (known !== undefined) {
      calloutsReused.cache += 1;
      return this.#decided(target, question, known);
    }
    let flight = this.#inFlight.get(key);
    if (flight !== undefined) calloutsReused.flight += 1;
    else flight = this.#begin(target, question, key);
    if (flight === undefined) return this.#decided(target, question, undefined);
    return flight.then((answer) => this.#decided(target, question, answer));
  }

  /** How many backends stand in each state. */
  breakers(): Record<BreakerState, number> {
    const count = { closed: 0, open: 0, half_open: 0 };
    for (const { state } of this.#breakers.values()) count[state] += 1;
    return count;
  }

  stop(): void {
    this.#post.stop();
  }

  /** `undefined` where the backend is not to be asked now. The promise resolves to `undefined` where it did not answer. */
  #begin(target: CalloutTarget, question: Question, key: string): Promise<Verdict | undefined> | undefined {
    const { calloutsUnasked } = this.#parts.counters;
    if (this.#inFlight.size >= this.#options.inFlightMax) {
      calloutsUnasked.in_flight_max += 1;
      return undefined;
    }
    const breaker = this.#breakerOf(target.url);
    const pass = breaker.pass();
    if (pass === undefined) {
      calloutsUnasked.breaker += 1;
      return undefined;
    }
    const flight = this.#request(target, question, key, breaker, pass).finally(() => this.#inFlight.delete(key));
    this.#inFlight.set(key, flight);
    return flight;
  }

  async #request(
    { url, timeoutMs }: CalloutTarget,
    question: Question,
    key: string,
    breaker: Breaker,
    pass: number,
  ): Promise<Verdict | undefined> {
    const { clock, counters, log } = this.#parts;
    const startedMs = clock.nowMs();
    try {
      const receiver = { url, secret: this.#options.secret, timeoutMs };
      const document = await this.#post.send(receiver, JSON.stringify(question), clock.unixSeconds(), documentOf);
      const answer = answerSchema.safeParse(document);
      if (!answer.success) throw new PostError("the answer must be an object with allow: true or false");
      counters.calloutRequests.answered += 1;
      if (breaker.succeeded(pass)) log.warn({ url: shownUrl(url) }, "call-outs are answered again");
      const { allow, code, reason, ttl } = answer.data;
      const verdict: Verdict = allow ? allowed : { allow, code, reason };
      this.#answers.set(key, verdict, ttl);
      return verdict;
    } catch (error) {
      counters.calloutRequests[error instanceof PostError && error.isTimeout ? "timed_out" : "failed"] += 1;
      if (breaker.failed(pass)) {
        const { pauseSeconds } = this.#options;
        const reason = error instanceof Error ? error.message : String(error);
        log.warn({ url: shownUrl(url), reason, pauseSeconds }, "call-outs fail: the backend is not asked for a while");
      }
      return undefined;
    } finally {
      counters.calloutLatency.observe(clock.nowMs() - startedMs);
    }
  }

  #decided({ whenDown }: CalloutTarget, { event }: Question, answer: Verdict | undefined): Verdict {
    const count = this.#parts.counters.calloutDecisions[event];
    if (answer === undefined) {
      count.unanswered += 1;
      return whenDown === "allow" ? allowed : unavailable;
    }
    count[answer.allow ? "allowed" : "refused"] += 1;
    return answer;
  }

  #breakerOf(url: string): Breaker {
    const { failuresMax, pauseSeconds } = this.#options;
    const known = this.#breakers.get(url);
    if (known !== undefined) return known;
    const breaker = new Breaker({ failuresMax, pauseMs: pauseSeconds * 1000 }, this.#parts.clock);
    this.#breakers.set(url, breaker);
    return breaker;
  }
}

function namesOf({ event, user, role, channel, address }: Question): unknown[] {
  return [event, user ?? null, role ?? null, channel ?? null, user === undefined ? address : null];
}

/** The parsed answer of status 200. Rejects with a `PostError` where there is none. */
async function documentOf(answer: IncomingMessage): Promise<unknown> {
  if (answer.statusCode !== 200) {
    answer.destroy();
    throw new PostError(`status ${answer.statusCode}`);
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of answer as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > answerBytesMax) throw new PostError(`the answer has more than ${answerBytesMax} bytes`);
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString());
  } catch {
    throw new PostError("the answer is no JSON");
  }
}
