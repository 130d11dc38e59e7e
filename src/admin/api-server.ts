/**
 * The server API over HTTP: one route for each row of the call table, and an answer for everything near them.
 *
 * The rule: the headers are read here, as few as will do, for they are gone when the handler returns.
 */
import type { ApiKeys } from "../auth/api-keys.ts";
import { type CallLimits, CallRunner } from "../calls/call-runner.ts";
import { type CallServices, callNames, callPath } from "../calls/call-table.ts";
import type { Log } from "../log/log.ts";
import type { ApiCounters } from "../metrics/api-counters.ts";
import type { HttpRequest, HttpResponse, TemplatedApp } from "../uws/uws.ts";
import { Bodies } from "./api-body.ts";
import { ApiGate } from "./api-gate.ts";
import { refusal, refusalReply } from "./api-reply.ts";
import { ApiRequest, type Route, refuse } from "./api-request.ts";
import { contentFormat } from "./api-text.ts";
import { writeReply } from "./reply.ts";

/** What the gateway hands in. */
export interface ApiOptions extends CallServices, CallLimits {
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
  const { counters, log } = options;
  const gate = new ApiGate(options);
  const bodies = new Bodies(options);
  const runner = new CallRunner(options, options, log);
  for (const name of callNames) {
    const route: Route = { name, counts: counters.of(name), counters, runner, bodies };
    app.post(callPath(name), (response, request) => accept(gate, route, response, request));
    app.any(callPath(name), (response, request) => refuseMethod(route, response, request));
  }
  return { stop: () => bodies.stop() };
}

/** Hot path. */
function accept(gate: ApiGate, route: Route, response: HttpResponse, request: HttpRequest): void {
  const refused = gate.check(request, response);
  if (refused !== undefined) return refuse(route.counts, response, refused);
  const format = contentFormat(request.getHeader("content-type"), route.name);
  if (format === undefined) return refuse(route.counts, response, route.name === "batch" ? wrongBatchType : wrongType);
  new ApiRequest(route, format, response); // it holds on to itself until it is answered
}

function refuseMethod({ counts }: Route, response: HttpResponse, request: HttpRequest): void {
  const method = request.getCaseSensitiveMethod();
  const isHead = method === "HEAD";
  const given = /^[A-Z]{1,20}$/.test(method) ? method : "another";
  const refused = refusal(405, "method_not_allowed", `Use POST, not ${given}`, { Allow: "POST" });
  counts.count(405);
  response.onAborted(() => {}); // an answer to HEAD is not over for uWebSockets.js when this returns
  response.cork(() => writeReply(response, refusalReply(refused), isHead));
}

const wrongType = refusal(415, "unsupported_media_type", "Content-Type must be application/json");
const wrongBatchType = refusal(
  415,
  "unsupported_media_type",
  "Content-Type must be application/json or application/x-ndjson",
);
