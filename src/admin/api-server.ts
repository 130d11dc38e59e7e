/**
 * The server API over HTTP: one route for each row of the call table, and an answer for everything near them.
 *
 * The rule: thousands of calls a second go through here beside the sockets, so what is done for each is counted: a
 * handful of headers, one parse, one check, one answer, and no promise besides the call's own. Nothing throws out of a
 * handler, and a call begins only once its whole body is there.
 */
import type { ApiKeys } from "../auth/api-keys.ts";
import { type CallLimits, CallRunner } from "../calls/call-runner.ts";
import { type CallName, callNames, callPath, type Doors, type ItemAnswer } from "../calls/call-table.ts";
import type { Log } from "../log/log.ts";
import type { ApiCounters } from "../metrics/api-counters.ts";
import type { HttpRequest, HttpResponse, TemplatedApp } from "../uws/uws.ts";
import { Bodies, Body, type BodyFault } from "./api-body.ts";
import { ApiGate } from "./api-gate.ts";
import { type ApiRefusal, callRefusal, refusal, refusalReply } from "./api-reply.ts";
import { contentFormat, type Format, parsedJson, parsedLines } from "./api-text.ts";
import { writeReply } from "./reply.ts";

/** What the gateway hands in. */
export interface ApiOptions extends Doors, CallLimits {
  readonly keys: ApiKeys;
  readonly bodyBytesMax: number;
  readonly bodyTimeoutSeconds: number;
  /** Of one key; 0: no limit. */
  readonly requestsPerSecondMax: number;
  readonly counters: ApiCounters;
}

/** Call `stop` when the port is closed. */
export interface ApiServer {
  stop(): void;
}

/** Adds the routes to `app`, which listens on `host`. */
export function serveApi(
  app: TemplatedApp,
  options: ApiOptions & { readonly host: string; readonly log: Log },
): ApiServer {
  const server = new Server(options);
  for (const name of callNames) {
    app.post(callPath(name), (response, request) => server.accept(name, response, request));
    app.any(callPath(name), (response, request) => server.refuseMethod(name, response, request));
  }
  return server;
}

class Server implements ApiServer {
  readonly #gate: ApiGate;
  readonly #bodies: Bodies;
  readonly #runner: CallRunner;
  readonly #counters: ApiCounters;

  constructor(options: ApiOptions & { readonly host: string; readonly log: Log }) {
    this.#gate = new ApiGate(options);
    this.#bodies = new Bodies(options.bodyBytesMax, options.bodyTimeoutSeconds);
    this.#runner = new CallRunner(options, options, options.log);
    this.#counters = options.counters;
  }

  stop(): void {
    this.#bodies.stop();
  }

  /** Hot path: the headers are read here, for they are gone when this returns. */
  accept(name: CallName, response: HttpResponse, request: HttpRequest): void {
    const refused = this.#gate.check(request, response);
    if (refused !== undefined) return this.#refuse(name, response, refused);
    const format = contentFormat(request.getHeader("content-type"), name);
    if (format === undefined) return this.#refuse(name, response, name === "batch" ? wrongBatchType : wrongType);
    const body: Body = new Body(this.#bodies, response, (outcome) => {
      if (typeof outcome === "string") this.#refuse(name, response, this.#faultRefusal(outcome), outcome === "timeout");
      else this.#carryOut(name, format, outcome, body, response);
    });
  }

  refuseMethod(name: CallName, response: HttpResponse, request: HttpRequest): void {
    const method = request.getCaseSensitiveMethod();
    const isHead = method === "HEAD";
    const given = /^[A-Z]{1,20}$/.test(method) ? method : "another";
    const refused = refusal(405, "method_not_allowed", `Use POST, not ${given}`, { Allow: "POST" });
    this.#counters.count(name, 405);
    response.onAborted(() => {}); // an answer to HEAD is not over for uWebSockets.js when this returns
    response.cork(() => writeReply(response, refusalReply(refused), isHead));
  }

  /** Hot path. */
  #carryOut(name: CallName, format: Format, bytes: Uint8Array, body: Body, response: HttpResponse): void {
    try {
      const params = format === "lines" ? { calls: parsedLines(bytes) } : parsedJson(name, bytes);
      this.#runner.run(name, params).then(
        (result) => this.#answer(name, format, result, body, response),
        (error: unknown) => this.#fail(name, error, body, response),
      );
    } catch (error) {
      this.#fail(name, error, body, response);
    }
  }

  #answer(name: CallName, format: Format, result: unknown, body: Body, response: HttpResponse): void {
    let text: string;
    try {
      if (name === "batch") this.#countItems(resultsOf(result));
      text = format === "lines" ? linesOf(resultsOf(result)) : `{"result":${JSON.stringify(result)}}`;
    } catch (error) {
      return this.#fail(name, error, body, response);
    }
    this.#counters.count(name, 200);
    if (body.isAborted) return; // the call was carried out all the same
    response.cork(() => {
      response.writeHeader("Content-Type", format === "lines" ? "application/x-ndjson" : "application/json").end(text);
    });
  }

  #fail(name: CallName, error: unknown, body: Body, response: HttpResponse): void {
    const refused = callRefusal(this.#runner.callErrorOf(name, error));
    if (body.isAborted) this.#counters.count(name, refused.status);
    else this.#refuse(name, response, refused);
  }

  #refuse(name: CallName, response: HttpResponse, refused: ApiRefusal, isLast = false): void {
    this.#counters.count(name, refused.status);
    response.cork(() => writeReply(response, refusalReply(refused), false, isLast));
  }

  #countItems(answers: readonly ItemAnswer[]): void {
    const refused = answers.filter((answer) => "error" in answer).length;
    this.#counters.itemsRefused += refused;
    this.#counters.itemsOk += answers.length - refused;
  }

  #faultRefusal(fault: BodyFault): ApiRefusal {
    if (fault === "timeout") return tooSlow;
    const message = `The body must have ${this.#bodies.bytesMax} bytes at most (api.bodyBytesMax)`;
    return refusal(413, "too_large", message);
  }
}

const resultsOf = (result: unknown): readonly ItemAnswer[] => (result as { results: readonly ItemAnswer[] }).results;
const linesOf = (answers: readonly ItemAnswer[]): string =>
  answers.map((answer) => `${JSON.stringify(answer)}\n`).join("");

const tooSlow = refusal(408, "timeout", "The body did not come in time: see api.bodyTimeoutSeconds");
const wrongType = refusal(415, "unsupported_media_type", "Content-Type must be application/json");
const wrongBatchType = refusal(
  415,
  "unsupported_media_type",
  "Content-Type must be application/json or application/x-ndjson",
);
