/**
 * Which channels the program listens to, and which the gateway knows of: the second is made to follow the first.
 *
 * Several listeners of one channel share one subscription. What they want is compared in a microtask, so that leaving and
 * coming back in one go, as React does in strict mode, sends nothing; and what is then to be subscribed goes in one batch.
 */
import { backoffMs } from "./backoff.ts";
import type { Emitter } from "./emitter.ts";
import type { TidegateError } from "./errors.ts";
import type { Frame, Message, PresenceChange, Subscribed } from "./frames.ts";
import type { Listener } from "./listener.ts";
import type { ClientEvents } from "./options.ts";
import type { Outbox } from "./outbox.ts";
import { Subscription } from "./subscription.ts";
import type { Surroundings } from "./surroundings.ts";

export interface SubscriptionsParts {
  readonly outbox: Pick<Outbox, "add" | "flush" | "isPublishing">;
  readonly surroundings: Surroundings;
  readonly events: Pick<Emitter<ClientEvents>, "emit">;
  failed(error: TidegateError): void;
}

const retryMinMs = 2000;
const retryMaxMs = 30_000;

export class Subscriptions {
  readonly #parts: SubscriptionsParts;
  readonly #byChannel = new Map<string, Subscription>();
  /** Messages, each once. */
  received = 0;
  #isConnected = false;
  #isScheduled = false;
  #replaying: Subscription | undefined; // its replayed messages are arriving

  constructor(parts: SubscriptionsParts) {
    this.#parts = parts;
  }

  add(listener: Listener): void {
    this.#of(listener.channel).add(listener);
    this.schedule();
  }

  remove(listener: Listener): void {
    this.#byChannel.get(listener.channel)?.listeners.delete(listener);
    this.schedule();
  }

  /** The channel is wanted, and the gateway has not answered yet. */
  isPending(channel: string): boolean {
    const subscription = this.#byChannel.get(channel);
    return subscription !== undefined && !subscription.isLive && this.#isWanted(subscription);
  }

  /** Compares soon what is wanted with what is. */
  schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.reconcile();
    });
  }

  connected(): void {
    this.#isConnected = true;
    this.reconcile();
  }

  /** All subscriptions ended with their connection; those of the backend are its own to make again. */
  disconnected(): void {
    this.#isConnected = false;
    this.#replaying = undefined;
    for (const [channel, subscription] of this.#byChannel) {
      subscription.lost();
      if (!this.#isWanted(subscription)) this.#byChannel.delete(channel);
    }
  }

  /** Subscribes in one batch what is wanted, and unsubscribes what is not. */
  reconcile(): void {
    if (!this.#isConnected) return;
    for (const subscription of this.#byChannel.values()) {
      if (!this.#isWanted(subscription)) this.#unsubscribe(subscription);
      else if (subscription.needsRequest) this.#subscribe(subscription);
    }
    this.#parts.outbox.flush(); // what was held
  }

  /** Every frame passes here first: the one after the last replayed message says that it was the last. */
  passing(frame: Frame): void {
    const replaying = this.#replaying;
    if (replaying === undefined || (frame.replayed === true && frame.channel === replaying.channel)) return;
    this.#replaying = undefined;
    replaying.replayed();
  }

  message(message: Message): void {
    const subscription = this.#byChannel.get(message.channel);
    if (subscription === undefined) return;
    const gap = subscription.gapBefore(message);
    if (gap !== undefined) this.#parts.events.emit("gap", gap);
    if (!subscription.take(message)) return;
    this.received += 1;
    this.#parts.events.emit("message", message);
  }

  presence(change: PresenceChange): void {
    this.#byChannel.get(change.channel)?.presence(change);
  }

  /** The backend subscribed this connection. */
  subscribedByServer(frame: Subscribed): void {
    const subscription = this.#of(frame.channel);
    subscription.isByServer = true;
    if (!subscription.isAsking) this.#subscribed(subscription, frame); // else the own request has its own answer
  }

  /** The backend, or the end of a right, took the subscription away. */
  ended(channel: string, error: TidegateError | undefined): void {
    const subscription = this.#byChannel.get(channel);
    this.#byChannel.delete(channel);
    subscription?.end(error);
    this.#parts.outbox.flush(); // what was held for it
  }

  #of(channel: string): Subscription {
    const subscription = this.#byChannel.get(channel) ?? new Subscription(channel);
    this.#byChannel.set(channel, subscription);
    return subscription;
  }

  /** Somebody listens, or a publication is to be sent that the gateway takes from subscribers only. */
  #isWanted({ listeners, isByServer, channel, wasLive }: Subscription): boolean {
    return listeners.size > 0 || isByServer || (wasLive && this.#parts.outbox.isPublishing(channel));
  }

  #subscribe(subscription: Subscription): void {
    const { channel } = subscription;
    subscription.isAsking = true;
    const isCurrent = (): boolean => this.#byChannel.get(channel) === subscription;
    this.#parts.outbox.add({
      ...{ action: "subscribe", channel, isFirst: true, isOfConnection: true },
      data: () => subscription.request(),
      succeed: (reply) => isCurrent() && this.#subscribed(subscription, reply as unknown as Subscribed),
      fail: (error) => {
        this.#parts.failed(error);
        if (isCurrent()) this.#refused(subscription, error);
      },
    });
  }

  #subscribed(subscription: Subscription, reply: Subscribed): void {
    const gap = subscription.subscribed(reply);
    this.#replaying = subscription;
    if (gap !== undefined) this.#parts.events.emit("gap", gap);
    this.reconcile(); // a listener may have come meanwhile; and what was held may go
  }

  #refused(subscription: Subscription, error: TidegateError): void {
    if (error.code !== "unavailable" && error.code !== "internal") return this.ended(subscription.channel, error);
    const { surroundings } = this.#parts;
    const waitMs = backoffMs(surroundings.random(), retryMinMs, retryMaxMs, subscription.refusals);
    subscription.isAsking = false;
    subscription.refusals += 1;
    surroundings.after(waitMs, () => this.reconcile());
  }

  #unsubscribe({ channel, isLive, isAsking }: Subscription): void {
    this.#byChannel.delete(channel);
    if (!isLive && !isAsking) return;
    this.#parts.outbox.add({
      ...{ action: "unsubscribe", isFirst: true, isOfConnection: true },
      data: () => ({ channel }),
      succeed() {},
      fail() {},
    });
  }
}
