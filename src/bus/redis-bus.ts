/**
 * The log in Redis streams: many nodes, one order. A channel belongs to the shard of its hash; a shard is one stream.
 *
 * What goes wrong with Redis is told in three ways and in no other: `status` says whether the log can be written and
 * read at present, one log line says each change, and an epoch that changes says that something may be missing.
 */
import { randomBytes } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import type { StreamPosition } from "../protocol/messages.ts";
import type { AppendFault, Apply, Bus, LogRecord } from "./bus.ts";
import { BusCounts } from "./bus-counts.ts";
import type { BusFigures, BusLog, BusStatus, ShardObserver } from "./bus-status.ts";
import { CommandStore } from "./command-store.ts";
import { Control } from "./control.ts";
import { agreedEpoch } from "./epochs.ts";
import { Membership } from "./membership.ts";
import { RecordWriter } from "./record-writer.ts";
import { RedisConnection } from "./redis-connection.ts";
import type { RedisOptions } from "./redis-options.ts";
import { checkServer } from "./redis-server-check.ts";
import { Shard } from "./shard.ts";
import { shardOf } from "./shard-of.ts";
import { Troubles } from "./troubles.ts";
import type { Standing } from "./worker-view.ts";

const probeMs = 1000;
const trimMs = 10_000;
/** An entry of this node's own that has not come back for this long: the log cannot be read, whatever the sockets say. */
const readerLagMaxMs = 5000;

const skippedText = "the log holds what this release cannot read: it is skipped and counted";
const nowhere: StreamPosition = { offset: "", epoch: "" };

export class RedisBus implements Bus {
  readonly incarnation = randomBytes(6).toString("base64url");
  readonly isShared = true;
  observer: ShardObserver | undefined;
  readonly #options: RedisOptions;
  readonly #log: BusLog;
  readonly #troubles: Troubles;
  readonly #control: Control; // lease, epochs and trimming
  readonly #connections: RedisConnection[] = [];
  readonly #membership: Membership;
  readonly #commands: CommandStore;
  readonly #writer: RecordWriter;
  readonly #counts = new BusCounts();
  readonly #shards: Shard[] = [];
  readonly #queue = { bytes: 0 }; // of the records that wait to be written
  readonly #behind = new Set<Shard>(); // shards that have not read up to the present
  #apply: Apply | undefined;
  #isStopped = false;

