/**
 * The admin port: metrics, health, the console and the chat page, for operators and never for clients; and the server API, for
 * backends.
 *
 * The one rule: a request is copied and answered in a promise that never rejects, and written only if the client is
 * still there; so nothing that goes wrong in an answer can throw out of a handler, which would end the process.
 */
import { assetPaths, pagePaths, servedPage } from "../console/console.ts";
import type { Log } from "../log/log.ts";
import { type Health, healthAnswer, healthPaths } from "../metrics/health.ts";
import { listenError } from "../uws/listen-error.ts";
import { App, type HttpRequest, type HttpResponse, listen, us_socket_local_port } from "../uws/uws.ts";
import { createApiPages } from "./api-pages.ts";
import { type ApiOptions, serveApi } from "./api-server.ts";
import { createHostCheck, hostName } from "./host-check.ts";
import { jsonReply, type Reply, textReply, writeReply } from "./reply.ts";

export interface AdminOptions {
  /** Where to listen; see `createHostCheck` for what follows from it. Port 0: any free one. */
  readonly host: string;
  readonly port: number;
  /** What `/metrics` answers: this process, or all workers together. */
  readonly metrics: { readonly contentType: string; text(): Promise<string> };
  readonly health: Pick<Health, "ready">;
  /** The port that clients connect to, and whether it speaks TLS; asked for each page. */
  publicPort(): number;
  readonly tls: boolean;
  readonly version: string;
  readonly log: Log;
  /** The server API. */
  readonly api?: ApiOptions | undefined;
}

export interface AdminServer {
  /** The port that was opened. */
  readonly port: number;
  /** Closes the port and all its connections. A second call does nothing. */
  stop(): void;
}

/** Opens the admin port, for this process alone. Throws `ListenError` where that is not possible. */
export async function startAdmin(options: AdminOptions): Promise<AdminServer> {
  const { host, port } = options;
  const answer = createAnswers(options);
  const app = App().any("/*", (response, request) => serve(answer, response, request));
  const api = options.api && serveApi(app, { ...options.api, host, log: options.log });
  const listenSocket = listen(app, host, port, { exclusive: true });
  if (listenSocket === false) throw await listenError(host, port);
  let isOpen = true;
  return {
    port: us_socket_local_port(listenSocket),
    stop() {
      if (isOpen) app.close();
      isOpen = false;
      api?.stop();
    },
  };
}

/** What an answer may depend on, copied: uWebSockets.js reuses the request as soon as its handler returns. */
interface AdminRequest {
  readonly method: string;
  readonly path: string;
  readonly hostHeader: string;
}

/** Never throws and never rejects. */
type Answer = (request: AdminRequest) => Promise<Reply>;

function serve(answer: Answer, response: HttpResponse, request: HttpRequest): void {
  let isAborted = false;
  response.onAborted(() => {
    isAborted = true;
  });
  const method = request.getCaseSensitiveMethod();
  const copied = { method, path: request.getUrl(), hostHeader: request.getHeader("host") };
  void answer(copied).then((reply) => {
    if (!isAborted) response.cork(() => writeReply(response, reply, method === "HEAD"));
  });
}

/** The whole of the admin port's behaviour, from a request to its reply. */
function createAnswers(options: AdminOptions): Answer {
  const isAllowedHost = createHostCheck(options.host);
  const apiPages = options.api && createApiPages(options.version, options.api);
  const told = [...pagePaths, "/metrics", ...healthPaths, ...(apiPages?.paths ?? [])];
  const paths = [...told, ...assetPaths];
  const get = async ({ path, hostHeader }: AdminRequest): Promise<Reply> => {
    const { tls, version } = options;
    const setting = { host: hostName(hostHeader), publicPort: options.publicPort(), tls, version };
    const page = await servedPage(path, setting);
    if (page !== undefined) return { status: 200, ...page };
    if (path === "/metrics") {
      const { contentType } = options.metrics;
      return { status: 200, contentType, body: await options.metrics.text() };
    }
    const health = healthAnswer(path, options.health);
    if (health !== undefined) return textReply(health.status, health.body);
    const apiReply = apiPages?.reply(path);
    if (apiReply !== undefined) return apiReply;
    return jsonReply(404, { error: "Not found", hint: `This port answers ${told.join(", ")}` });
  };
  return async (request) => {
    try {
      if (!isAllowedHost(request.hostHeader)) return wrongHost(options.host);
      if (request.method === "GET" || request.method === "HEAD" || !paths.includes(request.path))
        return await get(request);
      const headers = { Allow: "GET, HEAD" };
      if (apiPages?.paths.includes(request.path)) return apiPages.refuseMethod(headers);
      return jsonReply(405, { error: "Method not allowed", hint: "Use GET" }, headers);
    } catch (error) {
      options.log.error({ err: error, path: request.path }, "cannot answer an admin request");
      return jsonReply(500, { error: "Internal server error", hint: "The gateway's log tells why" });
    }
  };
}

function wrongHost(boundHost: string): Reply {
  return jsonReply(403, {
    error: "Host not allowed",
    hint: `Use an IP address, localhost or ${boundHost} in the URL, or bind the admin port to a network address`,
  });
}
