/**
 * A client that counts: it numbers what it publishes, notes everything that reaches it, and comes back with its position
 * when a connection ends. `account.ts` adds up what many of them noted.
 *
 * What it publishes is `name:n`, which is also the key where it has keys. On every second connection it takes batches.
 */
import WebSocket from "ws";
import { type Lifetime, patienceMs, until } from "./child.ts";
import type { CountedEvent, CountingOptions, CountingPlace, Position } from "./counting-options.ts";

const encodings = [["tidegate.json.batch.v1", "tidegate.json.v1"], ["tidegate.json.v1"]];

export class CountingClient {
  readonly name: string;
  readonly channel: string;
  readonly events: CountedEvent[] = [];
  /** Whatever was wrong at first sight. */
  readonly faults: string[] = [];
  /** Numbers that were acknowledged, with the place that was named; none where there is no history. */
  readonly acknowledged = new Map<number, Position | undefined>();
  /** Numbers that were sent and given up: they may appear once, or not at all. */
  readonly unknown = new Set<number>();
  /** Numbers that were sent again: the place that was acknowledged may be that of a second copy, which nobody gets. */
  readonly doubtful = new Set<number>();
  /** Where its first subscription began. */
  start: Position | undefined;
  isSubscribed = false;
  messages = 0;
  replayed = 0;
  breaks = 0;
  recoveries = 0;
  refusals = 0;
  /** Subscriptions that ended with their connection. */
  closes = 0;
  /** Handshakes that failed, by why. */
  readonly refused: string[] = [];
  /** The epochs that its messages had. */
  readonly epochs = new Set<string>();
  /** The longest time that a publication has waited for its acknowledgement, in ms. */
  longestWaitMs = 0;
  readonly #urls: readonly string[];
  readonly #options: CountingOptions;
  readonly #waiting = new Map<number, { isSent: boolean; readonly sinceMs: number }>(); // published, not acknowledged
  #socket: WebSocket | undefined;
  #turn: number;
  #position: Position | undefined;
  #wanted = 0; // messages that it is to have published
  #published = 0;
  #forgotten = 0;
  #isStopped = false;
  #heardMs = 0;

