/**
 * What the supervisor keeps of the log so that a worker which starts has the same state as the others: the messages of
 * channels with history, the idempotency keys, the members, and the commands that are kept.
 *
 * The rule: a message that is let go leaves a floor behind, the offset from which on its channel is complete. A worker
 * that is filled from here never calls a recovery whole that is not; and a channel that has been quiet for an hour is
 * still recovered, because its floor is known.
 *
 * Bounded as the workers' own state is: each channel by its policy, all by `bytesMax`, floors by their number.
 */
import { isOfMembers, type LogRecord, type MembershipRecord, type PublicationRecord } from "../bus/bus.ts";
import { KeptCommands } from "../bus/kept-commands.ts";
import { shardOf } from "../bus/shard-of.ts";
import type { Past, PastRecords } from "../bus/worker-past.ts";
import type { Policies } from "../channel/policy.ts";
import { Members } from "../channel/presence.ts";
import type { Clock } from "../clock/clock.ts";
import type { StreamPosition } from "../protocol/messages.ts";

export interface ReplayOptions {
  /** All that is kept, at most. */
  readonly bytesMax: number;
  /** How long anything is kept: the longest history of all policies, or the time of an idempotency key. */
  readonly secondsMax: number;
  /** Keys are kept at all. */
  readonly keepsKeys: boolean;
  /** Of the log, see `SourceLog`. */
  readonly shards: number;
}

interface Kept {
  record: PublicationRecord;
  readonly position: StreamPosition;
  readonly atMs: number; // monotonic
  bytes: number;
  /** Counts among its channel's messages; otherwise it is here for its key alone. */
  isHistory: boolean;
  nextOfChannel: Kept | undefined; // the next newer one with isHistory
  older: Kept | undefined; // neighbours in the list of all
  newer: Kept | undefined;
}

interface ShardPast {
  readonly epoch: string;
  /** No floor that was forgotten is behind it. */
  knownFrom: string | undefined;
}

/** The messages of one channel that count; never empty. */
interface ChannelLine {
  oldest: Kept;
  newest: Kept;
  count: number;
}

/** What an entry takes besides its text: about that of two objects. */
const overheadBytes = 300;
/** 100 bytes each. The channel whose floor was set first goes, and its shard's takes its place. */
const floorsMax = 200_000;
const nobody = { connections: [], users: [] };
/** Of records that have no place of their own. */
const nowhere: StreamPosition = { offset: "", epoch: "" };

export class Replay implements Past {
  readonly members: Members;
  /** Publications that came since this process has been up to date. */
  publications = 0;
  /** Hears of every join and leave. */
  memberChanged: (change: MembershipRecord) => void = () => {};
  readonly #options: ReplayOptions;
  readonly #policies: Policies;
  readonly #clock: Clock;
  readonly #commands = new KeptCommands();
  readonly #lines = new Map<string, ChannelLine>();
  readonly #shards: ShardPast[];
  readonly #floors = new Map<string, string>(); // by channel, longest unchanged first, about; in its shard's present epoch
  #oldest: Kept | undefined;
  #newest: Kept | undefined;
  #bytes = 0;

  constructor(options: ReplayOptions, policies: Policies, clock: Clock) {
    this.#options = options;
    this.#policies = policies;
    this.#clock = clock;
    this.members = new Members(options.shards);
    this.#shards = Array.from({ length: options.shards }, () => ({ epoch: "", knownFrom: undefined }));
  }

  /** Hot path. */
  add(record: LogRecord, position: StreamPosition, ageMs: number): void {
    if (record.kind === "publication") this.#addPublication(record, position, ageMs);
    else if (isOfMembers(record)) this.members.apply(record, this.memberChanged);
    else this.#commands.note(record);
  }

