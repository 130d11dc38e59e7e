/**
 * Idempotency keys seen lately: a publication that comes again with its key is acknowledged and not delivered again.
 *
 * Built from the log alone, times too, so every node decides alike, also one that starts later: what counts is when
 * publications were accepted by the nodes that wrote them, not when they are read. A key counts within its channel and
 * user: nobody can spend another user's key. Kept for `seconds`, at most `keysMax`; past that the oldest go first.
 */
import type { StreamPosition } from "../protocol/messages.ts";

export interface IdempotencyOptions {
  readonly seconds: number;
  readonly keysMax: number;
}

/** A publication with a key, as far as it counts here. */
export interface Keyed {
  readonly channel: string;
  readonly userId: string | undefined;
  readonly key: string;
  /** Monotonic ms: of the reading process, but the same apart on every node. */
  readonly acceptedAtMs: number;
}

export class Idempotency {
  readonly #options: IdempotencyOptions;
  readonly #isDurable: boolean;
  readonly #seen = new Map<string, { position: StreamPosition; atMs: number }>(); // in the order of arrival

  /** `isDurable`: that the log brought a record does not mean that it will keep it, see `answer`. */
  constructor(options: IdempotencyOptions, isDurable = false) {
    this.#options = options;
    this.#isDurable = isDurable;
  }

  /**
   * The position to acknowledge one that comes again with at once. In a durable log there is none: the first may be read by
   * all nodes and lost with its master, so the second is appended too, which shows that a replica has both.
   */
  answer(keyed: Keyed): StreamPosition | undefined {
    return this.#isDurable ? undefined : this.find(keyed);
  }

  /** The position of the publication that had this key first, for one that is accepted now; `undefined` for none. */
  find({ channel, userId, key, acceptedAtMs }: Keyed): StreamPosition | undefined {
    const seen = this.#seen.get(scoped(channel, userId, key));
    return seen !== undefined && !this.#isPast(seen.atMs, acceptedAtMs) ? seen.position : undefined;
  }

  add({ channel, userId, key, acceptedAtMs }: Keyed, position: StreamPosition): void {
    const name = scoped(channel, userId, key);
    this.#seen.delete(name); // an expired one: its place in the order is new
    this.#seen.set(name, { position, atMs: acceptedAtMs });
    for (const [oldest, { atMs }] of this.#seen) {
      if (this.#seen.size <= this.#options.keysMax && !this.#isPast(atMs, acceptedAtMs)) break;
      this.#seen.delete(oldest);
    }
  }

  /** In whole milliseconds: nodes count from different beginnings, and differ in the last digits. */
  #isPast(atMs: number, nowMs: number): boolean {
    return Math.round(nowMs - atMs) >= this.#options.seconds * 1000;
  }
}

/**
 * No channel holds a space; a user id and a key may hold anything, so the id's length keeps the parts apart, and the dash
 * keeps a key that looks like an id and a key out of that user's scope.
 */
function scoped(channel: string, userId: string | undefined, key: string): string {
  return userId === undefined ? `${channel} - ${key}` : `${channel} ${userId.length}:${userId} ${key}`;
}
