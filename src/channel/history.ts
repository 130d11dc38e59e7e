/**
 * The latest messages of each channel with history, in memory: what recovery and the `history` action answer from.
 *
 * The rule of recovery: `since` succeeds only where this node has applied the record at the client's exact offset, in
 * the same epoch, and has kept every message of the channel behind it. Everything else, however plausible, is answered
 * with `recovered: false`: a recovery that looks whole is whole.
 *
 * A channel has a ring while it has messages. What it let go leaves its floor behind, the offset of the last message
 * that is gone: in the ring, and in `#floors` once there is none. A channel with neither is whole from where this node
 * knows the log.
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
  entries: (StoredEntry | undefined)[]; // never without one, but inside `push`
  first: number; // entries[first..] are kept; the ones before are evicted, hold nothing and are soon cut off
  floor: string; // no message behind it is missing
  bytes: number; // of the entries
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
/** A ring's own share: the object, its array and its place in the map. */
const ringOverheadBytes = 400;
/** Floors of channels that have no message left, about 150 bytes each; the longest unchanged one goes first. */
const floorsMax = 100_000;

export class History {
  readonly #options: HistoryOptions;
  readonly #clock: Clock;
  readonly #log: HistoryLog;
  readonly #rings = new Map<string, Ring>();
  readonly #floors = new Map<string, StreamPosition>(); // by channel without a ring
  readonly #forgotten = new Map<string, string>(); // by epoch: the highest of the floors that went
  #oldest: StoredEntry | undefined;
  #newest: StoredEntry | undefined;
  bytes = 0; // of the rings and their entries
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
    const bytes = Buffer.byteLength(body) + entryOverheadBytes;
    const entry: StoredEntry = {
      offset: position.offset,
      body,
      ring,
      atMs: this.#clock.nowMs() - ageMs,
      bytes,
      older: this.#newest,
      newer: undefined,
    };
    if (this.#newest === undefined) this.#oldest = entry;
    else this.#newest.newer = entry;
    this.#newest = entry;
    ring.entries.push(entry);
    ring.bytes += bytes;
    this.bytes += bytes;
    this.messages += 1;
    while (count(ring) > policy.history.size || ring.bytes > this.#options.channelBytesMax) this.#evictFirst(ring);
    while (this.bytes > this.#options.bytesMax && this.#oldest !== undefined) this.#evictFirst(this.#oldest.ring);
  }

  /** Where `channel` stands: what a new subscriber may later come back with. */
  position(channel: string): StreamPosition {
    const ring = this.#present(channel);
    const last = ring?.entries.at(-1);
    return ring === undefined || last === undefined
      ? this.#log.tail(channel)
      : { offset: last.offset, epoch: ring.epoch };
  }

  /** What followed `since`, oldest first; `undefined` where that cannot be proven. */
  since(channel: string, since: StreamPosition): readonly HistoryEntry[] | undefined {
    const ring = this.#present(channel);
    if (since.epoch !== this.#log.tail(channel).epoch) return undefined;
    if (ring !== undefined) {
      const index = ring.entries.findLastIndex((entry) => entry?.offset === since.offset);
      if (index !== -1) return kept(ring, index + 1);
    }
    const floor = ring?.floor ?? this.#floor(channel, since.epoch);
    if (since.offset === floor) return ring === undefined ? [] : kept(ring);
    // A position of another channel's message, or of an empty channel: the log knows it, and nothing behind it has gone.
    if (since.offset < floor || !this.#log.knows(channel, since.offset)) return undefined;
    return ring === undefined ? [] : kept(ring).filter((entry) => entry.offset > since.offset);
  }

  /** The latest `limit` messages, oldest first; with `before`, the latest of those with a lower offset. */
  latest(channel: string, limit: number, before?: string): readonly HistoryEntry[] {
    const ring = this.#present(channel);
    const entries = ring === undefined ? [] : kept(ring);
    const older = before === undefined ? entries : entries.filter((entry) => entry.offset < before);
    return limit === 0 ? [] : older.slice(-limit);
  }

  /** Drops messages past their age. Linear in the rings. */
  sweep(): void {
    const nowMs = this.#clock.nowMs();
    for (const ring of this.#rings.values()) this.#expire(ring, nowMs);
  }

  /** The ring of `channel` in the present epoch, without what is past its age. */
  #present(channel: string): Ring | undefined {
    const ring = this.#rings.get(channel);
    if (ring === undefined) return undefined;
    if (ring.epoch === this.#log.tail(channel).epoch) this.#expire(ring, this.#clock.nowMs());
    else while (count(ring) > 0) this.#evictFirst(ring);
    return count(ring) > 0 ? ring : undefined;
  }

  #newRing(channel: string, policy: Policy, epoch: string): Ring {
    const old = this.#rings.get(channel); // of an epoch that is over
    while (old !== undefined && count(old) > 0) this.#evictFirst(old);
    const floor = this.#floor(channel, epoch);
    const ring = { channel, epoch, policy, entries: [], first: 0, floor, bytes: 0 };
    this.#rings.set(channel, ring);
    this.#floors.delete(channel);
    this.bytes += ringBytes(ring);
    return ring;
  }

  /** From where on the channel, which has no ring, is whole in `epoch`. */
  #floor(channel: string, epoch: string): string {
    const known = this.#log.knownFrom(channel);
    const left = this.#floors.get(channel);
    const floor = left?.epoch === epoch ? left.offset : (this.#forgotten.get(epoch) ?? known);
    return floor > known ? floor : known;
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
    if (count(ring) === 0) this.#end(ring);
  }

  /** A ring without messages leaves nothing but its floor. */
  #end(ring: Ring): void {
    this.#rings.delete(ring.channel);
    this.bytes -= ringBytes(ring);
    this.#floors.delete(ring.channel); // so that the latest changed stand last
    this.#floors.set(ring.channel, { offset: ring.floor, epoch: ring.epoch });
    if (this.#floors.size <= floorsMax) return;
    const [channel, { offset, epoch }] = this.#floors.entries().next().value!;
    this.#floors.delete(channel);
    if (offset > (this.#forgotten.get(epoch) ?? "")) this.#forgotten.set(epoch, offset);
  }
}

const kept = (ring: Ring, from = ring.first): StoredEntry[] => ring.entries.slice(from) as StoredEntry[];
const ringBytes = (ring: Ring): number => ringOverheadBytes + ring.channel.length;
const count = (ring: Ring): number => ring.entries.length - ring.first;
