/**
 * The reading half of one shard: every entry of its stream, once, in order, across reconnects, restarts and failovers.
 *
 * The rule: before it reads on, after every new connection and every few seconds, it looks at the entry at its cursor.
 * Where that is gone or another one, the log was trimmed past it, lost or rolled back: readers are told (`broken`), and
 * the stream is read from its beginning again. What was applied before is recognised by its writer's sequence and
 * skipped; a sequence that is missing is a break as well.
 *
 * The oldest entries of a stream that is full may be trimmed between two pages, and what is missing then was never lost to
 * anybody. So a node that starts begins to apply at a distance behind them.
 */
import { setTimeout } from "node:timers/promises";
import { decodeEntry, type Entry } from "./entry-codec.ts";
import { commandTimeoutMs, type RedisConnection } from "./redis-connection.ts";
import { type EntryId, parseEntryId } from "./stream-offset.ts";

export interface ReaderOptions {
  readonly key: string;
  readonly entriesMax: number;
  readonly retentionSeconds: number;
  readonly monotonicOriginMs: number;
}

export interface ReaderEvents {
  /** An entry, each once. `ageMs`: how long ago it was written, while the past is read; else 0. */
  entry(entry: Entry, id: EntryId, ageMs: number): void;
  /** What stands at `id` is no entry. */
  foreign(): void;
  /** A second copy of an entry, or one read again, was passed over: it may tell of a later epoch than the first. */
  passed(epoch: string): void;
  /** The log is not the one that was read so far: something may be missing. `isGap`: within the log that is there. */
  broken(reason: string, isGap: boolean): void;
  /** An attempt to read failed; it is repeated. */
  failed(error: Error): void;
  /** The past has been read, up to the present: at the start, and again after a break. */
  caughtUp(): void;
}

const blockMs = 2000;
const readTimeoutMs = blockMs + commandTimeoutMs;
const retryPauseMs = 100;
/** Of half a megabyte each at most, see `ShardWriter`. */
const entriesAtOnce = 64;
const cursorCheckMs = 2000;
/** Writers whose last sequence is remembered; the longest silent one is forgotten first. */
const writersMax = 10_000;

/** Redis trims whole nodes of its tree, of 100 entries each, and writers go on while these are passed over. */
const passedOverMin = 200;
const passedOverShare = 1 / 20;

const beginning = "0-0";

export class ShardReader {
  readonly #options: ReaderOptions;
  readonly #connection: RedisConnection;
  readonly #events: ReaderEvents;
  readonly #sequences = new Map<string, number>(); // by writer: the last sequence applied, longest silent first
  #cursor = beginning;
  #cursorBytes: Buffer | undefined; // the entry at the cursor
  #clockAheadMs = 0; // of this machine's clock, against Redis'
  #toPassOver: number | undefined; // oldest entries that are not applied; `undefined` before the stream was looked at
  #isPresent = false; // the past has been read
  #metSinceBreak: Set<string> | undefined; // writers, while what follows a break is read
  #isStopped = false;

