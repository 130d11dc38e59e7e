/**
 * One request of the server API, from its body to its answer.
 *
 * The rule: it runs thousands of times a second beside the sockets, so it makes no object and no function that it can do
 * without. Nothing throws out of it, and a call begins only once its whole body is there.
 */
import type { CallRunner } from "../calls/call-runner.ts";
import type { CallName, ItemAnswer } from "../calls/call-table.ts";
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

  constructor(route: Route, format: Format, response: HttpResponse) {
    super(route.bodies, response);
    this.#route = route;
    this.#format = format;
  }

  /** Hot path. */
  protected override received(bytes: ArrayBuffer | Uint8Array): void {
    const { name, runner } = this.#route;
    underWay = this;
    try {
      const params = this.#format === "lines" ? { calls: parsedLines(bytes) } : parsedJson(name, bytes);
      runner.run(name, params).then(
        (result) => this.#answer(result),
        (error: unknown) => this.#fail(error),
      );
    } catch (error) {
      this.#fail(error);
    }
    later.then(noneUnderWay);
  }

  protected override failed(fault: BodyFault): void {
    if (fault === "timeout") return refuse(this.#route.counts, this.response, tooSlow, true);
    const message = `The body must have ${this.#route.bodies.bytesMax} bytes at most (api.bodyBytesMax)`;
    refuse(this.#route.counts, this.response, refusal(413, "too_large", message));
  }

  /** Hot path. */
  #answer(result: unknown): void {
    const { name, counts, counters } = this.#route;
    let text: string;
    try {
      if (name === "batch") counters.countItems(resultsOf(result));
      text = this.#format === "lines" ? linesOf(resultsOf(result)) : `{"result":${JSON.stringify(result)}}`;
    } catch (error) {
      return this.#fail(error);
    }
    counts.ok += 1;
    if (this.isAborted) return; // the call was carried out all the same
    if (underWay === this) this.#write(text);
    else this.response.cork(() => this.#write(text));
  }

  #write(text: string): void {
    this.response.writeHeader("Content-Type", contentTypes[this.#format]).end(text);
  }

  #fail(error: unknown): void {
    const { name, counts, runner } = this.#route;
    const refused = callRefusal(runner.callErrorOf(name, error));
    if (this.isAborted) counts.count(refused.status);
    else refuse(counts, this.response, refused);
  }
}

/** Answers with an error. `isLast`: and closes the connection. */
export function refuse(counts: CallCounts, response: HttpResponse, refused: ApiRefusal, isLast = false): void {
  counts.count(refused.status);
  response.cork(() => writeReply(response, refusalReply(refused), false, isLast));
}

/**
 * The request whose last chunk is being handed over: its socket is corked, by uWebSockets.js itself, until all promises
 * that are settled by then have run. A cork of one's own would cost more than the check of the call.
 */
let underWay: ApiRequest | undefined;
const later = Promise.resolve();
const noneUnderWay = (): void => {
  underWay = undefined;
};

const contentTypes: Readonly<Record<Format, string>> = { json: "application/json", lines: "application/x-ndjson" };
const resultsOf = (result: unknown): readonly ItemAnswer[] => (result as { results: readonly ItemAnswer[] }).results;
const linesOf = (answers: readonly ItemAnswer[]): string =>
  answers.map((answer) => `${JSON.stringify(answer)}\n`).join("");
const tooSlow = refusal(408, "timeout", "The body did not come in time: see api.bodyTimeoutSeconds");
