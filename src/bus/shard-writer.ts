/**
 * The writing half of one shard: records wait, go out in batches, and are acknowledged in their order.
 *
 * One XADD is in flight at a time, and one that failed or whose answer was lost is sent again as it was, with the same
 * sequence: readers drop the second copy. So an acknowledged record is in the stream once, and order holds. Records that
 * come while an XADD is in flight make the next batch; that is what carries the throughput.
 */
import { setTimeout } from "node:timers/promises";
import type { StreamPosition } from "../protocol/messages.ts";
import { Acknowledgements } from "./acknowledgements.ts";
import type { AppendFault, LogRecord } from "./bus.ts";
import { EntryBatch } from "./entry-batch.ts";
import type { RedisConnection } from "./redis-connection.ts";
import { type EntryId, offsetOf, offsetPrefix, parseEntryId, recordsPerEntryMax } from "./stream-offset.ts";

export interface WriterOptions {
  readonly key: string;
  /** The node's incarnation. */
  readonly writer: string;
  readonly entriesMax: number;
  readonly durable: boolean;
  /** Bytes of waiting records over which more publications are refused; records of members may take as much again. */
  readonly queueBytesMax: number;
  /** Of the records that wait for all shards. */
  readonly queue: { bytes: number };
  readonly monotonicOriginMs: number;
}

export interface WriterEvents {
  /** The present epoch of the shard. */
  epoch(): string;
  /** An attempt failed; it is repeated. */
  failed(error: Error): void;
  /** An entry is in the stream: how many records it holds, and how long that took. */
  written(records: number, milliseconds: number): void;
}

type Done = (outcome: StreamPosition | AppendFault) => void;

/** The entry that is on its way. */
interface InFlight {
  readonly sequence: number;
  /** Known once the reader has seen it, whatever became of the answer. */
  seenId: EntryId | undefined;
  /** Ends what is waited for at present. */
  wake: () => void;
}

const replicaTimeoutMs = 1000;
const retryPauseMs = 100;
/**
 * For the reader to come upon the first copy of an entry that was sent more than once: its connection may have been lost
 * with the writer's, and take longer to come back. An end to it, because the stream may be lost before it was read.
 */
const firstCopyMs = 10_000;
const batchBytesMax = 128 * 1024;
/** What a waiting record takes besides its bytes: whoever is told, and what that one remembers. */
const recordOverheadBytes = 200;

export class ShardWriter {
  readonly #options: WriterOptions;
  readonly #connection: RedisConnection;
  readonly #events: WriterEvents;
  #queue: EntryBatch<Done>[] = []; // the last one is filled
  #sequence = 0;
  #timed = 0; // sequence of the entry whose way is timed, one after the other; 0: none
  #timedAtMs = 0;
  #wayMs = 0; // of the last one that was timed
  #isWriting = false;
  #isStopped = false;
  #inFlight: InFlight | undefined;
  readonly #acknowledgements = new Acknowledgements<EntryBatch<Done>>((batch, id) => this.#settle(batch, id));

  constructor(options: WriterOptions, connection: RedisConnection, events: WriterEvents) {
    this.#options = options;
    this.#connection = connection;
    this.#events = events;
  }

  /** Entries sent off that the reader has not seen. */
  get unread(): number {
    return this.#sequence - this.#acknowledgements.lastSeen;
  }

