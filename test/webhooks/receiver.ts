/** A real HTTP receiver of webhooks: it checks every signature, keeps every event, and fails as the test says. */
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from "node:http";
import type { TestContext } from "node:test";
import { freePort, until } from "../support/child.ts";
import { secretOf } from "../support/printed.ts";

export interface ReceivedEvent {
  readonly id: string;
  readonly event: string;
  readonly time: number;
  readonly channel?: string;
  readonly [field: string]: unknown;
}

export const webhookSecret = secretOf("a secret of webhooks, 32 bytes or more");

export class TestReceiver {
  /** Every event that was taken, in order of arrival, repeated ones too. */
  readonly events: ReceivedEvent[] = [];
  /** The headers of every request, taken or not. */
  readonly requests: { headers: IncomingHttpHeaders; body: string }[] = [];
  /** Answers a request, or does not. Events are taken where it has answered with 2xx when it returns. */
  answer: (response: ServerResponse, events: readonly ReceivedEvent[]) => void = take;
  readonly #server: Server;
  readonly #port: number;

  constructor(server: Server, port: number) {
    this.#server = server;
    this.#port = port;
    server.on("request", (request, response) => {
      let body = "";
      request.setEncoding("utf8");
      request.on("data", (chunk: string) => {
        body += chunk;
      });
      request.on("end", () => {
        this.requests.push({ headers: request.headers, body });
        const { events } = JSON.parse(body) as { events: ReceivedEvent[] };
        assertSigned(request.headers["tidegate-signature"] as string, body);
        this.answer(response, events);
        if (response.writableEnded && response.statusCode < 300) this.events.push(...events);
      });
    });
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/hooks`;
  }

  /** The ids of the events taken, each once, with `event` and, if given, `channel`. */
  idsOf(event: string, channel?: string): Set<string> {
    const found = this.events.filter((e) => e.event === event && (channel === undefined || e.channel === channel));
    return new Set(found.map(({ id }) => id));
  }

  /** Resolves to the first event that fits `wanted`, all its fields equal. */
  async event(wanted: Readonly<Record<string, unknown>>): Promise<ReceivedEvent> {
    const fits = (event: ReceivedEvent): boolean =>
      Object.entries(wanted).every(([key, value]) => JSON.stringify(event[key]) === JSON.stringify(value));
    await until(
      () => this.events.some(fits),
      () => `no ${JSON.stringify(wanted)}; came: ${JSON.stringify(this.events).slice(0, 3000)}`,
    );
    return this.events.find(fits)!;
  }

  /** Stops listening, and ends what is open. */
  async goAway(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async comeBack(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(this.#port, "127.0.0.1", resolve));
  }
}

const take = (response: ServerResponse): void => void response.end("ok");

export async function startReceiver(t: TestContext): Promise<TestReceiver> {
  const server = createServer();
  const port = await freePort(); // nobody else's while it is away
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return new TestReceiver(server, port);
}

/** One webhook of `receiver` for a gateway's settings. */
export function webhookFor(receiver: TestReceiver, more: object = {}): object {
  return { url: receiver.url, secret: webhookSecret, ...more };
}

function assertSigned(header: string, body: string): void {
  const [, time, digest] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(header) ?? [];
  assert.ok(time !== undefined, `a signature: ${header}`);
  assert.ok(Math.abs(Date.now() / 1000 - Number(time)) < 60, `signed now: ${time}`);
  assert.equal(digest, createHmac("sha256", webhookSecret).update(`${time}.${body}`).digest("hex"));
}