  /** What was kept before stays for its keys; as history it is of another epoch, and workers see that for themselves. */
  enter(shard: number, epoch: string): void {
    this.#shards[shard] = { epoch, knownFrom: undefined };
    for (const channel of this.#floors.keys()) if (this.#shardOf(channel) === shard) this.#floors.delete(channel);
  }

  /** Linear in what is kept. */
  all(): PastRecords {
    const nowMs = this.#clock.nowMs();
    this.#expire(nowMs);
    const records = [];
    for (let kept = this.#oldest; kept !== undefined; kept = kept.newer) {
      const { record, position, atMs } = kept;
      records.push({ record, position, ageMs: nowMs - atMs });
    }
    for (const record of this.members.all()) records.push({ record, position: nowhere, ageMs: 0 });
    for (const record of this.#commands.present(this.#clock.unixSeconds()))
      records.push({ record, position: nowhere, ageMs: 1 }); // of the past, however little: nobody waits for an answer
    const knownFrom = this.#shards.map((shard) => shard.knownFrom);
    return { records, floors: [...this.#floors], knownFrom: (shard) => knownFrom[shard] };
  }

  /** The messages of a channel that count, oldest first; of its present epoch, or of one before. */
  messages(channel: string): readonly Pick<Kept, "record" | "position" | "atMs">[] {
    const messages: Kept[] = [];
    for (let kept = this.#lines.get(channel)?.oldest; kept !== undefined; kept = kept.nextOfChannel)
      messages.push(kept);
    return messages;
  }

  /** No message of the channel behind this offset is missing; `undefined`: as far back as the bus knows its log. */
  floor(channel: string): string | undefined {
    return this.#floors.get(channel) ?? this.#shards[this.#shardOf(channel)]!.knownFrom;
  }

  #addPublication(record: PublicationRecord, position: StreamPosition, ageMs: number): void {
    const { channel, target, key } = record;
    const shard = this.#shardOf(channel);
    if (this.#shards[shard]!.epoch !== position.epoch) this.enter(shard, position.epoch);
    if (ageMs === 0) this.publications += 1;
    const { size } = this.#policies.of(channel).history;
    const isHistory = size > 0 && target === undefined;
    if (!isHistory && (key === undefined || !this.#options.keepsKeys)) return;
    const nowMs = this.#clock.nowMs();
    const kept = this.#push(isHistory ? record : keyOnly(record), position, nowMs - ageMs, isHistory);
    if (isHistory) {
      const line = this.#append(channel, kept);
      while (line.count > size) this.#supersede(line);
    }
    this.#expire(nowMs);
    while (this.#bytes > this.#options.bytesMax && this.#oldest !== undefined) this.#drop(this.#oldest);
  }

  #push(record: PublicationRecord, position: StreamPosition, atMs: number, isHistory: boolean): Kept {
    const older = this.#newest;
    const bytes = sizeOf(record);
    const kept: Kept = { record, position, atMs, bytes, isHistory, nextOfChannel: undefined, older, newer: undefined };
    if (older === undefined) this.#oldest = kept;
    else older.newer = kept;
    this.#newest = kept;
    this.#bytes += bytes;
    return kept;
  }

  #append(channel: string, kept: Kept): ChannelLine {
    let line = this.#lines.get(channel);
    if (line === undefined) {
      line = { oldest: kept, newest: kept, count: 0 };
      this.#lines.set(channel, line);
    } else line.newest.nextOfChannel = kept;
    line.newest = kept;
    line.count += 1;
    return line;
  }

  /** The oldest message of a channel counts no longer; its key may. */
  #supersede(line: ChannelLine): void {
    const kept = line.oldest;
    if (kept.record.key === undefined || !this.#options.keepsKeys) return this.#drop(kept);
    this.#endHistory(kept);
    kept.record = keyOnly(kept.record);
    this.#bytes -= kept.bytes;
    kept.bytes = sizeOf(kept.record);
    this.#bytes += kept.bytes;
  }

  #expire(nowMs: number): void {
    const keptMs = this.#options.secondsMax * 1000;
    while (this.#oldest !== undefined && nowMs - this.#oldest.atMs > keptMs) this.#drop(this.#oldest);
  }

  /** `kept` is the oldest of its channel, or here for its key alone. */
  #drop(kept: Kept): void {
    if (kept.isHistory) this.#endHistory(kept);
    if (kept.older === undefined) this.#oldest = kept.newer;
    else kept.older.newer = kept.newer;
    if (kept.newer === undefined) this.#newest = kept.older;
    else kept.newer.older = kept.older;
    this.#bytes -= kept.bytes;
  }

  /** Takes the oldest message of its channel out of the line, and sets the floor there. */
  #endHistory(kept: Kept): void {
    const { channel } = kept.record;
    const line = this.#lines.get(channel)!;
    if (kept.nextOfChannel === undefined) this.#lines.delete(channel);
    else line.oldest = kept.nextOfChannel;
    line.count -= 1;
    kept.isHistory = false;
    kept.nextOfChannel = undefined;
    if (kept.position.epoch !== this.#shards[this.#shardOf(channel)]!.epoch) return;
    if (this.#floors.size > floorsMax / 2) this.#floors.delete(channel); // its place in the order is new
    this.#floors.set(channel, kept.position.offset);
    if (this.#floors.size <= floorsMax) return;
    const [forgotten, floor] = this.#floors.entries().next().value!;
    this.#floors.delete(forgotten);
    const shard = this.#shards[this.#shardOf(forgotten)]!;
    if (shard.knownFrom === undefined || floor > shard.knownFrom) shard.knownFrom = floor;
  }

  #shardOf(channel: string): number {
    return shardOf(channel, this.#options.shards);
  }
}

/** Addressed to nobody and empty: applied, it makes its key known and nothing else. */
const keyOnly = (record: PublicationRecord): PublicationRecord => ({ ...record, head: "", target: nobody });
const sizeOf = ({ head, key = "" }: PublicationRecord): number =>
  Buffer.byteLength(head) + 2 * key.length + overheadBytes;
