/**
 * One JSON document posted to a backend, as far as the head of its answer: how call-outs and webhooks speak HTTP.
 *
 * Asked on our terms: the URL comes from the configuration, no redirect is followed, and the whole is bounded in time,
 * the answer's body too. Connections are kept for the next document; where the backend closed such a one just as it was
 * used, the document is sent once more, which it must bear.
 */
import { createHmac } from "node:crypto";
import {
  type AgentOptions,
  type ClientRequest,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type RequestOptions,
} from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";

/** What went wrong: nobody answered in time, or what came is no answer. */
export class PostError extends Error {
  override readonly name = "PostError";
  readonly isTimeout: boolean;

  constructor(message: string, isTimeout = false) {
    super(message);
    this.isTimeout = isTimeout;
  }
}

export interface Receiver {
  readonly url: string | URL;
  /** Signs what is sent; "" signs nothing. */
  readonly secret: string | Buffer;
  readonly timeoutMs: number;
}

/** What a connection ends with that the other side has closed. */
const closings: ReadonlySet<unknown> = new Set(["ECONNRESET", "EPIPE"]);

export class HttpPost {
  readonly #headers: OutgoingHttpHeaders;
  readonly #http: HttpAgent;
  readonly #https: HttpsAgent;
  #isStopped = false;

  /** `headers` go with every document; `options` say how many connections there are, and for how long they are kept. */
  constructor(headers: OutgoingHttpHeaders, options: AgentOptions = {}) {
    this.#headers = { "content-type": "application/json", ...headers };
    this.#http = new HttpAgent({ ...options, keepAlive: true });
    this.#https = new HttpsAgent({ ...options, keepAlive: true });
  }

  /**
   * Resolves to what `take` makes of the answer, whose body is left for it to read. Rejects with what `take` does, with
   * a `PostError`, after `timeoutMs` at the latest, or with the system's error where the backend cannot be reached.
   */
  async send<T>(
    { url, secret, timeoutMs }: Receiver,
    body: string,
    unixSeconds: number,
    take: (answer: IncomingMessage) => T | Promise<T>,
  ): Promise<T> {
    const headers: OutgoingHttpHeaders = { ...this.#headers, "content-length": Buffer.byteLength(body) };
    if (secret.length > 0) headers["tidegate-signature"] = signature(secret, unixSeconds, body);
    const signal = AbortSignal.timeout(timeoutMs);
    try {
      return await take(await this.#answer(new URL(url), { method: "POST", headers, signal }, body));
    } catch (error) {
      throw signal.aborted ? new PostError(`no answer within ${timeoutMs} ms`, true) : error;
    }
  }

  /** Ends all connections, and with them what is under way. */
  stop(): void {
    this.#isStopped = true;
    this.#http.destroy();
    this.#https.destroy();
  }

  async #answer(url: URL, options: RequestOptions, body: string, mayRepeat = true): Promise<IncomingMessage> {
    const request =
      url.protocol === "https:"
        ? httpsRequest(url, { ...options, agent: this.#https })
        : httpRequest(url, { ...options, agent: this.#http });
    request.end(body);
    try {
      return await answerOf(request);
    } catch (error) {
      const isClosed = request.reusedSocket && closings.has((error as NodeJS.ErrnoException).code);
      if (!isClosed || !mayRepeat || this.#isStopped) throw error;
      return this.#answer(url, options, body, false);
    }
  }
}

/** `t=SECONDS,v1=HEX`: HMAC-SHA256 of the seconds, a dot and the body; the time lets a backend refuse what is old. */
function signature(secret: string | Buffer, unixSeconds: number, body: string): string {
  return `t=${unixSeconds},v1=${createHmac("sha256", secret).update(`${unixSeconds}.${body}`).digest("hex")}`;
}

function answerOf(request: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.once("response", resolve);
    request.on("error", reject); // stays: an error after the response must not be unheard
    // Of an answer that changes the protocol (101) Node tells nothing else: it ends the connection.
    request.once("close", () => reject(new PostError("the connection ended without an answer")));
  });
}
