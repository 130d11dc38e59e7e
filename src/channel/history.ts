/**
 * The latest messages of each channel with history, in memory: what recovery and the `history` action answer from.
 *
 * The rule of recovery: `since` succeeds only where the client's exact offset stands in the ring, or is the ring's
 * floor, the position right before its first message. Everything else, however plausible, is answered with
 * `recovered: false`: a recovery that looks whole is whole.
 *
 * Rings are bounded by their policy (messages and age), by `channelBytesMax` so that a replay fits the send queue, and
 * all together by `bytesMax`: past it the oldest messages of the whole node go first.
 */
import type { Clock } from "../clock/clock.ts";
import type { StreamPosition } from "../protocol/messages.ts";
import type { Policy } from "./policy.ts";

export interface HistoryEntry {
  readonly offset: string;
  /** The `message` frame with its position, up to, and without, its closing brace. */
  readonly body: string;
}

interface StoredEntry extends HistoryEntry {
  readonly ring: Ring;
  readonly atMs: number; // monotonic
  readonly bytes: number; // of its UTF-8, which is what a replay sends, and `entryOverheadBytes`
  older: StoredEntry | undefined; // neighbours in the list of all entries of the node
  newer: StoredEntry | undefined;
}

interface Ring {
  readonly channel: string;
  readonly epoch: string;
  readonly policy: Policy;
  entries: (StoredEntry | undefined)[];
  first: number; // entries[first..] are kept; the ones before are evicted, hold nothing and are soon cut off
  floor: string; // offset right before the first entry
  bytes: number; // of the entries
  touchedMs: number; // monotonic: the last use, see `sweep`
}

export interface HistoryOptions {
  /** All rings together. */
  readonly bytesMax: number;
  /** One ring. */
  readonly channelBytesMax: number;
}

/** A ring's own share, whether or not it holds messages: the object, its array and its place in the map. */
const ringOverheadBytes = 400;

/** The rings themselves may take a quarter of `bytesMax` besides their messages, and this much in any case. */
const ringBytesMin = 1024 * 1024;
/** Rings with messages that are passed over in the search for one without. */
const sparedRingsMax = 100;

/** An entry's share besides its text: the object, its place in the ring and the offset, measured at 180 to 220 bytes. */
const entryOverheadBytes = 200;

export class History {
  readonly #options: HistoryOptions;
  readonly #clock: Clock;
  readonly #tail: (channel: string) => StreamPosition;
  readonly #rings = new Map<string, Ring>();
  #oldest: StoredEntry | undefined;
  #newest: StoredEntry | undefined;
  #ringBytes = 0;
  bytes = 0;
  messages = 0;

  /** `tail` gives the log's present position for a channel: the floor of a new ring. */
  constructor(options: HistoryOptions, tail: (channel: string) => StreamPosition, clock: Clock) {
    this.#options = options;
    this.#tail = tail;
    this.#clock = clock;
  }

  get channels(): number {
    return this.#rings.size;
  }