  /** `knownNodes` lists the incarnations that have members, so that the dead among them are noticed. */
  constructor(options: RedisOptions, status: BusStatus, log: BusLog, knownNodes: () => readonly string[]) {
    this.#options = options;
    this.#log = log;
    this.#troubles = new Troubles(status, log, () => this.#queue.bytes);
    this.#control = new Control(this.#connect(Control.part), this.#troubles);
    this.#commands = new CommandStore(options.prefix, this.#control);
    this.#writer = new RecordWriter(this.#shards, this.#commands, () => this.#membership.lost());
    this.#membership = new Membership(options, this.incarnation, this.#control.connection, log, {
      append: (record, done = () => {}) => this.append(record, done),
      knownNodes,
      quietMs: () => this.#troubles.quietMs,
    });
  }

  get node(): number {
    return this.#membership.number;
  }

  /** Milliseconds that the oldest probe has been on its way through the stream; 0 where none is. */
  get lagMs(): number {
    return Math.max(0, ...this.#shards.map((shard) => shard.lagMs));
  }

  /** What it does and how it is, for the metrics. */
  figures(): BusFigures {
    const [queueBytes, lagMs] = [this.#queue.bytes, Math.max(0, ...this.#shards.map(({ wayMs }) => wayMs))];
    const unreadEntries = this.#shards.reduce((sum, shard) => sum + shard.unreadEntries, 0);
    const reconnects = this.#connections.reduce((sum, { generation }) => sum + Math.max(0, generation - 1), 0);
    const { isLeased } = this.#membership;
    return { ...this.#counts, reconnects, queueBytes, lagMs, unreadEntries, isLeased };
  }

  /** Keeps trying while Redis is away. Resolves as well, with nothing read, where it is stopped meanwhile. */
  async start(apply: Apply): Promise<void> {
    this.#apply = apply;
    try {
      await this.#begin();
    } catch (error) {
      if (!this.#isStopped) throw error;
    }
  }

  /** Hot path. */
  append(record: LogRecord, done: (outcome: StreamPosition | AppendFault) => void): void {
    this.#writer.append(record, done);
  }

  processes(): readonly string[] {
    return this.#membership.processes();
  }

  tail(channel: string): StreamPosition {
    return this.#shardOf(channel)?.tail() ?? nowhere;
  }

  knownFrom(channel: string): string {
    return this.#shardOf(channel)?.knownFrom() ?? "";
  }

  knows(channel: string, offset: string): boolean {
    return this.#shardOf(channel)?.knows(offset) ?? false;
  }

  /** Where a shard stands; only once the bus has started. */
  standing(shard: number): Standing {
    const { offset, epoch } = this.#shards[shard]!.tail();
    return { epoch, tail: offset, knownFrom: this.#shards[shard]!.knownFrom() };
  }

  /** Says that this node's members have left, where Redis can be told, and closes everything. */
  async stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#control.stop();
    await this.#membership.leave(this.#connections.every(({ isReady }) => isReady));
    this.#isStopped = true;
    this.#troubles.stop();
    for (const shard of this.#shards) shard.stop();
    for (const connection of this.#connections) connection.stop();
  }

  async #begin(): Promise<void> {
    const control = this.#control;
    const membership = this.#membership;
    await control.persist(() => checkServer(control.connection, this.#log)); // before anything is written
    await control.persist(() => membership.renew());
    control.every(Math.min(1000, membership.leaseMs / 3), async () => {
      await membership.renew();
      this.#troubles.end(Control.part);
    });
    for (let number = 0; number < this.#options.shards; number += 1) this.#shards.push(this.#createShard(number));
    for (const shard of this.#shards) {
      this.#behind.add(shard);
      shard.read();
    }
    // Behind the reading: what is kept from now on comes through the log as well.
    for (const record of await control.persist(() => this.#commands.load())) this.#apply?.(record, nowhere, 1);
    await this.#until(() => this.#behind.size === 0);
    for (const [number, shard] of this.#shards.entries())
      if (shard.epoch === "")
        shard.begin(await control.persist(() => agreedEpoch(control, `${this.#options.prefix}epoch:${number}`)));
    if (this.#isStopped) return;
    control.every(probeMs, async () => this.#probe());
    this.#probe();
    await this.#until(() => this.lagMs === 0); // whatever was acknowledged before the probes has been applied
    await membership.join();
    if (this.#isStopped) return;
    control.every(membership.leaseMs / 6, () => membership.buryTheDead());
    control.every(trimMs, () => this.#trim());
    this.#troubles.started();
  }

  #createShard(number: number): Shard {
    const key = this.#streamOf(number);
    const shard: Shard = new Shard(
      {
        ...this.#options,
        key,
        writer: this.incarnation,
        queue: this.#queue,
        monotonicOriginMs: performance.timeOrigin,
      },
      this.#connect(key),
      this.#connect(key),
      {
        apply: (record, position, ageMs) => {
          if (record.kind === "command") this.#commands.note(record);
          else if (record.kind === "node_ended" && this.#membership.ended(record.node))
            return this.observer?.moved(number, position);
          this.#apply?.("channel" in record ? record : { ...record, shard: number }, position, ageMs);
        },
        epochChanged: (reason, isOwn) => {
          this.#counts.epochs += 1;
          this.#log.warn(
            { stream: key, reason, epoch: shard.epoch },
            "the log has a new epoch: clients are told that they may have missed messages",
          );
          this.observer?.entered(number);
          if (isOwn) void this.#membership.callTheRoll(number, () => shard.epoch);
        },
        moved: (position) => this.observer?.moved(number, position),
        skipped: (what) => {
          this.#counts.skipped[what] += 1;
          if (this.#counts.skipped[what] === 1) this.#log.warn({ stream: key, what }, skippedText);
        },
        writeFailed: (error) => {
          this.#counts.writeFailures += 1;
          this.#troubles.begin(key, error);
        },
        readFailed: (error) => {
          this.#counts.readFailures += 1;
          this.#troubles.begin(key, error);
        },
        caughtUp: () => void this.#behind.delete(shard),
        written: (records) => {
          this.#counts.entriesWritten += 1;
          this.#counts.recordsWritten += records;
        },
        heard: (writer) => {
          this.#counts.entriesRead += 1;
          this.#membership.heard(writer);
          if (writer === this.incarnation) this.#troubles.end(key);
        },
      },
    );
    return shard;
  }

  #probe(): void {
    for (const [number, shard] of this.#shards.entries()) {
      if (shard.lagMs > readerLagMaxMs)
        this.#troubles.begin(this.#streamOf(number), new Error("the log does not come back from Redis"));
      shard.probe();
    }
    if (this.#queue.bytes <= this.#options.queueBytesMax / 2) this.#membership.tellAnew();
  }

  /** By Redis' clock, and whether or not anything can be written: entries that are let go may be what makes room. */
  async #trim(): Promise<void> {
    const [seconds] = await this.#control.run((client) => client.time());
    const oldestMs = (Number(seconds) - this.#options.retentionSeconds) * 1000;
    for (let number = 0; number < this.#shards.length; number += 1)
      await this.#control.run((client) => client.xtrim(this.#streamOf(number), "MINID", "~", oldestMs));
    await this.#commands.tidy();
  }

  async #until(condition: () => boolean): Promise<void> {
    while (!condition() && !this.#isStopped) await setTimeout(10);
  }

  /** `part` is in trouble while the connection is. */
  #connect(part: string): RedisConnection {
    const connection = new RedisConnection(this.#options, (error) => this.#troubles.begin(part, error));
    this.#connections.push(connection);
    return connection;
  }

  #streamOf(number: number): string {
    return `${this.#options.prefix}stream:${number}`;
  }

  #shardOf(channel: string): Shard | undefined {
    return this.#shards[shardOf(channel, this.#shards.length)];
  }
}
