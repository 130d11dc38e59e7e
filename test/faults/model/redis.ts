/** A model of Redis with one stream and two replicas: everything that happens to it is a method, and nothing happens else. */
import { type EntryId, offsetPrefix } from "../../../src/bus/stream-offset.ts";

export interface ModelRecord {
  /** `publisher:n` */
  readonly text: string;
  readonly key: string | undefined;
}

export interface ModelEntry {
  readonly id: EntryId;
  readonly epoch: string;
  readonly writer: string;
  readonly sequence: number;
  readonly records: readonly ModelRecord[];
}

interface Replica {
  readonly entries: readonly ModelEntry[];
  readonly epoch: string | undefined;
}

export const beginning: EntryId = { ms: 0, sequence: 0 };
export const compareIds = (a: EntryId, b: EntryId): number => a.ms - b.ms || a.sequence - b.sequence;

export class ModelRedis {
  entries: ModelEntry[] = [];
  lastId = beginning;
  /** Under its key; it is lost with everything else, and rolls back with it. */
  epoch: string | undefined;
  /** All that it was ever given, by the beginning of the offsets; also what it has lost. */
  readonly everything = new Map<string, ModelEntry>();
  /** Entries that were in the stream and are lost; what was trimmed had its time, and is not among them. */
  readonly lost = new Set<ModelEntry>();
  /** Texts of records that went without anybody's connection. */
  readonly flushed = new Set<string>();
  #nowMs = 1000;
  #behindMs = 0; // of this server's clock
  #branch = 0; // so that ids of two lives never meet
  #replica: Replica = { entries: [], epoch: undefined };
  #second: Replica = this.#replica; // confirms nothing, and may lack what the first one has

  append(entry: Omit<ModelEntry, "id">): EntryId {
    this.#nowMs += 1;
    const ms = Math.max(this.#nowMs - this.#behindMs, this.lastId.ms + 1);
    this.lastId = { ms, sequence: this.#branch };
    const added = { ...entry, id: this.lastId };
    this.entries.push(added);
    this.everything.set(offsetPrefix(this.lastId), added);
    return this.lastId;
  }

  after(cursor: EntryId, count: number): readonly ModelEntry[] {
    const from = this.entries.findIndex(({ id }) => compareIds(id, cursor) > 0);
    return from === -1 ? [] : this.entries.slice(from, from + count);
  }

  at(id: EntryId): ModelEntry | undefined {
    return this.entries.find((entry) => compareIds(entry.id, id) === 0);
  }

  /** The replica has it, and so what comes after a failover to it. */
  isReplicated(id: EntryId): boolean {
    return this.#replica.entries.some((entry) => compareIds(entry.id, id) === 0);
  }

  /** The replica catches up, but for the last `lag` entries. */
  replicate(lag = 0): void {
    this.#replica = this.#caughtUp(this.#replica, lag);
  }

  replicateSecond(lag: number): void {
    this.#second = this.#caughtUp(this.#second, lag);
  }

  /** A replica takes over, with what it has; its clock may be behind. */
  failOver(behindMs: number, isSecond = false): void {
    const { entries, epoch } = isSecond ? this.#second : this.#replica;
    this.#begin([...entries], epoch, behindMs);
  }

  wipe(behindMs: number): void {
    this.#begin([], undefined, behindMs);
  }

  /** As a wipe, under connections that stay. */
  flush(): void {
    for (const { records } of this.entries) for (const { text } of records) this.flushed.add(text);
    this.wipe(0);
  }

  /**
   * Keeps the last `count` entries, and more where something is under way: the window is minutes, and what is sent again
   * comes within seconds of its first copy.
   */
  trim(count: number, isUnderWay: (entry: ModelEntry) => boolean): void {
    const isCopied = ({ writer, sequence }: ModelEntry, at: number): boolean =>
      this.entries.slice(at + 1).some((later) => later.writer === writer && later.sequence === sequence);
    const first = this.entries.findIndex((entry, at) => isCopied(entry, at) || isUnderWay(entry));
    const from = Math.min(Math.max(0, this.entries.length - count), first === -1 ? this.entries.length : first);
    this.entries = this.entries.slice(from);
    const kept = ({ entries, epoch }: Replica): Replica => ({
      entries: entries.filter((entry) => this.entries.includes(entry)),
      epoch,
    });
    this.#replica = kept(this.#replica);
    this.#second = kept(this.#second);
  }

  /** Nothing that the stream still has tells of it: for that it takes entries of its writer before and behind it. */
  isUntold({ writer, sequence }: ModelEntry): boolean {
    const own = this.entries.filter((entry) => entry.writer === writer).map((entry) => entry.sequence);
    return Math.min(...own) > sequence || Math.max(...own) < sequence;
  }

  #caughtUp({ entries }: Replica, lag: number): Replica {
    const count = Math.max(entries.length, this.entries.length - lag); // it never goes back
    return { entries: this.entries.slice(0, count), epoch: this.epoch };
  }

  #begin(entries: ModelEntry[], epoch: string | undefined, behindMs: number): void {
    for (const entry of this.entries) if (!entries.includes(entry)) this.lost.add(entry);
    this.entries = entries;
    this.#replica = { entries: [...entries], epoch };
    this.#second = this.#replica;
    this.epoch = epoch;
    this.lastId = entries.at(-1)?.id ?? beginning;
    this.#behindMs = behindMs;
    this.#branch += 1;
  }
}