  constructor(options: ReaderOptions, connection: RedisConnection, events: ReaderEvents) {
    this.#options = options;
    this.#connection = connection;
    this.#events = events;
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** Reads until stopped. Never rejects. */
  async run(): Promise<void> {
    let generation = -1;
    let checkedAtMs = 0;
    while (!this.#isStopped) {
      await this.#connection.ready();
      if (this.#isStopped) return;
      try {
        const checking = this.#connection.generation;
        if (generation !== checking) await this.#askTime();
        this.#toPassOver ??= await this.#endangered();
        if (generation !== checking || performance.now() - checkedAtMs > cursorCheckMs) {
          await this.#checkCursor();
          generation = checking;
          checkedAtMs = performance.now();
        }
        await this.#readOn();
      } catch (error) {
        generation = -1;
        if (this.#toPassOver !== 0) this.#beginAnew();
        this.#events.failed(error as Error);
        await setTimeout(retryPauseMs);
      }
    }
  }

  async #readOn(): Promise<void> {
    const { key } = this.#options;
    const isUpToDate = this.#isPresent;
    const reply = await this.#connection.run(
      (client) =>
        isUpToDate
          ? client.xreadBuffer("COUNT", entriesAtOnce, "BLOCK", blockMs, "STREAMS", key, this.#cursor)
          : client.xreadBuffer("COUNT", entriesAtOnce, "STREAMS", key, this.#cursor),
      readTimeoutMs,
    );
    const entries = (reply as [Buffer, [Buffer, Buffer[]][]][] | null)?.[0]?.[1] ?? [];
    for (const [id, fields] of entries) this.#apply(id.toString("latin1"), fields);
    if (this.#isPresent || entries.length === entriesAtOnce) return;
    this.#isPresent = true;
    this.#toPassOver = 0;
    this.#metSinceBreak = undefined;
    this.#events.caughtUp();
  }

  #apply(id: string, fields: Buffer[]): void {
    const bytes = fields[1];
    this.#cursor = id;
    this.#cursorBytes = bytes;
    const entry = bytes === undefined ? undefined : decodeEntry(bytes, this.#options.monotonicOriginMs);
    if (this.#toPassOver! > 0) {
      this.#toPassOver! -= 1;
      if (entry !== undefined) this.#events.passed(entry.epoch);
      return;
    }
    if (entry === undefined) return this.#events.foreign();
    const { writer, sequence, isNewer, records } = entry;
    // Of a writer that is met in the past, or read again after a break, the beginning may have been trimmed.
    const last = this.#sequences.get(writer) ?? (this.#isPresent ? 0 : sequence - 1);
    if (sequence <= last) return this.#events.passed(entry.epoch);
    const isCovered = this.#metSinceBreak?.has(writer) === false; // what it lacks was lost before the break, and told
    if (sequence > last + 1 && !isCovered) this.#broken("entries of a writer are missing", true);
    if (isNewer && records.length > 0) this.#broken("an entry of a later release cannot be read here", true);
    this.#metSinceBreak?.add(writer);
    this.#sequences.delete(writer);
    this.#sequences.set(writer, sequence);
    if (this.#sequences.size > writersMax) this.#sequences.delete(this.#sequences.keys().next().value!);
    this.#events.entry(entry, parseEntryId(id), this.#isPresent ? 0 : this.#ageMs(id));
  }

  /** How many of the oldest entries are passed over: some where the stream is full or as old as it may be, else none. */
  async #endangered(): Promise<number> {
    const { key, entriesMax, retentionSeconds } = this.#options;
    const entries = await this.#connection.run((client) => client.xlen(key));
    const [oldest] = await this.#connection.run((client) => client.xrange(key, "-", "+", "COUNT", 1));
    const isOld = oldest !== undefined && this.#ageMs(oldest[0]) > retentionSeconds * 1000;
    if (entries < entriesMax && !isOld) return 0;
    return Math.floor(Math.min(entries / 2, Math.max(passedOverMin, entries * passedOverShare)));
  }

  /** Nothing has been applied so far. */
  #beginAnew(): void {
    this.#toPassOver = undefined;
    this.#cursor = beginning;
  }

  /** By Redis' clock. */
  #ageMs(id: string): number {
    return Math.max(0, Date.now() - this.#clockAheadMs - parseEntryId(id).ms);
  }

  async #askTime(): Promise<void> {
    const [seconds] = await this.#connection.run((client) => client.time());
    this.#clockAheadMs = Date.now() - Number(seconds) * 1000;
  }

  /** Looks whether the stream still holds the last entry read, as it was read. */
  async #checkCursor(): Promise<void> {
    if (this.#cursor === beginning) return;
    if (this.#toPassOver !== 0) return; // nothing has been applied
    const { key } = this.#options;
    const found = (await this.#connection.run((client) => client.xrangeBuffer(key, this.#cursor, this.#cursor))) as [
      Buffer,
      Buffer[],
    ][];
    const bytes = found[0]?.[1][1];
    if (bytes !== undefined && this.#cursorBytes?.equals(bytes)) return;
    if (bytes === undefined && (await this.#lastId()) === this.#cursor) return; // trimmed by age, and nothing after it
    this.#cursor = beginning;
    this.#cursorBytes = undefined;
    this.#broken(
      bytes === undefined
        ? "the last entry read is gone: the stream was lost, rolled back or trimmed"
        : "the stream was rolled back",
      false,
    );
  }

  /** The id of the last entry that the stream was ever given; `undefined` where there is no stream. */
  async #lastId(): Promise<string | undefined> {
    const { key } = this.#options;
    const info = await this.#connection.run((client) => client.xinfo("STREAM", key)).catch(() => []);
    const fields: unknown[] = Array.isArray(info) ? info : Object.entries(info as object).flat();
    return fields[fields.indexOf("last-generated-id") + 1] as string | undefined;
  }

  #broken(reason: string, isGap: boolean): void {
    if (this.#isPresent) this.#metSinceBreak = new Set();
    this.#isPresent = false;
    this.#events.broken(reason, isGap);
  }
}
