/** A model of how a node writes: one entry at a time, again and again until it is there, as `src/bus/shard-writer.ts` does. */
import { type EntryId, offsetOf, offsetPrefix } from "../../../src/bus/stream-offset.ts";
import type { StreamPosition } from "../../../src/protocol/messages.ts";
import type { ModelRecord } from "./redis.ts";
import type { Surroundings } from "./surroundings.ts";

/** What becomes of an attempt. */
export type Fate = "answered" | "answer lost" | "request lost";

interface Waiting {
  readonly record: ModelRecord;
  readonly done: (position: StreamPosition) => void;
}

interface Flight {
  readonly sequence: number;
  readonly batch: readonly Waiting[];
  attempts: number;
  added: EntryId | undefined; // by the answer
  seen: EntryId | undefined; // by the reader
}

const recordsPerEntry = 3;
/** Attempts after which the reader is not waited for any more. */
const patience = 6;

export class ModelWriter {
  readonly #writer: string;
  readonly #around: Surroundings;
  readonly #node: { epoch(): string; readonly holds: Set<string> };
  readonly #queue: Waiting[] = [];
  #sequence = 0;
  #flight: Flight | undefined;
  #mustProbe = false;

  constructor(writer: string, around: Surroundings, node: { epoch(): string; readonly holds: Set<string> }) {
    this.#writer = writer;
    this.#around = around;
    this.#node = node;
  }

  append(record: ModelRecord, done: (position: StreamPosition) => void): void {
    this.#queue.push({ record, done });
  }

  /** Writes an entry without records next, if there is nothing else. */
  probe(): void {
    this.#mustProbe = true;
  }

  isWriting(sequence: number): boolean {
    return this.#flight?.sequence === sequence;
  }

  /** The reader has met its entry. */
  seen(sequence: number, id: EntryId): void {
    if (this.#flight?.sequence === sequence) this.#flight.seen = id;
  }

  reconnected(): void {
    if (this.#flight !== undefined) this.#flight.added = undefined;
  }

  /** One attempt to write what waits. */
  write(fate: Fate): void {
    const { redis, without, isDurable } = this.#around;
    const flight = this.#flight ?? this.#begin();
    if (flight === undefined) return;
    flight.attempts += 1;
    if (fate !== "request lost" && flight.added === undefined && (isDurable || flight.seen === undefined)) {
      const records = flight.batch.map(({ record }) => record);
      const { sequence } = flight;
      const id = redis.append({ epoch: this.#node.epoch(), writer: this.#writer, sequence, records });
      if (fate === "answered") flight.added = id;
    }
    // Of several copies the first one counts, and only the reader knows which that is.
    if (flight.attempts > 1 && flight.seen === undefined && flight.attempts < patience) return;
    const needsReplica = isDurable && without !== "wait for a replica";
    if (needsReplica && !(flight.added !== undefined && redis.isReplicated(flight.added))) return;
    const id = flight.seen ?? flight.added ?? (without === "sending again" ? redis.lastId : undefined);
    if (id !== undefined) this.#acknowledge(flight, id);
  }

  #begin(): Flight | undefined {
    if (this.#queue.length === 0 && !this.#mustProbe) return undefined;
    this.#mustProbe = false;
    this.#sequence += 1;
    const batch = this.#queue.splice(0, recordsPerEntry);
    for (const { record } of batch) this.#node.holds.add(record.text);
    this.#flight = { sequence: this.#sequence, batch, attempts: 0, added: undefined, seen: undefined };
    return this.#flight;
  }

  #acknowledge({ batch }: Flight, id: EntryId): void {
    this.#flight = undefined;
    const prefix = offsetPrefix(id);
    for (const [index, { done }] of batch.entries())
      done({ offset: offsetOf(prefix, index), epoch: this.#node.epoch() });
  }
}