  /** Its first connection goes to `urls[turn]`, each later one to the next. */
  constructor(t: Lifetime, urls: readonly string[], place: CountingPlace, options: CountingOptions = {}) {
    this.#urls = urls;
    this.#turn = place.turn ?? 0;
    this.channel = place.channel;
    this.name = place.name;
    this.#options = options;
    t.after(() => this.stop());
    this.#connect();
    const { silenceMaxMs = 0 } = options;
    if (silenceMaxMs === 0) return;
    const watch = setInterval(() => {
      if (performance.now() - this.#heardMs > silenceMaxMs) this.#socket?.terminate();
    }, silenceMaxMs / 4);
    t.after(() => clearInterval(watch));
  }

  get unacknowledged(): number {
    return this.#wanted - this.#forgotten - this.acknowledged.size - this.unknown.size;
  }

  /** Publications on their way at this moment. */
  get inFlight(): number {
    let count = 0;
    for (const { isSent } of this.#waiting.values()) if (isSent) count += 1;
    return count;
  }

  /** Publishes `count` more, as fast as acknowledgements come; returns the number of the last. */
  publish(count = 1): number {
    this.#wanted += count;
    this.#fill();
    return this.#wanted;
  }

  /** Ends its connection as a network failure would; it comes back. */
  drop(): void {
    this.#socket?.terminate();
  }

  /** The same, and it stays away. */
  stop(): void {
    this.#isStopped = true;
    this.#socket?.terminate();
    this.#socket = undefined;
    this.#lose();
  }

  /** Comes back after `stop`, with the position it had. */
  resume(): void {
    if (!this.#isStopped) return;
    this.#isStopped = false;
    this.#connect();
  }

  subscribed(): Promise<void> {
    return until(
      () => this.isSubscribed,
      () => `${this.name} is not subscribed; refused: ${this.refused.slice(-3)}`,
    );
  }

  /** Resolves once everything it published is acknowledged, or given up. */
  settled(withinMs = patienceMs): Promise<void> {
    return until(
      () => this.unacknowledged === 0,
      () => `${this.name} waits for ${this.unacknowledged} acknowledgements`,
      withinMs,
    );
  }

  /** Forgets what was counted so far, for another count; its numbers go on. Everything has settled. */
  forget(): void {
    this.#forgotten = this.#wanted;
    this.events.length = 0;
    this.acknowledged.clear();
    this.unknown.clear();
    this.doubtful.clear();
    this.epochs.clear();
    this.start = this.#position;
    this.messages = 0;
    this.replayed = 0;
    this.longestWaitMs = 0;
  }

  #connect(): void {
    if (this.#isStopped) return;
    const socket = new WebSocket(this.#urls[this.#turn % this.#urls.length]!, encodings[this.#turn % 2], {
      handshakeTimeout: 5000,
      perMessageDeflate: false,
      skipUTF8Validation: true,
      ...this.#options.socket,
    });
    this.#socket = socket;
    this.#heardMs = performance.now() + 5000; // the handshake has a time-out of its own
    let retryMs = 50 + Math.random() * 100;
    socket.on("error", (error) => {
      if (!this.isSubscribed) this.refused.push(error.message);
    });
    socket.on("message", (data: Buffer) => {
      for (const frame of [JSON.parse(data.toString("utf8"))].flat()) {
        if (socket !== this.#socket) return;
        this.#heardMs = performance.now();
        if (frame.action === "reconnect") retryMs = frame.retry_in_ms;
        else this.#handle(frame);
      }
    });
    socket.on("close", () => {
      if (socket !== this.#socket) return;
      if (this.isSubscribed) this.closes += 1;
      this.#lose();
      this.#turn += 1;
      setTimeout(() => this.#connect(), retryMs);
    });
  }

  /** What was on its way may have arrived, or not. */
  #lose(): void {
    this.isSubscribed = false;
    for (const [n, publication] of this.#waiting) {
      if (!publication.isSent) continue;
      publication.isSent = false;
      if (this.#options.forgets) {
        this.unknown.add(n);
        this.#waiting.delete(n);
      } else this.doubtful.add(n);
    }
  }

  // biome-ignore lint/suspicious/noExplicitAny: frames of every kind
  #handle(frame: any): void {
    switch (frame.action) {
      case "message":
        return this.#receive(frame);
      case "message_sent":
        return this.#settle(frame);
      case "ping":
        this.#socket?.send('{"action":"pong"}');
        return;
      case "welcome": {
        const since = this.#options.recovers === false ? undefined : this.#position;
        return this.#send("subscribe", { channel: this.channel, options: { since } }, "s");
      }
      case "subscribe":
        if (frame.success !== true) return;
        if (frame.recovered === false) this.#broken();
        if (frame.recovered === true) this.recoveries += 1;
        else this.#position = { offset: frame.offset, epoch: frame.epoch };
        this.start ??= this.#position;
        this.isSubscribed = true;
        return this.#fill();
      case "error": {
        if (frame.request === "subscribe" && frame.code === "unavailable") return this.drop(); // and to another node
        if (frame.request !== "message") return void this.faults.push(JSON.stringify(frame));
        this.refusals += 1;
        const refused = this.#waiting.get(frame.id);
        if (refused !== undefined) refused.isSent = false;
        setTimeout(() => this.#fill(), 200);
      }
    }
  }

  #receive({ message, offset, epoch, replayed }: Position & { message: string; replayed?: boolean }): void {
    const last = this.#position;
    if (last !== undefined && epoch !== last.epoch) this.#broken();
    else if (last !== undefined && offset <= last.offset) this.faults.push(`${offset} after ${last.offset}`);
    this.#position = { offset, epoch };
    this.epochs.add(epoch);
    const [publisher = "", n] = message.split(":");
    this.events.push({ publisher, n: Number(n), offset, epoch });
    this.messages += 1;
    if (replayed === true) this.replayed += 1;
  }

  #settle({ id, offset, epoch }: Position & { id: number }): void {
    const publication = this.#waiting.get(id);
    if (publication === undefined) return;
    this.longestWaitMs = Math.max(this.longestWaitMs, performance.now() - publication.sinceMs);
    this.#waiting.delete(id);
    this.acknowledged.set(id, offset === undefined ? undefined : { offset, epoch });
    this.#fill();
  }

  #broken(): void {
    this.events.push("break");
    this.breaks += 1;
  }

  #fill(): void {
    const { window = 20, keys = false } = this.#options;
    while (this.#waiting.size < window && this.#published < this.#wanted) {
      this.#published += 1;
      this.#waiting.set(this.#published, { isSent: false, sinceMs: performance.now() });
    }
    if (!this.isSubscribed) return;
    for (const [n, publication] of this.#waiting) {
      if (publication.isSent) continue;
      publication.isSent = true;
      const message = `${this.name}:${n}`;
      this.#send("message", { channel: this.channel, message, key: keys ? message : undefined }, n);
    }
  }

  #send(action: string, data: object, id: string | number): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify({ action, data, id }));
  }
}
