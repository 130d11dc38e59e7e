/**
 * The client of a gateway: one connection that comes back by itself, any number of channels, each message once.
 *
 * The rule: nothing that is asked for is dropped in silence. It is answered, or its promise is rejected and an `error`
 * tells why.
 */
import { Channel, type HistoryOptions, type PublishOptions } from "./channel.ts";
import { json } from "./codec.ts";
import { Emitter } from "./emitter.ts";
import { type ClientErrorCode, TidegateError } from "./errors.ts";
import type {
  Acknowledgement,
  Authenticated,
  Frame,
  Lost,
  MemberList,
  Message,
  MessageList,
  PresenceChange,
  Subscribed,
  Welcome,
} from "./frames.ts";
import { type ConnectionState, Link } from "./link.ts";
import { Listener, type SubscribeOptions } from "./listener.ts";
import type { ClientCounters, ClientEvents, ClientOptions } from "./options.ts";
import { Outbox } from "./outbox.ts";
import { type BatchItem, newKey, type Reply } from "./requests.ts";
import { Subscriptions } from "./subscriptions.ts";
import { platform, platformSocket } from "./surroundings.ts";
import { type TokenSource, Tokens } from "./tokens.ts";
import type { ChannelMap, MessageOn } from "./typed-channels.ts";

/** What a request holds. */
interface Fields {
  readonly channel?: string;
  readonly key?: string | undefined;
  readonly [name: string]: unknown;
}

export class Client<Channels extends ChannelMap = Record<string, unknown>> {
  readonly #events = new Emitter<ClientEvents>();
  readonly #tokens: Tokens;
  readonly #link: Link;
  readonly #outbox: Outbox;
  readonly #subscriptions: Subscriptions;
  #welcome: Welcome | undefined;
  #reconnections = -1; // welcomes but for the first
  #errors = 0;