  /**
   * Keeps a message, `body` being its frame up to the closing brace. Hot path. The policy has a history. A ring that
   * begins with a message has no known floor: only who has that message can recover from it.
   */
  push(channel: string, policy: Policy, position: StreamPosition, body: string): void {
    let ring = this.#rings.get(channel);
    if (ring === undefined || ring.epoch !== position.epoch)
      ring = this.#newRing(channel, policy, { ...position, offset: "" });
    const atMs = this.#clock.nowMs();
    const bytes = Buffer.byteLength(body) + entryOverheadBytes;
    const entry: StoredEntry = {
      offset: position.offset,
      body,
      ring,
      atMs,
      bytes,
      older: this.#newest,
      newer: undefined,
    };
    if (this.#newest === undefined) this.#oldest = entry;
    else this.#newest.newer = entry;
    this.#newest = entry;
    ring.entries.push(entry);
    ring.bytes += bytes;
    ring.touchedMs = atMs;
    this.bytes += bytes;
    this.messages += 1;
    while (count(ring) > policy.history.size || ring.bytes > this.#options.channelBytesMax) this.#evictFirst(ring);
    while (this.bytes > this.#options.bytesMax && this.#oldest !== undefined) this.#evictFirst(this.#oldest.ring);
  }

  /** Where `channel` stands: what a new subscriber may later come back with. Makes the ring, so that the position is kept. */
  position(channel: string, policy: Policy): StreamPosition {
    const ring = this.#present(channel) ?? this.#newRing(channel, policy, this.#tail(channel));
    return { offset: ring.entries.at(-1)?.offset ?? ring.floor, epoch: ring.epoch };
  }

  /** What followed `since`, oldest first; `undefined` where that cannot be proven. Makes no ring. */
  since(channel: string, since: StreamPosition): readonly HistoryEntry[] | undefined {
    const ring = this.#present(channel);
    if (ring === undefined || since.epoch !== ring.epoch) return undefined;
    if (since.offset === ring.floor) return kept(ring);
    const index = ring.entries.findLastIndex((entry) => entry?.offset === since.offset);
    return index === -1 ? undefined : kept(ring, index + 1);
  }

  /** The latest `limit` messages, oldest first; with `before`, the latest of those with a lower offset. Makes no ring. */
  latest(channel: string, limit: number, before?: string): readonly HistoryEntry[] {
    const ring = this.#present(channel);
    const entries = ring === undefined ? [] : kept(ring);
    const older = before === undefined ? entries : entries.filter((entry) => entry.offset < before);
    return limit === 0 ? [] : older.slice(-limit);
  }

  /** Drops messages past their age, and empty rings that nobody has used for another such age. Linear in the rings. */
  sweep(isInUse: (channel: string) => boolean): void {
    const nowMs = this.#clock.nowMs();
    for (const ring of this.#rings.values()) {
      this.#expire(ring, nowMs);
      if (count(ring) > 0) continue;
      if (isInUse(ring.channel)) ring.touchedMs = nowMs;
      else if (nowMs - ring.touchedMs > 2 * ring.policy.history.seconds * 1000) this.#forget(ring);
    }
  }

  /** The ring of `channel` in the present epoch, without what is past its age. */
  #present(channel: string): Ring | undefined {
    const ring = this.#rings.get(channel);
    if (ring === undefined) return undefined;
    if (ring.epoch !== this.#tail(channel).epoch) {
      this.#forget(ring);
      return undefined;
    }
    ring.touchedMs = this.#clock.nowMs();
    this.#expire(ring, ring.touchedMs);
    return ring;
  }

  #newRing(channel: string, policy: Policy, floor: StreamPosition): Ring {
    const old = this.#rings.get(channel);
    if (old !== undefined) this.#forget(old);
    const touchedMs = this.#clock.nowMs();
    const ring = {
      channel,
      epoch: floor.epoch,
      policy,
      entries: [],
      first: 0,
      floor: floor.offset,
      bytes: 0,
      touchedMs,
    };
    this.#rings.set(channel, ring);
    this.#ringBytes += ringBytes(ring);
    this.#keepRingsWithinBytes(ring);
    return ring;
  }

  #forget(ring: Ring): void {
    while (count(ring) > 0) this.#evictFirst(ring);
    this.#rings.delete(ring.channel);
    this.#ringBytes -= ringBytes(ring);
  }

  /** Channels are cheap to name: rings without messages are forgotten first, the longest made before the others. */
  #keepRingsWithinBytes(newest: Ring): void {
    const bytesMax = Math.max(ringBytesMin, this.#options.bytesMax / 4);
    let spared = 0;
    for (const ring of this.#rings.values()) {
      if (this.#ringBytes <= bytesMax || ring === newest) return;
      if (count(ring) > 0 && spared < sparedRingsMax) spared += 1;
      else this.#forget(ring);
    }
  }

  #expire(ring: Ring, nowMs: number): void {
    const keptMs = ring.policy.history.seconds * 1000;
    for (let entry = ring.entries[ring.first]; entry && nowMs - entry.atMs > keptMs; entry = ring.entries[ring.first])
      this.#evictFirst(ring);
  }

  #evictFirst(ring: Ring): void {
    const entry = ring.entries[ring.first]!;
    ring.floor = entry.offset;
    ring.entries[ring.first] = undefined; // or its text would stay, uncounted, until the cut
    ring.first += 1;
    if (ring.first > 32 && ring.first * 2 > ring.entries.length) {
      ring.entries = ring.entries.slice(ring.first); // amortised: each entry is moved about once
      ring.first = 0;
    }
    ring.bytes -= entry.bytes;
    this.bytes -= entry.bytes;
    this.messages -= 1;
    if (entry.older === undefined) this.#oldest = entry.newer;
    else entry.older.newer = entry.newer;
    if (entry.newer === undefined) this.#newest = entry.older;
    else entry.newer.older = entry.older;
  }
}

const kept = (ring: Ring, from = ring.first): StoredEntry[] => ring.entries.slice(from) as StoredEntry[];
const ringBytes = (ring: Ring): number => ringOverheadBytes + ring.channel.length;
const count = (ring: Ring): number => ring.entries.length - ring.first;
