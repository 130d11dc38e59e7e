/**
 * The token buckets of a connection: what it may send, and how often it is told that it may not.
 *
 * Heartbeats (`ping`, `pong`) pay from a bucket of their own, so that answering the server never costs a message.
 */
import { TokenBuckets } from "../limit/token-buckets.ts";

export interface LimitOptions {
  /** Both burst and refill; 0: no limit. */
  readonly maxMessagesPerMinute: number;
  /** 0: no limit. */
  readonly heartbeatsPerMinuteMax: number;
  /** 0: no limit. */
  readonly bytesPerSecondMax: number;
  /** Refused frames a minute before the connection is closed; 0: never. */
  readonly floodRefusalsPerMinuteMax: number;
  readonly messageBytesMax: number;
}

export class Limits {
  readonly messages: TokenBuckets | undefined;
  readonly heartbeats: TokenBuckets | undefined;
  readonly bytes: TokenBuckets | undefined;
  /** Spent by each refusal; empty: the connection floods. */
  readonly refusals: TokenBuckets | undefined;
  /** One `rate_limit` frame a second; the rest is counted only. */
  readonly notices: TokenBuckets;

  constructor(options: LimitOptions, capacity: number) {
    const perMinute = (count: number) => (count === 0 ? undefined : new TokenBuckets(count, count / 60_000, capacity));
    this.messages = perMinute(options.maxMessagesPerMinute);
    this.heartbeats = perMinute(options.heartbeatsPerMinuteMax);
    this.refusals = perMinute(options.floodRefusalsPerMinuteMax);
    this.notices = new TokenBuckets(1, 1 / 1000, capacity);
    const { bytesPerSecondMax, messageBytesMax } = options;
    // The burst holds the largest message, or that message could never be sent.
    this.bytes =
      bytesPerSecondMax === 0
        ? undefined
        : new TokenBuckets(Math.max(bytesPerSecondMax, messageBytesMax), bytesPerSecondMax / 1000, capacity);
  }

  /** Fills the buckets of a slot for its new owner. */
  reset(slot: number): void {
    for (const buckets of this.#all()) buckets.reset(slot);
  }

  grow(capacity: number): void {
    for (const buckets of this.#all()) buckets.grow(capacity);
  }

  #all(): TokenBuckets[] {
    const all = [this.messages, this.heartbeats, this.bytes, this.refusals, this.notices];
    return all.filter((buckets) => buckets !== undefined);
  }
}
