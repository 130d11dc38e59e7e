/** A backend that is asked for leave: a real HTTP server that answers, refuses, fails, hangs and comes back. */
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { text } from "node:stream/consumers";
import type { TestContext } from "node:test";

export interface Asked {
  readonly question: Record<string, unknown>;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly socket: Socket;
}

type Reply = (question: Record<string, unknown>, response: ServerResponse) => void;

export class Backend {
  /** Every question, oldest first. */
  readonly asked: Asked[] = [];
  /** How it answers from now on. */
  reply: Reply = answering({ allow: true });
  readonly #server = createServer(async (request, response) => {
    const body = await text(request);
    const question = JSON.parse(body);
    this.asked.push({ question, headers: request.headers, body, socket: request.socket });
    const wake = this.#wake;
    this.#wake = [];
    for (const resume of wake) resume();
    this.reply(question, response);
  });
  #wake: (() => void)[] = [];
  #held: ServerResponse[] = [];

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/authorize`;
  }

  /** Leaves every question open until `release`. */
  hold(): void {
    this.reply = (_, response) => void this.#held.push(response);
  }

  /** Answers what was held, and all that comes, with `answer`. */
  release(answer: unknown = { allow: true }): void {
    this.reply = answering(answer);
    for (const response of this.#held.splice(0)) this.reply({}, response);
  }

  /** Resolves once `count` questions have come. */
  async askedTimes(count: number): Promise<void> {
    while (this.asked.length < count) await new Promise<void>((resolve) => this.#wake.push(resolve));
  }

  /** Closes the connections that are kept, between two questions. */
  closeIdle(): void {
    this.#server.closeIdleConnections();
  }

  static async start(t: TestContext): Promise<Backend> {
    const backend = new Backend();
    await new Promise<void>((resolve) => backend.#server.listen(0, "127.0.0.1", resolve));
    t.after(() => {
      backend.#server.closeAllConnections();
      backend.#server.close();
    });
    return backend;
  }
}

export function answering(answer: unknown, status = 200, headers: Record<string, string> = {}): Reply {
  return (_, response) => {
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(typeof answer === "string" ? answer : JSON.stringify(answer));
  };
}
