/**
 * The client behind `tidegate tail`: one channel, followed over as many connections as it takes.
 *
 * It asks for what it missed by the position of the last message it saw. Lines are published one at a time, each until
 * it is acknowledged or refused; one that was on its way when a connection broke is sent again with the same key, so
 * it is delivered once.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { printable } from "./output.ts";
import { type Frame, isFrame } from "./tail-lines.ts";
import { Session, type SessionEnd, type SessionOptions } from "./tail-session.ts";

export interface TailOptions extends SessionOptions {
  readonly channel: string;
  /** Messages to begin with. */
  readonly since: number;
}

export interface TailOutput {
  /** Each frame, and its text as it came. */
  frame(frame: Frame, text: string): void;
  /** What a person should know about the connection; printable. */
  notice(text: string): void;
}

interface Publication {
  readonly id: string;
  readonly data: { readonly channel: string; readonly message: unknown; readonly key: string };
  readonly settle: () => void;
}

const backoffMinMs = 500;
const backoffMaxMs = 30_000;
const waitMaxMs = 3_600_000; // whatever the server asks for: a timer beyond 2^31 ms fires at once
const retryMarginMs = 250; // a second refusal within a second would come without a frame, and be waited for in vain
const subscribeId = "subscribe";

export class TailClient {
  readonly #options: TailOptions;
  readonly #output: TailOutput;
  readonly #stopping = new AbortController();
  #session: Session | undefined;
  #isSubscribed = false;
  #wasSubscribed = false;
  #failures = 0; // connections in a row that never got as far as the subscription
  #refused: string | undefined; // why the channel cannot be followed
  #position: { readonly offset: unknown; readonly epoch: unknown } | undefined;
  #publication: Publication | undefined;
  #publications = 0;

  constructor(options: TailOptions, output: TailOutput) {
    this.#options = options;
    this.#output = output;
  }

  /** Follows the channel until `stop`. Rejects where it cannot be followed, or not any more. */
  async run(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      this.#isSubscribed = false;
      this.#session = new Session(this.#options, (text) => this.#receive(text));
      const end = await this.#session.ended;
      if (this.#stopping.signal.aborted) return;
      if (this.#refused !== undefined) throw new Error(this.#refused);
      const neverWorked = !this.#wasSubscribed && end.code === 1006; // more likely a wrong address than a bad moment
      if (!end.mayReturn || neverWorked) throw new Error(printable(end.text));
      await this.#pause(end);
    }
  }

  /** Ends `run`. */
  stop(): void {
    this.#stopping.abort();
    this.#session?.close();
  }

  /** Publishes to the channel; resolves once it is acknowledged or refused. One at a time: the caller waits. */
  publish(message: unknown): Promise<void> {
    return new Promise((settle) => {
      this.#publications += 1;
      const data = { channel: this.#options.channel, message, key: randomUUID() };
      this.#publication = { id: `line-${this.#publications}`, data, settle };
      this.#sendPublication();
    });
  }

  async #pause(end: SessionEnd): Promise<void> {
    if (end.code === 1009) this.#dropPublication("a line was too long for the gateway and is not published");
    const ceilingMs = Math.min(backoffMaxMs, backoffMinMs * 2 ** this.#failures);
    const ownMs = ceilingMs * (0.5 + Math.random() / 2); // spread, or all clients return at once
    const waitMs = Math.min(end.retryMs ?? ownMs, waitMaxMs);
    this.#failures += 1;
    this.#output.notice(`${printable(end.text)}; connecting again in ${(waitMs / 1000).toFixed(1)} s`);
    await sleep(waitMs, undefined, { signal: this.#stopping.signal }).catch(() => {});
  }

  #receive(text: string): void {
    let frame: unknown;
    try {
      frame = JSON.parse(text);
    } catch {
      return this.#output.notice(`not a JSON frame: ${printable(text)}`);
    }
    if (!isFrame(frame)) return this.#output.notice(`not a frame: ${printable(text)}`);
    this.#output.frame(frame, text);
    if (frame.action === "error" || frame.success === false) return this.#failed(frame);
    const react = this.#reactions.get(frame.action);
    react?.(frame);
  }

  readonly #reactions: ReadonlyMap<unknown, (frame: Frame) => void> = new Map<unknown, (frame: Frame) => void>([
    ["welcome", (frame) => this.#welcomed(frame)],
    ["subscribe", (frame) => this.#subscribed(frame)],
    ["message", (frame) => this.#noteOffset(frame)],
    ["message_sent", ({ id }) => this.#settle(id)],
    ["ping", () => this.#session?.send({ action: "pong" })],
    ["reconnect", ({ retry_in_ms: retryMs }) => this.#session?.returnAfter(Math.max(0, Number(retryMs) || 0))],
    ["token_expiring", ({ expires_in: left }) => this.#output.notice(`the token ends in ${Number(left)} s`)],
  ]);

  #welcomed({ heartbeat_interval: interval, auth_error: authError }: Frame): void {
    if (typeof interval === "number" && interval > 0)
      this.#session?.expectFrameWithin(Math.min(2 * interval + 10, waitMaxMs / 1000));
    if (authError !== undefined) this.#output.notice(`the token was not accepted: ${printable(String(authError))}`);
    this.#subscribe();
  }

  #subscribe(): void {
    const { channel, since } = this.#options;
    const options = this.#position === undefined ? { history: since } : { since: this.#position };
    this.#session?.send({ action: "subscribe", data: { channel, options }, id: subscribeId });
  }

  #subscribed(frame: Frame): void {
    if (frame.recovered === false) this.#output.notice("messages may be missing here: the channel kept too few");
    if (this.#position === undefined || frame.recovered === false) this.#noteOffset(frame);
    this.#isSubscribed = true;
    this.#wasSubscribed = true;
    this.#failures = 0;
    this.#sendPublication();
  }

  #noteOffset({ offset, epoch }: Frame): void {
    if (offset !== undefined && epoch !== undefined) this.#position = { offset, epoch };
  }

  #sendPublication(): void {
    if (this.#publication === undefined || !this.#isSubscribed) return;
    const { id, data } = this.#publication;
    this.#session?.send({ action: "message", data, id });
  }

  #settle(id: unknown): void {
    const publication = this.#publication;
    if (publication === undefined || publication.id !== id) return;
    this.#publication = undefined;
    publication.settle();
  }

  #dropPublication(text: string): void {
    if (this.#publication === undefined) return;
    this.#output.notice(text);
    this.#settle(this.#publication.id);
  }

  /** A refusal: what will pass is tried again, what will not ends the line, or the whole if it is the subscription. */
  #failed({ code, error, id, request, retry_after: retryAfter }: Frame): void {
    const text = printable(String(error));
    if (code === "rate_limit" || code === "unavailable") {
      const retrySeconds = Math.min(Math.max(1, Number(retryAfter) || 1), waitMaxMs / 1000);
      this.#output.notice(`${text} Trying again in ${retrySeconds} s`);
      const session = this.#session;
      setTimeout(() => session === this.#session && this.#repeat(), retrySeconds * 1000 + retryMarginMs).unref();
    } else if (id === subscribeId || request === "subscribe") {
      this.#refused = `cannot follow ${this.#options.channel}: ${text}`;
      this.#session?.close();
    } else if (id !== undefined && id === this.#publication?.id) this.#dropPublication(`not published: ${text}`);
    else this.#output.notice(text);
  }

  /** Long frames are refused unread, so a refusal may not say which it was: only one can be open. */
  #repeat(): void {
    if (this.#isSubscribed) this.#sendPublication();
    else this.#subscribe();
  }
}
