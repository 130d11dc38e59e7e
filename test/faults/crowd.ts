/** Many light clients that are cut off and come back at once, each with the position that it had. */
import { once } from "node:events";
import WebSocket from "ws";
import type { Lifetime } from "../support/child.ts";
import { connect } from "../support/client.ts";
import { eventually } from "../support/redis.ts";

interface Guest {
  readonly channel: string;
  readonly url: string;
  readonly localAddress: string;
  socket: WebSocket | undefined;
  since: { readonly offset: string; readonly epoch: string } | undefined;
  isBack: boolean;
  hasRecovered: boolean;
  readonly messages: string[];
}

/** Handshakes under way at a time while they arrive; when they come back there is no limit. */
const arrivingAtOnce = 200;
const comeBackMaxMs = 90_000;

export class Crowd {
  readonly #t: Lifetime;
  readonly #guests: readonly Guest[];
  readonly #channels: readonly string[];
  #published: string[] = []; // to each channel

  constructor(t: Lifetime, urls: readonly string[], { size, channels }: { size: number; channels: number }) {
    this.#t = t;
    this.#channels = Array.from({ length: channels }, (_, n) => `chat.crowd.${n}`);
    this.#guests = Array.from({ length: size }, (_, n) => ({
      channel: this.#channels[n % channels]!,
      url: urls[n % urls.length]!,
      localAddress: `127.0.0.${2 + (n % 250)}`,
      socket: undefined,
      since: undefined,
      isBack: false,
      hasRecovered: false,
      messages: [],
    }));
    t.after(() => {
      for (const { socket } of this.#guests) socket?.terminate();
    });
  }

  /** How many came back and were told that they recovered. */
  get recovered(): number {
    return this.#guests.filter(({ hasRecovered }) => hasRecovered).length;
  }

  /** How many have every message of their channel once, in order. */
  get complete(): number {
    const wanted = JSON.stringify(this.#published);
    return this.#guests.filter(({ messages }) => JSON.stringify(messages) === wanted).length;
  }

  /** Resolves once all of them are subscribed. */
  async arrive(): Promise<void> {
    for (let from = 0; from < this.#guests.length; from += arrivingAtOnce) {
      const some = this.#guests.slice(from, from + arrivingAtOnce);
      for (const guest of some) this.#enter(guest);
      await eventually(() => some.every(({ isBack }) => isBack), "a part of the crowd");
    }
  }

  cutOff(): void {
    for (const guest of this.#guests) {
      guest.isBack = false;
      guest.socket?.terminate();
    }
  }

  /** Publishes `count` messages to each channel. */
  async publish(url: string, count: number): Promise<void> {
    const publisher = await connect(this.#t, url);
    for (const channel of this.#channels) await publisher.subscribe(channel);
    for (let n = 0; n < count; n += 1) {
      this.#published.push(`missed ${n}`);
      await Promise.all(this.#channels.map((channel) => publisher.ask("message", { channel, message: `missed ${n}` })));
    }
    publisher.socket.terminate();
  }

  /** All of them at once. Resolves once everybody has an answer and as many messages as there are; to the time it took. */
  async comeBack(): Promise<number> {
    const startedMs = performance.now();
    for (const guest of this.#guests) this.#enter(guest);
    const isDone = ({ isBack, messages }: Guest): boolean => isBack && messages.length >= this.#published.length;
    await eventually(() => this.#guests.every(isDone), "the crowd with its messages", comeBackMaxMs);
    return performance.now() - startedMs;
  }

  #enter(guest: Guest): void {
    const { url, localAddress, channel } = guest;
    const socket = new WebSocket(url, { localAddress, perMessageDeflate: false, skipUTF8Validation: true });
    guest.socket = socket;
    let isDenied = false;
    socket.on("error", () => {
      isDenied = true;
    });
    socket.on("close", () => {
      if (isDenied && !guest.isBack && socket === guest.socket)
        setTimeout(() => this.#enter(guest), Math.random() * 2000);
    });
    socket.on("message", (data: Buffer) => {
      const frame = JSON.parse(data.toString());
      if (frame.action === "message") guest.messages.push(frame.message);
      if (frame.action !== "subscribe") return;
      guest.isBack = true;
      guest.hasRecovered = frame.recovered === true;
      guest.since ??= { offset: frame.offset, epoch: frame.epoch };
    });
    void once(socket, "open").then(
      () => socket.send(JSON.stringify({ action: "subscribe", data: { channel, options: { since: guest.since } } })),
      () => {},
    );
  }
}
