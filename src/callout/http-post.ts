/**
 * One JSON document posted to a backend, and its answer.
 *
 * Asked on our terms: the URL comes from the configuration, no redirect is followed, the whole of it is bounded in time
 * and the answer in bytes. Connections are kept for the next question; where the backend closed such a one just as it
 * was used, the question is asked once more, for asking changes nothing.
 */
import { type ClientRequest, Agent as HttpAgent, request as httpRequest, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { signature } from "./signature.ts";

/** What went wrong: nobody was there in time, or what came is no answer. */
export class PostError extends Error {
  override readonly name = "PostError";
  readonly isTimeout: boolean;

  constructor(message: string, isTimeout = false) {
    super(message);
    this.isTimeout = isTimeout;
  }
}

const answerBytesMax = 16_384;
/** Before the backend closes it: the least that servers give is five seconds (Node). */
const idleMs = 4000;

export class HttpPost {
  readonly #secret: string;
  readonly #http: HttpAgent;
  readonly #https: HttpsAgent;

  /** `secret` signs what is sent, "" signs nothing; at most `connectionsMax` connections to one backend. */
  constructor(secret: string, connectionsMax: number) {
    const options = { keepAlive: true, maxSockets: connectionsMax, maxFreeSockets: connectionsMax, timeout: idleMs };
    this.#secret = secret;
    this.#http = new HttpAgent(options);
    this.#https = new HttpsAgent(options);
  }

  /** Resolves to the parsed answer of status 200. Rejects with a `PostError` after `timeoutMs` at the latest. */
  async send(url: string, document: object, timeoutMs: number, unixSeconds: number): Promise<unknown> {
    const body = JSON.stringify(document);
    const headers: Record<string, string | number> = {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(body),
      accept: "application/json",
      "user-agent": "tidegate",
    };
    if (this.#secret !== "") headers["tidegate-signature"] = signature(this.#secret, unixSeconds, body);
    const signal = AbortSignal.timeout(timeoutMs);
    try {
      return await this.#attempt(url, body, headers, signal, true);
    } catch (error) {
      if (error instanceof PostError) throw error;
      if (signal.aborted) throw new PostError(`no answer within ${timeoutMs} ms`, true);
      throw new PostError(error instanceof SyntaxError ? "the answer is no JSON" : String((error as Error).message));
    }
  }

  /** Ends the connections that are kept. */
  stop(): void {
    this.#http.destroy();
    this.#https.destroy();
  }

  async #attempt(
    url: string,
    body: string,
    headers: Record<string, string | number>,
    signal: AbortSignal,
    mayRepeat: boolean,
  ): Promise<unknown> {
    const options = { method: "POST", headers, signal };
    const request = url.startsWith("https:")
      ? httpsRequest(url, { ...options, agent: this.#https })
      : httpRequest(url, { ...options, agent: this.#http });
    request.end(body);
    let response: IncomingMessage;
    try {
      response = await responseOf(request);
    } catch (error) {
      if (!mayRepeat || !request.reusedSocket || signal.aborted) throw error;
      return this.#attempt(url, body, headers, signal, false);
    }
    if (response.statusCode !== 200) {
      response.destroy();
      throw new PostError(`status ${response.statusCode}`);
    }
    return JSON.parse(await textOf(response));
  }
}

function responseOf(request: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.once("response", resolve);
    request.on("error", reject); // stays: an error after the response must not be unheard
    // Of an answer that changes the protocol (101) Node tells nothing else: it ends the connection.
    request.once("close", () => reject(new PostError("the connection ended without an answer")));
  });
}

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > answerBytesMax) throw new PostError(`the answer has more than ${answerBytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}