  constructor(url: string, options: ClientOptions = {}) {
    if (!/^wss?:\/\//.test(url))
      throw new TypeError(`cannot create client: url must begin with ws:// or wss://, got ${url}`);
    const surroundings = options.surroundings ?? platform;
    const failed = (error: TidegateError): void => this.#failed(error);
    this.#tokens = new Tokens(options.token, failed);
    const settings = {
      surroundings,
      format: options.format ?? json,
      WebSocket: options.WebSocket ?? platformSocket(),
      backoffMinMs: options.backoffMinMs ?? 500,
      backoffMaxMs: options.backoffMaxMs ?? 30_000,
      queueMax: options.queueMax ?? 1000,
      keyLifetimeMs: options.keyLifetimeMs ?? 240_000,
    };
    this.#link = new Link(
      { ...settings, url, tokens: this.#tokens },
      {
        changed: (state) => this.#events.emit("state", state),
        welcomed: (frame) => void this.#welcomed(frame),
        received: (frame) => this.#received(frame),
        lost: (end) => this.#lost(end),
      },
    );
    this.#outbox = new Outbox(settings, {
      send: (data) => this.#link.send(data),
      isHeld: (channel) => this.#subscriptions.isPending(channel),
    });
    this.#subscriptions = new Subscriptions({ outbox: this.#outbox, surroundings, events: this.#events, failed });
    if (options.autoConnect !== false) this.connect();
  }

  get state(): ConnectionState {
    return this.#link.state;
  }

  /** Who this connection is; `undefined` while there is none. */
  get welcome(): Welcome | undefined {
    return this.#welcome;
  }

  get counters(): ClientCounters {
    const { sent } = this.#outbox;
    const { received } = this.#subscriptions;
    return { sent, received, reconnections: Math.max(0, this.#reconnections), errors: this.#errors };
  }

  /** Calls `listener` at each event of this type, until the function that it returns is called. */
  on<Type extends keyof ClientEvents>(type: Type, listener: (event: ClientEvents[Type]) => void): () => void {
    return this.#events.on(type, listener);
  }

  /** The same for errors with this code. */
  onError(code: ClientErrorCode, listener: (error: TidegateError) => void): () => void {
    return this.on("error", (error) => {
      if (error.code === code) listener(error);
    });
  }

  /** Connects, at once where it waits for its next attempt; needed only after `disconnect()` or `autoConnect: false`. */
  connect(): void {
    this.#link.start();
  }

  /** Ends the connection and rejects what has no answer. Channels stay, and are subscribed again by `connect()`. */
  disconnect(): void {
    this.#link.stop();
  }

  /** Subscribes, now or once connected, and again after each reconnection. */
  subscribe<const Name extends string>(
    channel: Name,
    listener?: (message: Message<MessageOn<Channels, Name>>) => void,
    options: SubscribeOptions = {},
  ): Channel<MessageOn<Channels, Name>> {
    const own = new Listener(channel, options);
    const held = new Channel<MessageOn<Channels, Name>>(own, this, () => this.#subscriptions.remove(own));
    if (listener !== undefined) held.on("message", listener);
    this.#subscriptions.add(own);
    return held;
  }

  /** Resolves once the gateway has the message; while away it waits. Rejects with a `TidegateError`. */
  publish<const Name extends string>(
    channel: Name,
    message: MessageOn<Channels, Name>,
    options: PublishOptions = {},
  ): Promise<Acknowledgement> {
    return this.#ask("message", { channel, message, ...options });
  }

  presence(channel: string): Promise<MemberList> {
    return this.#ask("presence", { channel });
  }

  history<const Name extends string>(
    channel: Name,
    options: HistoryOptions = {},
  ): Promise<MessageList<MessageOn<Channels, Name>>> {
    return this.#ask("history", { channel, ...options });
  }

  /** The token from now on; also that of this connection, if there is one. */
  authenticate(token: TokenSource): Promise<Authenticated> {
    this.#tokens.replace(token);
    const reply = this.#tokens.get().then((text) => this.#ask<Authenticated>("authenticate", { token: text }, true));
    reply.catch(() => {}); // whoever does not wait for it hears of a refusal as an `error`
    return reply;
  }

  /** Sends all in one frame, as far as the gateway's limits go; each has its own outcome. */
  batch(items: readonly BatchItem[]): Promise<PromiseSettledResult<Reply>[]> {
    return Promise.allSettled(items.map(({ action, ...data }) => this.#ask<Reply>(action, data)));
  }

  #ask<T>(action: string, fields: Fields, isFirst = false): Promise<T> {
    // A publication without a key could be doubled by being sent again.
    const data = action === "message" ? { ...fields, key: fields.key ?? newKey() } : fields;
    const reply = new Promise<T>((resolve, reject) => {
      const fail = (error: TidegateError): void => {
        reject(error);
        this.#failed(error);
      };
      if (this.state === "closed") return fail(new TidegateError("disconnected", "the client is disconnected"));
      const succeed = resolve as (reply: unknown) => void;
      this.#outbox.add({ action, channel: fields.channel, data: () => data, succeed, fail, isFirst });
    });
    const settled = (): void => this.#subscriptions.schedule(); // a publication may have been what a channel was kept for
    reply.then(settled, settled); // so whoever does not wait for it hears of a refusal as an `error`
    return reply;
  }

  async #welcomed(frame: Welcome): Promise<void> {
    this.#welcome = frame;
    this.#reconnections += 1;
    this.#events.emit("frame", frame as unknown as Frame);
    this.#events.emit("welcome", frame);
    if (frame.auth_error !== undefined) {
      this.#failed(new TidegateError(frame.auth_error, "token not accepted"));
      await this.#refresh();
      if (this.#welcome !== frame) return; // gone meanwhile
    }
    this.#subscriptions.connected(); // before what waits for them
    this.#outbox.opened(frame.limits);
  }

  #received(frame: Frame): void {
    this.#events.emit("frame", frame);
    const { action, success, id } = frame;
    const reaction = this.#reactions[action as string];
    if (success !== false && id === undefined && !reaction) return; // of a later gateway: it does not end a replay either
    this.#subscriptions.passing(frame);
    if (success === false) this.#refused(frame);
    else if (id !== undefined) this.#outbox.answer(frame);
    else reaction!(frame as never);
  }

  /** To what nobody asked for. */
  readonly #reactions: Readonly<Record<string, (frame: never) => void>> = {
    __proto__: null as never, // or `constructor` would be an action
    message: (frame: Message) => this.#subscriptions.message(frame),
    presence: (frame: PresenceChange) => {
      this.#subscriptions.presence(frame);
      this.#events.emit("presence", frame);
    },
    subscribe: (frame: Subscribed) => this.#subscriptions.subscribedByServer(frame),
    unsubscribe: (frame: { channel: string }) => this.#subscriptions.ended(frame.channel, undefined),
    reconnect: (frame: { retry_in_ms: number }) => this.#link.returnAfter(frame.retry_in_ms),
    token_expiring: () => void this.#refresh(),
    ping() {}, // the link answers; it ends a replay, as any frame that is known
  };

  #refused({ code, error: text, id, request, channel, retry_after: retryAfter }: Frame): void {
    const details = { request, channel, retryAfter } as object;
    const error = new TidegateError(code as ClientErrorCode, text as string, details);
    if (this.#outbox.refuse(error, id)) return; // told by then
    this.#failed(error);
    if (id === undefined && request === "subscribe" && code !== "rate_limit")
      this.#subscriptions.ended(channel as string, error); // a right has ended
  }

  /** Gets a new token from the function, where there is one, and shows it. */
  async #refresh(): Promise<void> {
    this.#tokens.forget();
    if (!this.#tokens.canRefresh) return;
    const token = await this.#tokens.get().catch(() => {}); // told by then
    if (token) void this.#ask("authenticate", { token }, true);
  }

  #lost(end: Lost): void {
    this.#welcome = undefined;
    this.#subscriptions.disconnected();
    const text = `connection ended: ${end.code}${end.reason && `, ${end.reason}`}`;
    this.#outbox.closed(end.code === 1009);
    if (!end.willReconnect) this.#outbox.clear(text);
    if (end.code !== 1000 || end.willReconnect) this.#failed(new TidegateError("connection", text));
    this.#events.emit("close", end);
  }

  #failed(error: TidegateError): void {
    this.#errors += 1;
    this.#events.emit("error", error);
  }
}
