/**
 * One request of the server API, from its body to its answer.
 *
 * The rule: it runs thousands of times a second beside the sockets, so it makes no object and no function that it can do
 * without. Nothing throws out of it, a call begins only once its whole body is there, and every request is answered in
 * the end, also while the log is away.
 */
import type { CallRunner } from "../calls/call-runner.ts";
import type { CallName, ItemAnswer } from "../calls/call-table.ts";
import { unanswered } from "../calls/call-tasks.ts";
import { CallError } from "../calls/calls.ts";
import type { ApiCounters, CallCounts } from "../metrics/api-counters.ts";
import type { HttpResponse } from "../uws/uws.ts";
import { type Bodies, Body, type BodyFault } from "./api-body.ts";
import { type ApiRefusal, callRefusal, refusal, refusalReply } from "./api-reply.ts";
import { type Format, parsedJson, parsedLines } from "./api-text.ts";
import { writeReply } from "./reply.ts";

/** What the requests of one call share. */
export interface Route {
  readonly name: CallName;
  readonly counts: CallCounts;
  readonly counters: ApiCounters;
  readonly runner: CallRunner;
  readonly bodies: Bodies;
}

export class ApiRequest extends Body {
  readonly #route: Route;
  readonly #format: Format;
  /** While its last chunk is handed over the socket is corked by uWebSockets.js itself, and a second cork would be dear. */
  #isCorked = false;
  #isAnsweredAsLate = false;

  constructor(route: Route, format: Format, response: HttpResponse) {
    super(route.bodies, response);
    this.#route = route;
    this.#format = format;
  }

  /** Hot path. */
  protected override received(bytes: ArrayBuffer | Uint8Array): void {
    const { name, runner } = this.#route;
    this.#isCorked = true;
    let params: unknown;
    try {
      params = this.#format === "lines" ? { calls: parsedLines(bytes) } : parsedJson(name, bytes);
    } catch (error) {
      return this.#settle(runner.callErrorOf(name, error));
    }
    if (name === "batch") this.end(); // each of its items has an end of its own
    runner.start(name, params, (outcome) => this.#settle(outcome));
    this.#isCorked = false;
  }

  protected override failed(fault: BodyFault): void {
    if (fault === "timeout") return refuse(this.#route.counts, this.response, tooSlow, true);
    if (fault === "unanswered") {
      this.#isAnsweredAsLate = true;
      return this.#fail(unanswered(this.#route.name));
    }
    const message = `The body must have ${this.#route.bodies.bytesMax} bytes at most (api.bodyBytesMax)`;
    refuse(this.#route.counts, this.response, refusal(413, "too_large", message));
  }

  /** Hot path. */
  #settle(outcome: unknown): void {
    if (this.#isAnsweredAsLate) return;
    this.end();
    if (outcome instanceof CallError) return this.#fail(outcome);
    const { name, counts, counters, runner } = this.#route;
    let text: string | Uint8Array;
    try {
      if (name === "batch") counters.countItems(resultsOf(outcome));
      if (isEmpty(outcome)) text = emptyResult;
      else text = this.#format === "lines" ? linesOf(resultsOf(outcome)) : `{"result":${JSON.stringify(outcome)}}`;
    } catch (error) {
      return this.#fail(runner.callErrorOf(name, error));
    }
    counts.ok += 1;
    if (this.isAborted) return; // the call was carried out all the same
    if (this.#isCorked) this.#write(text);
    else this.response.cork(() => this.#write(text));
  }

  #write(text: string | Uint8Array): void {
    this.response.writeHeader("Content-Type", contentTypes[this.#format]).end(text);
  }

  #fail(error: CallError): void {
    const { counts } = this.#route;
    const refused = callRefusal(error);
    if (this.isAborted) counts.count(refused.status);
    else refuse(counts, this.response, refused);
  }
}

/** Answers with an error. `isLast`: and closes the connection. */
export function refuse(counts: CallCounts, response: HttpResponse, refused: ApiRefusal, isLast = false): void {
  counts.count(refused.status);
  response.cork(() => writeReply(response, refusalReply(refused), false, isLast));
}

/** What most publications are answered with; each time anew as a text it would cost 0.4 us of 12. */
const emptyResult = Buffer.from('{"result":{}}');
function isEmpty(outcome: unknown): boolean {
  for (const _ in outcome as object) return false;
  return true;
}

const contentTypes: Readonly<Record<Format, string>> = { json: "application/json", lines: "application/x-ndjson" };
const resultsOf = (result: unknown): readonly ItemAnswer[] => (result as { results: readonly ItemAnswer[] }).results;
const linesOf = (answers: readonly ItemAnswer[]): string =>
  answers.map((answer) => `${JSON.stringify(answer)}\n`).join("");
const tooSlow = refusal(408, "timeout", "The body did not come in time: see api.bodyTimeoutSeconds");
