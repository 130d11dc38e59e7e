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
import { ShardReader } from "./shard-reader.ts";
import { ShardWriter } from "./shard-writer.ts";
import { type EntryId, offsetOf, offsetPrefix, startOffset } from "./stream-offset.ts";

export interface ShardOptions {
  readonly key: string;
  /** The node's incarnation. */
  readonly writer: string;
  readonly entriesMax: number;
  readonly durable: boolean;
  readonly queueBytesMax: number;
  readonly monotonicOriginMs: number;
}

export interface ShardEvents {
  readonly apply: Apply;
  /** The shard has a new epoch: recoveries over this point fail. */
  epochChanged(key: string, reason: string): void;
  writeFailed(error: Error): void;
  readFailed(error: Error): void;
  caughtUp(): void;
  written(records: number, milliseconds: number): void;
  /** An entry of this node came back through the stream. */
  returned(): void;
}

export class Shard {
  readonly #options: ShardOptions;
  readonly #events: ShardEvents;
  readonly #writer: ShardWriter;
  readonly #reader: ShardReader;
  readonly #index: EntryIndex;
  #epoch = ""; // before the first entry is read, or `begin`
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
      broken: (reason) => this.#break(reason),
      failed: events.readFailed,
      caughtUp: events.caughtUp,
    });
  }

  get epoch(): string {
    return this.#epoch;
  }

  get queueBytes(): number {
    return this.#writer.queueBytes;
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

  probe(): void {
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

  #apply({ epoch, writer, sequence, records }: Entry, id: EntryId, ageMs: number): void {
    if (this.#epoch === "") this.#epoch = epoch;
    else if (epoch > this.#epoch) this.#enter(epoch, "another node noticed a break");
    const prefix = offsetPrefix(id);
    if (records.length > 0) this.#index.add(id, records.length);
    for (const [index, record] of records.entries()) {
      const offset = offsetOf(prefix, index);
      this.#events.apply(record, { offset, epoch: this.#epoch }, ageMs);
      this.#tail = offset;
    }
    if (writer !== this.#options.writer) return;
    this.#writer.seen(sequence, id);
    this.#events.returned();
  }

  #break(reason: string): void {
    this.#enter(newEpoch(this.#epoch), reason);
    this.#writer.probe(); // tells the others, also where nobody publishes
  }

  /** From here on nothing of before is known: what this node reads next may have lower ids than what it read last. */
  #enter(epoch: string, reason: string): void {
    this.#epoch = epoch;
    this.#index.clear();
    this.#tail = startOffset();
    this.#knownFrom = this.#tail;
    this.#events.epochChanged(this.#options.key, reason);
  }
}
