/**
 * One connection of `tidegate tail`, from the handshake to its end: how it ended decides what the client does next.
 *
 * Close codes below 4500, and handshakes refused with 429 or 503, ask the client to come back; everything else will not
 * get better by trying again.
 */
import type { IncomingMessage } from "node:http";
import { WebSocket } from "ws";

export interface SessionOptions {
  readonly url: string;
  /** Sent as a header: a URL ends up in logs. */
  readonly token: string | undefined;
}

export interface SessionEnd {
  /** What happened, for people. */
  readonly text: string;
  readonly code: number;
  readonly mayReturn: boolean;
  /** The server's wish; `undefined`: the client's own backoff. */
  readonly retryMs: number | undefined;
}

const handshakeMs = 10_000;

export class Session {
  /** Settles when the connection is gone, whoever ended it. */
  readonly ended: Promise<SessionEnd>;
  readonly #socket: WebSocket;
  #retryMs: number | undefined;
  #silence: NodeJS.Timeout | undefined;

  /** `receive` gets each text frame. */
  constructor({ url, token }: SessionOptions, receive: (text: string) => void) {
    const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
    this.#socket = new WebSocket(url, { headers, handshakeTimeout: handshakeMs });
    this.#socket.on("message", (data, isBinary) => {
      this.#silence?.refresh();
      if (!isBinary) receive(data.toString());
    });
    this.#socket.on("ping", () => this.#silence?.refresh());
    this.ended = new Promise((resolve) => {
      let fault: string | undefined;
      let isOpen = false;
      this.#socket.on("open", () => {
        isOpen = true;
      });
      this.#socket.on("error", (error: NodeJS.ErrnoException) => {
        fault ??= error.message || error.code; // for a name with two addresses there is only the code
      });
      this.#socket.on("unexpected-response", (request, response) => {
        response.resume();
        resolve(refusedEnd(response));
        request.destroy();
      });
      this.#socket.on("close", (code, reason) => {
        clearTimeout(this.#silence);
        const text = isOpen ? `connection closed (${code})` : `cannot connect to ${new URL(url).host}`;
        resolve({
          text: [text, fault ?? reason.toString()].filter((part) => part !== "").join(": "),
          code,
          mayReturn: code < 4500,
          retryMs: this.#retryMs,
        });
      });
    });
  }

  send(frame: object): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(frame));
  }

  /** The server's wish for the time after this connection. */
  returnAfter(retryMs: number): void {
    this.#retryMs = retryMs;
  }

  /** Takes the connection for dead after `seconds` without a frame: a network that is gone says nothing. */
  expectFrameWithin(seconds: number): void {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#socket.terminate(), seconds * 1000).unref();
  }

  close(): void {
    this.#socket.close(1000);
    setTimeout(() => this.#socket.terminate(), closingMs).unref();
  }
}

/** How long the server may take to answer our close frame. */
const closingMs = 1000;

function refusedEnd({ statusCode = 0, statusMessage = "", headers }: IncomingMessage): SessionEnd {
  const text = `the gateway refused the connection: ${statusCode} ${statusMessage}`.trimEnd();
  const mayReturn = statusCode === 429 || statusCode === 503;
  const retrySeconds = Number(headers["retry-after"]);
  return { text, code: statusCode, mayReturn, retryMs: retrySeconds > 0 ? retrySeconds * 1000 : undefined };
}
