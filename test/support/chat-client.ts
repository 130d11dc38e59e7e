/**
 * A client as the protocol wants it, for tests that count: it comes back when its connection ends, with the position of
 * its last message, and sends again, with the same key, what was not acknowledged. It notes everything; see `ledger.ts`.
 */
import type { TestContext } from "node:test";
import WebSocket, { type ClientOptions } from "ws";
import { until } from "./child.ts";
import type { Frame } from "./client.ts";

export interface ChatOptions extends ClientOptions {
  /** False: it comes back without its position, as a client that knows nothing of recovery. */
  readonly recovers?: boolean;
}

export interface Delivery {
  readonly text: string;
  readonly offset: string;
  readonly epoch: string;
}

export class ChatClient {
  readonly name: string;
  readonly channel: string;
  /** Messages in the order in which they came. */
  readonly received: Delivery[] = [];
  /** How many messages had come when it was told, by `recovered:false`, that some may be missing. */
  readonly breaks: number[] = [];
  /** What it published and was acknowledged. */
  readonly acknowledged = new Set<string>();
  /** Attempts to connect that failed, by why. */
  readonly refused: string[] = [];
  connections = 0;
  resent = 0;
  readonly #url: string;
  readonly #options: ChatOptions;
  readonly #waiting = new Set<string>(); // published, not acknowledged; in order
  #socket: WebSocket | undefined;
  #position: { offset: unknown; epoch: unknown } | undefined;
  #isSubscribed = false;
  #isStopped = false;
  #count = 0;

  constructor(t: TestContext, url: string, channel: string, name: string, options: ChatOptions = {}) {
    this.#url = url;
    this.channel = channel;
    this.name = name;
    this.#options = options;
    t.after(() => this.stop());
    this.#connect();
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Publishes the next of its messages: `name:n`, which is also the key. */
  publish(): void {
    this.#count += 1;
    const text = `${this.name}:${this.#count}`;
    this.#waiting.add(text);
    if (this.#isSubscribed) this.#send(text);
  }

  /** Resolves once it is subscribed. */
  subscribed(): Promise<void> {
    return until(
      () => this.#isSubscribed,
      () => `${this.name} is not subscribed; refused: ${this.refused.slice(-3)}`,
    );
  }

  /** Resolves once everything it published is acknowledged. */
  settled(withinMs = 20_000): Promise<void> {
    return until(
      () => this.#waiting.size === 0,
      () => `${this.name} waits for ${this.#waiting.size} acknowledgements`,
      withinMs,
    );
  }

  /** Ends its connection as a network failure would, and stays away. */
  stop(): void {
    this.#isStopped = true;
    this.#socket?.terminate();
  }

  /** Comes back after `stop`, with the position it had. */
  resume(): void {
    this.#isStopped = false;
    this.#connect();
  }

  #connect(): void {
    if (this.#isStopped) return;
    const socket = new WebSocket(this.#url, this.#options);
    this.#socket = socket;
    let retryMs = 50;
    socket.on("open", () => {
      this.connections += 1;
    });
    socket.on("error", (error: Error) => {
      if (socket.readyState === WebSocket.CONNECTING || !this.#isSubscribed) this.refused.push(error.message);
    });
    socket.on("message", (data: Buffer) => {
      const frame = JSON.parse(data.toString()) as Frame;
      if (frame.action === "reconnect") retryMs = frame.retry_in_ms as number;
      else this.#handle(frame);
    });
    socket.on("close", () => {
      this.#isSubscribed = false;
      if (!this.#isStopped) setTimeout(() => this.#connect(), retryMs);
    });
  }

  #handle(frame: Frame): void {
    const { action, offset, epoch } = frame;
    if (action === "welcome") {
      const since = this.#options.recovers === false ? undefined : this.#position;
      this.#request("subscribe", { channel: this.channel, options: { since } }, "subscribe");
    } else if (action === "subscribe") {
      if (frame.recovered === false) this.breaks.push(this.received.length);
      if (frame.recovered !== true) this.#position = { offset, epoch };
      this.#isSubscribed = true;
      this.resent += this.#waiting.size;
      for (const text of this.#waiting) this.#send(text);
    } else if (action === "message") {
      this.received.push({ text: frame.message as string, offset: offset as string, epoch: epoch as string });
      this.#position = { offset, epoch };
    } else if (action === "message_sent") {
      this.#waiting.delete(frame.id as string);
      this.acknowledged.add(frame.id as string);
    } else if (action === "error" && frame.request === "message") {
      setTimeout(() => this.#isSubscribed && this.#send(frame.id as string), 100);
    }
  }

  #send(text: string): void {
    this.#request("message", { channel: this.channel, message: text, key: text }, text);
  }

  #request(action: string, data: object, id: string): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify({ action, data, id }));
  }
}
