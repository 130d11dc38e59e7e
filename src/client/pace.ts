/**
 * The gateway's message limit, kept on this side, so that it is never met. Counts as the gateway does, by the generic
 * cell rate algorithm: one number, the time at which the bucket will be full again.
 */
export class Pace {
  #burst = 0;
  #msPerMessage = 0; // 0: no limit
  #fullAtMs = 0;

  /**
   * A full bucket, for a new connection; 0: no limit. A second's worth stays in it: messages that leave evenly may arrive
   * closer together.
   */
  reset(messagesPerMinute: number): void {
    this.#burst = (messagesPerMinute * 59) / 60;
    this.#msPerMessage = messagesPerMinute && 60_000 / messagesPerMinute;
    this.#fullAtMs = 0;
  }

  /** Milliseconds until `count` may be sent; 0 or below: now. */
  waitMs(count: number, nowMs: number): number {
    return this.#fullAtMs - nowMs - (this.#burst - count) * this.#msPerMessage;
  }

  take(count: number, nowMs: number): void {
    this.#fullAtMs = Math.max(nowMs, this.#fullAtMs) + count * this.#msPerMessage;
  }

  /** The gateway says that one may be sent at `atMs` and not before. */
  emptyUntil(atMs: number): void {
    this.#fullAtMs = Math.max(this.#fullAtMs, atMs + (this.#burst - 1) * this.#msPerMessage);
  }
}
