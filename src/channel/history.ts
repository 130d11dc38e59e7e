/**
 * The latest messages of each channel with history, in memory: what recovery and the `history` action answer from.
 *
 * The rule of recovery: `since` succeeds only where this node has applied the record at the client's exact offset, in
 * the same epoch, and the ring reaches back to it. Everything else, however plausible, is answered with
 * `recovered: false`: a recovery that looks whole is whole.
 *
 * Rings are bounded by their policy (messages and age), by `channelBytesMax` so that a replay fits the send queue, and
 * all together by `bytesMax`: past it the oldest messages of the whole node go first.
 */
import type { Bus } from "../bus/bus.ts";
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
  bytes: number;
  touchedMs: number; // monotonic: the last use, see `sweep`
}

export interface HistoryOptions {
  /** All rings together. */
  readonly bytesMax: number;
  /** One ring. */
  readonly channelBytesMax: number;
}

/** What history asks of the log; see `Bus`. */
export type HistoryLog = Pick<Bus, "tail" | "knownFrom" | "knows">;

/** An entry's share besides its text: the object, its place in the ring and the offset, measured at 180 to 220 bytes. */
const entryOverheadBytes = 200;

export class History {
  readonly #options: HistoryOptions;
  readonly #clock: Clock;
  readonly #log: HistoryLog;
  readonly #rings = new Map<string, Ring>();
  #oldest: StoredEntry | undefined;
  #newest: StoredEntry | undefined;
  #forgotten = ""; // no message of a ring that was forgotten has a higher offset
  bytes = 0;
  messages = 0;

  constructor(options: HistoryOptions, log: HistoryLog, clock: Clock) {
    this.#options = options;
    this.#log = log;
    this.#clock = clock;
  }

  get channels(): number {
    return this.#rings.size;
  }

  /**
   * Keeps a message that was written `ageMs` ago, `body` being its frame up to the closing brace. Hot path. The policy
   * has a history.
   */
  push(channel: string, policy: Policy, position: StreamPosition, body: string, ageMs = 0): void {
    let ring = this.#rings.get(channel);
    if (ring === undefined || ring.epoch !== position.epoch) ring = this.#newRing(channel, policy, position.epoch);
    const atMs = this.#clock.nowMs() - ageMs;
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
    const ring = this.#ring(channel, policy);
    const last = ring.entries.at(-1);
    return last === undefined ? this.#log.tail(channel) : { offset: last.offset, epoch: ring.epoch };
  }

  /** What followed `since`, oldest first; `undefined` where that cannot be proven. */
  since(channel: string, policy: Policy, since: StreamPosition): readonly HistoryEntry[] | undefined {
    const ring = this.#ring(channel, policy);
    if (since.epoch !== ring.epoch) return undefined;
    if (since.offset === ring.floor) return kept(ring);
    const index = ring.entries.findLastIndex((entry) => entry?.offset === since.offset);
    if (index !== -1) return kept(ring, index + 1);
    // A position of another channel's message, or of an empty channel: the log knows it, and the ring reaches back to it.
    if (since.offset < ring.floor || !this.#log.knows(channel, since.offset)) return undefined;
    return kept(ring).filter((entry) => entry.offset > since.offset);
  }

  /** The latest `limit` messages, oldest first; with `before`, the latest of those with a lower offset. */
  latest(channel: string, policy: Policy, limit: number, before?: string): readonly HistoryEntry[] {
    const ring = this.#ring(channel, policy);
    const entries = kept(ring);
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

  #forget(ring: Ring): void {
    this.#rings.delete(ring.channel);
    if (ring.floor > this.#forgotten) this.#forgotten = ring.floor;
  }

  #ring(channel: string, policy: Policy): Ring {
    const ring = this.#rings.get(channel);
    const tail = this.#log.tail(channel);
    if (ring === undefined || ring.epoch !== tail.epoch) return this.#newRing(channel, policy, tail.epoch);
    ring.touchedMs = this.#clock.nowMs();
    this.#expire(ring, ring.touchedMs);
    return ring;
  }

  /** A ring that is complete from where the log is known, or from where rings were forgotten. */
  #newRing(channel: string, policy: Policy, epoch: string): Ring {
    const old = this.#rings.get(channel);
    while (old !== undefined && count(old) > 0) this.#evictFirst(old);
    const touchedMs = this.#clock.nowMs();
    const ring = {
      channel,
      epoch,
      policy,
      entries: [],
      first: 0,
      floor: later(this.#forgotten, this.#log.knownFrom(channel)),
      bytes: 0,
      touchedMs,
    };
    this.#rings.set(channel, ring);
    return ring;
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

const later = (a: string, b: string): string => (a > b ? a : b);
const kept = (ring: Ring, from = ring.first): StoredEntry[] => ring.entries.slice(from) as StoredEntry[];
const count = (ring: Ring): number => ring.entries.length - ring.first;
