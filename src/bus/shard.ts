/**
 * One shard of the log: a stream with its writer and its reader, the epoch that both are in, and the positions that this
 * node knows.
 */
import type { StreamPosition } from "../protocol/messages.ts";
import type { AppendFault, Apply, LogRecord } from "./bus.ts";
import type { Entry } from "./entry-codec.ts";
import { EntryIndex } from "./entry-index.ts";
import { newEpoch } from "./epochs.ts";
import type { RedisConnection } from "./redis-connection.ts";
import { type ReaderOptions, ShardReader } from "./shard-reader.ts";
import { ShardWriter, type WriterOptions } from "./shard-writer.ts";
import { type EntryId, offsetOf, offsetPrefix, startOffset } from "./stream-offset.ts";

/** What both halves are told of the shard. */
export type ShardOptions = ReaderOptions & WriterOptions;

export interface ShardEvents {
  readonly apply: Apply;
  /** The shard has a new epoch: recoveries over this point fail. `isOwn`: it was this node that noticed the break. */
  epochChanged(reason: string, isOwn: boolean): void;
  /** A position has been passed where there is no record, or none that is applied. */
  moved(position: StreamPosition): void;
  /** A record was left out, of a kind or in a version that this release does not know; or a whole entry that is none. */
  skipped(what: "kind" | "version" | "foreign"): void;
  writeFailed(error: Error): void;
  readFailed(error: Error): void;
  /** The past has been read. */
  caughtUp(): void;
  written(records: number, milliseconds: number): void;
  /** An entry of a node has arrived, by the node's incarnation; one of its own came back through the stream. */
  heard(writer: string): void;
}

const unsaidGap = "entries of a writer are missing";

export class Shard {
  readonly #options: ShardOptions;
  readonly #events: ShardEvents;
  readonly #writer: ShardWriter;
  readonly #reader: ShardReader;
  readonly #index: EntryIndex;
  #epoch = ""; // before the first entry is read, or `begin`
  #hasBegun = false; // the past had been read when it began
  #gapEpoch: string | undefined; // the epoch of a gap in what is read up on, until a later epoch tells of it
  #probedAtMs = 0; // when the oldest probe that has not come back was sent; 0: none
  #tail = startOffset();
  #knownFrom = this.#tail;

  constructor(options: ShardOptions, writing: RedisConnection, reading: RedisConnection, events: ShardEvents) {
    this.#options = options;
    this.#events = events;
    this.#index = new EntryIndex(2 * options.entriesMax);
    this.#writer = new ShardWriter(options, writing, {
      epoch: () => this.#epoch,
      failed: events.writeFailed,
      written: events.written,
    });
    this.#reader = new ShardReader(options, reading, {
      entry: (entry, id, ageMs) => this.#apply(entry, id, ageMs),
      foreign: () => events.skipped("foreign"),
      passed: (epoch) => this.#hearOf(epoch),
      broken: (reason, isGap) => this.#break(reason, isGap),
      failed: events.readFailed,
      caughtUp: () => this.#caughtUp(),
    });
  }

  get epoch(): string {
    return this.#epoch;
  }

  /** Milliseconds that the oldest probe has been on its way through the stream; 0 where none is. */
  get lagMs(): number {
    return this.#probedAtMs === 0 ? 0 : performance.now() - this.#probedAtMs;
  }

  /** Milliseconds that an entry of this node takes through the stream; of one that is late, so far. */
  get wayMs(): number {
    return this.#writer.wayMs;
  }

  /** Entries that this node has sent off and not yet read. */
  get unreadEntries(): number {
    return this.#writer.unread;
  }

  /** Starts reading; `caughtUp` tells when the past has been read. */
  read(): void {
    void this.#reader.run();
  }

  /** Sets the epoch of a log that held none. */
  begin(epoch: string): void {
    if (this.#epoch === "") this.#epoch = epoch;
  }

  append(record: LogRecord, done: (outcome: StreamPosition | AppendFault) => void): void {
    this.#writer.append(record, done);
  }

  /** Sends an entry through the stream: when it comes back, the whole way works. */
  probe(): void {
    if (this.#probedAtMs === 0) this.#probedAtMs = performance.now();
    this.#writer.probe();
  }

  tail(): StreamPosition {
    return { offset: this.#tail, epoch: this.#epoch };
  }

  knownFrom(): string {
    return this.#knownFrom;
  }

  knows(offset: string): boolean {
    return offset === this.#knownFrom || this.#index.has(offset);
  }

  stop(): void {
    this.#writer.stop();
    this.#reader.stop();
  }

  #apply({ epoch, writer, sequence, isNewer, records }: Entry, id: EntryId, ageMs: number): void {
    if (this.#epoch === "") this.#epoch = epoch;
    else this.#hearOf(epoch);
    const prefix = offsetPrefix(id);
    // An entry without records is a position as well: in a quiet log every node knows the latest one.
    this.#index.add(id, Math.max(1, records.length));
    this.#tail = offsetOf(prefix, 0);
    if (this.#hasBegun) this.#events.heard(writer); // first, for the records may say that it is no more
    if (records.length === 0) this.#events.moved(this.tail());
    for (const [index, record] of records.entries()) {
      const offset = offsetOf(prefix, index);
      const position = { offset, epoch: this.#epoch };
      if (record === undefined) this.#events.skipped(isNewer ? "version" : "kind");
      // Who called the roll in the past has been answered.
      const isCounted = record !== undefined && (this.#hasBegun || record.kind !== "roll_call");
      if (isCounted) this.#events.apply(record, position, ageMs);
      else this.#events.moved(position); // clients may stand here, on a node that knows the kind
      this.#tail = offset;
    }
    if (writer === this.#options.writer) {
      this.#writer.seen(sequence, id);
      this.#probedAtMs = 0;
    }
  }

  #caughtUp(): void {
    const gapEpoch = this.#gapEpoch;
    this.#gapEpoch = undefined;
    this.#hasBegun = true;
    // Nobody who noticed the gap lived to say so.
    if (gapEpoch !== undefined && gapEpoch === this.#epoch) this.#enter(newEpoch(this.#epoch), unsaidGap, true);
    this.#events.caughtUp();
  }

  #hearOf(epoch: string): void {
    if (epoch > this.#epoch) this.#enter(epoch, "another node noticed a break", false);
  }

  /** At once, also where a break is met while what follows another one is read: else places would fall within an epoch. */
  #break(reason: string, isGap: boolean): void {
    if (isGap && !this.#hasBegun) {
      this.#gapEpoch = this.#epoch; // if others noticed it at the time, they tell so further on in the log
      return;
    }
    this.#enter(newEpoch(this.#epoch), reason, true);
    this.probe(); // tells the others, also where nobody publishes
  }

  /** From here on nothing of before is known: what this node reads next may have lower ids than what it read last. */
  #enter(epoch: string, reason: string, isOwn: boolean): void {
    this.#epoch = epoch;
    this.#index.clear();
    this.#tail = startOffset();
    this.#knownFrom = this.#tail;
    if (this.#hasBegun) this.#events.epochChanged(reason, isOwn);
  }
}
