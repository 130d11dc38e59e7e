/**
 * Idempotency keys seen lately: a publication that comes again with its key is acknowledged and not delivered again.
 *
 * Built from the log alone, so every node decides alike. A key counts within its channel and user: nobody can spend
 * another user's key. Kept for `seconds`, at most `keysMax`; past that the oldest go first.
 */
import type { Clock } from "../clock/clock.ts";
import type { StreamPosition } from "../protocol/messages.ts";

export interface IdempotencyOptions {
  readonly seconds: number;
  readonly keysMax: number;
}

export class Idempotency {
  readonly #options: IdempotencyOptions;
  readonly #clock: Clock;
  readonly #seen = new Map<string, { position: StreamPosition; atMs: number }>(); // in the order of arrival

  constructor(options: IdempotencyOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
  }

  /** The position of the publication that had this key first; `undefined` where none is known. */
  find(channel: string, userId: string | undefined, key: string): StreamPosition | undefined {
    const seen = this.#seen.get(scoped(channel, userId, key));
    return seen !== undefined && this.#clock.nowMs() - seen.atMs < this.#options.seconds * 1000
      ? seen.position
      : undefined;
  }

  add(channel: string, userId: string | undefined, key: string, position: StreamPosition): void {
    const nowMs = this.#clock.nowMs();
    const name = scoped(channel, userId, key);
    this.#seen.delete(name); // an expired one: its place in the order is new
    this.#seen.set(name, { position, atMs: nowMs });
    for (const [oldest, { atMs }] of this.#seen) {
      if (this.#seen.size <= this.#options.keysMax && nowMs - atMs < this.#options.seconds * 1000) break;
      this.#seen.delete(oldest);
    }
  }
}

/**
 * No channel holds a space; a user id and a key may hold anything, so the id's length keeps the parts apart, and the dash
 * keeps a key that looks like an id and a key out of that user's scope.
 */
function scoped(channel: string, userId: string | undefined, key: string): string {
  return userId === undefined ? `${channel} - ${key}` : `${channel} ${userId.length}:${userId} ${key}`;
}