  /** Milliseconds that an entry takes until the reader sees it: the last one that was timed, or more where one is late. */
  get wayMs(): number {
    return Math.max(this.#wayMs, this.#timed === 0 ? 0 : performance.now() - this.#timedAtMs);
  }

  /** Hot path. */
  append(record: LogRecord, done: Done): void {
    const { queue, queueBytesMax, monotonicOriginMs } = this.#options;
    const bytesMax = record.kind === "publication" ? queueBytesMax : 2 * queueBytesMax;
    if (this.#isStopped || queue.bytes > bytesMax) return done("unavailable");
    let batch = this.#queue.at(-1);
    if (batch === undefined || batch.byteLength >= batchBytesMax || batch.companions.length === recordsPerEntryMax) {
      batch = new EntryBatch();
      this.#queue.push(batch);
    }
    queue.bytes += batch.add(record, monotonicOriginMs, done) + recordOverheadBytes;
    this.#wake();
  }

  /** Writes an entry without records: it announces the present epoch, and shows that the way through the stream works. */
  probe(): void {
    if (this.#queue.length === 0) this.#wake(true);
  }

  /** The reader has seen an entry of this writer: it is in the stream, whatever became of the answer. */
  seen(sequence: number, id: EntryId): void {
    if (this.#timed !== 0 && sequence >= this.#timed) {
      this.#wayMs = performance.now() - this.#timedAtMs;
      this.#timed = 0;
    }
    this.#acknowledgements.seen(sequence);
    if (this.#inFlight?.sequence !== sequence) return;
    this.#inFlight.seenId = id;
    this.#inFlight.wake();
  }

  /** Refuses everything that waits, and what comes later. */
  stop(): void {
    this.#isStopped = true;
    this.#acknowledgements.stop();
    for (const batch of this.#queue.splice(0)) this.#settle(batch, "unavailable");
  }

  #wake(isProbe = false): void {
    if (this.#isWriting || this.#isStopped) return;
    this.#isWriting = true;
    // After the handlers of this turn of the event loop, so that its publications go as one entry.
    setImmediate(() => this.#writeAll(isProbe));
  }

  async #writeAll(isProbe: boolean): Promise<void> {
    for (let isFirst = isProbe; (isFirst || this.#queue.length > 0) && !this.#isStopped; isFirst = false) {
      const batch = this.#queue.shift() ?? new EntryBatch<Done>();
      const startedMs = performance.now();
      const id = await this.#write(batch);
      if (id === undefined) {
        this.#settle(batch, "unavailable"); // stopped
        break;
      }
      this.#acknowledgements.written(batch, id, this.#sequence);
      const records = batch.companions.length;
      if (records > 0) this.#events.written(records, performance.now() - startedMs);
    }
    this.#isWriting = false;
    if (this.#queue.length > 0) this.#wake();
  }

  #settle(batch: EntryBatch<Done>, outcome: EntryId | AppendFault): void {
    const { companions, byteLength } = batch;
    this.#options.queue.bytes -= byteLength + companions.length * recordOverheadBytes;
    if (outcome === "unavailable") {
      for (const done of companions) done(outcome);
      return;
    }
    const prefix = offsetPrefix(outcome);
    const epoch = this.#events.epoch();
    for (const [index, done] of companions.entries()) done({ offset: offsetOf(prefix, index), epoch });
  }

  /** Resolves to the entry's id once the stream has it, however many attempts that takes; `undefined` once stopped. */
  async #write(batch: EntryBatch<Done>): Promise<EntryId | undefined> {
    this.#sequence += 1;
    const sequence = this.#sequence;
    if (this.#timed === 0) {
      this.#timed = sequence;
      this.#timedAtMs = performance.now();
    }
    const flight: InFlight = { sequence, seenId: undefined, wake: () => {} };
    this.#inFlight = flight;
    const { durable } = this.#options;
    let added: EntryId | undefined;
    let isConfirmed = !durable;
    let addedBy = -1; // the connection's generation: WAIT speaks of what its own connection wrote
    for (let attempt = 1; !this.#isStopped; attempt += 1) {
      await unlessSeen(flight, this.#connection.ready());
      if (this.#isStopped || (flight.seenId !== undefined && !durable)) break;
      try {
        if (added === undefined || addedBy !== this.#connection.generation) {
          addedBy = this.#connection.generation;
          const adding = this.#add(sequence, batch);
          added = await (durable ? adding : unlessSeen(flight, adding)); // the reader may be faster than the answer
        }
        if (durable) await this.#replicated();
        isConfirmed = true;
        // Of several copies the first one in the stream counts, and only the reader knows which that is.
        if (attempt > 1) await unlessSeen(flight, setTimeout(firstCopyMs));
        break;
      } catch (error) {
        // Any other failure may mean that another server has the stream now, which need not have this entry.
        if (!(error instanceof NotReplicated)) added = undefined;
        this.#events.failed(error as Error);
        await (durable ? setTimeout(retryPauseMs) : unlessSeen(flight, setTimeout(retryPauseMs)));
      }
    }
    this.#inFlight = undefined;
    return isConfirmed ? (flight.seenId ?? added) : undefined;
  }

  async #add(sequence: number, batch: EntryBatch<Done>): Promise<EntryId> {
    const { key, writer, entriesMax } = this.#options;
    // The epoch may change between attempts; the records and their sequence do not.
    const bytes = batch.entry(this.#events.epoch(), writer, sequence);
    const id = await this.#connection.run((client) => client.xadd(key, "MAXLEN", "~", entriesMax, "*", "v", bytes));
    return parseEntryId(id as string);
  }

  /** Rejects unless a replica has what this connection wrote. */
  async #replicated(): Promise<void> {
    // WAIT names no key, so a Cluster would ask any of its masters: in a pipeline it goes where the key is.
    const replies = await this.#connection.run((client) =>
      client.pipeline().exists(this.#options.key).wait(1, replicaTimeoutMs).exec(),
    );
    const [[moved] = [], [error, replicas] = []] = replies ?? [];
    if (moved || error) throw moved ?? error; // where the key is no more, WAIT speaks of other keys
    if (!(Number(replicas) >= 1)) throw new NotReplicated("no replica has confirmed the entry (redis.durable)");
  }
}

class NotReplicated extends Error {}

/**
 * Resolves as `attempt` does, or at once when the reader sees the entry. Not a race with one promise for all attempts:
 * that would keep something of each of them.
 */
function unlessSeen<T>(flight: InFlight, attempt: Promise<T>): Promise<T | undefined> {
  if (flight.seenId !== undefined) {
    attempt.catch(() => {}); // its outcome counts no more
    return Promise.resolve(undefined);
  }
  return new Promise<T | undefined>((resolve, reject) => {
    flight.wake = () => resolve(undefined);
    attempt.then(resolve, reject);
  });
}
