/**
 * A channel as the program holds it: what `subscribe` returns. Each call has one of its own; those of one channel share a
 * subscription, which ends with the last of them.
 */

import { TidegateError } from "./errors.ts";
import type { Acknowledgement, Member, MemberList, Message, MessageList } from "./frames.ts";
import type { ChannelEvents, Listener } from "./listener.ts";

export interface PublishOptions {
  /** Only these users, among the subscribers. Such messages are in no history. */
  readonly users?: readonly (string | number)[];
  /** Only these connections, among the subscribers. */
  readonly connections?: readonly number[];
  /** False: not to this connection. */
  readonly echo?: boolean;
  /** The idempotency key; a random one unless told. */
  readonly key?: string;
}

export interface HistoryOptions {
  readonly limit?: number;
  /** Only messages before this offset. */
  readonly before?: string;
}

/** What a channel asks of its client. */
export interface ChannelRequests {
  publish(channel: string, message: never, options?: PublishOptions): Promise<Acknowledgement>;
  presence(channel: string): Promise<MemberList>;
  history(channel: string, options?: HistoryOptions): Promise<MessageList>;
}

export class Channel<Value = unknown> implements AsyncIterable<Message<Value>> {
  /** The channel's name. */
  readonly name: string;
  /** Resolves once subscribed; rejects where that is refused. */
  readonly ready: Promise<void>;
  readonly #listener: Listener;
  readonly #requests: ChannelRequests;
  readonly #leave: () => void;

  /** `leave` is called where nobody holds this channel any more. */
  constructor(listener: Listener, requests: ChannelRequests, leave: () => void) {
    this.name = listener.channel;
    this.#listener = listener;
    this.#requests = requests;
    this.#leave = leave;
    this.ready = new Promise((resolve, reject) => {
      this.on("subscribed", () => resolve());
      this.on("end", (error) => (error === undefined ? resolve() : reject(error)));
    });
    this.ready.catch(() => {}); // whoever does not wait for it hears of it as an event
  }

  /** Who is there; with the option `presence`. */
  get members(): readonly Member[] {
    return this.#listener.members;
  }

  /** Calls `listener` at each event of this type, until the function that it returns is called. */
  on<Type extends keyof ChannelEvents<Value>>(
    type: Type,
    listener: (event: ChannelEvents<Value>[Type]) => void,
  ): () => void {
    return this.#listener.on(type, listener as (event: ChannelEvents<unknown>[Type]) => void);
  }

  /** Resolves once the gateway has it; while away it waits. */
  publish(message: Value, options?: PublishOptions): Promise<Acknowledgement> {
    return this.#requests.publish(this.name, message as never, options);
  }

  /** Asks who is there now. */
  presence(): Promise<MemberList> {
    return this.#requests.presence(this.name);
  }

  history(options?: HistoryOptions): Promise<MessageList<Value>> {
    return this.#requests.history(this.name, options) as Promise<MessageList<Value>>;
  }

  unsubscribe(): void {
    this.#leave();
    this.#listener.end();
  }

  /** Messages from now on, until `unsubscribe`; throws where the subscription is refused or taken away. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Message<Value>, void, undefined> {
    const { bufferMax = 10_000 } = this.#listener.options;
    const waiting: Message<Value>[] = [];
    let isOver = false; // more came than may wait
    let wake = (): void => {};
    const stops = [
      this.on("message", (message) => {
        isOver ||= waiting.length >= bufferMax;
        if (!isOver) waiting.push(message);
        wake();
      }),
      this.on("end", () => wake()),
    ];
    try {
      for (;;) {
        while (waiting.length > 0) yield waiting.shift()!;
        if (isOver) throw new TidegateError("overflow", `more than ${bufferMax} messages`, { channel: this.name });
        const { ended } = this.#listener;
        if (ended?.error !== undefined) throw ended.error;
        if (ended !== undefined) return;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    } finally {
      for (const stop of stops) stop();
    }
  }
}
