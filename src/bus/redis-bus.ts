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
import type { BusLog, BusStatus } from "./bus-status.ts";
import { newEpoch } from "./epochs.ts";
import { NodeLease } from "./node-lease.ts";
import { RedisConnection } from "./redis-connection.ts";
import type { RedisOptions } from "./redis-options.ts";
import { checkServer } from "./redis-server-check.ts";
import { Shard } from "./shard.ts";
import { shardOf } from "./shard-of.ts";
import { Troubles } from "./troubles.ts";
import type { Standing } from "./worker-view.ts";

export interface BusCounters {
  entriesWritten: number;
  recordsWritten: number;
  writeFailures: number;
  readFailures: number;
  reconnects: number;
  epochChanges: number;
}

/** What happens to a shard besides records, for whoever hands the log on to other processes. */
export interface ShardObserver {
  /** It has a new epoch, and stands as `standing` says. */
  entered(shard: number): void;
  /** A position without a record has been passed. */
  moved(shard: number, position: StreamPosition): void;
}

const probeMs = 1000;
/** An entry of this node's own that has not come back for this long: the log cannot be read, whatever the sockets say. */
const readerLagMaxMs = 5000;
/** For the other nodes to tell a new one their members. */
const rollCallMs = 250;
/** For what waits to be written when the node stops. */
const goodbyeMs = 1000;
/** After a break, for the nodes to agree on an epoch. */
const agreementMs = 1000;
const commandTimeoutMs = 4000;
/** The part of this bus that is no shard: lease, epoch and trimming. */
const control = "control";
/** A roll call for every node: no incarnation is empty. */
const everyone = "";

export class RedisBus implements Bus {
  readonly incarnation = randomBytes(6).toString("base64url");
  readonly isShared = true;
  readonly counters: BusCounters = {
    entriesWritten: 0,
    recordsWritten: 0,
    writeFailures: 0,
    readFailures: 0,
    reconnects: 0,
    epochChanges: 0,
  };
  observer: ShardObserver | undefined;
  readonly #options: RedisOptions;
  readonly #log: BusLog;
  readonly #troubles: Troubles;
  readonly #knownNodes: () => readonly string[];
  readonly #control: RedisConnection;
  readonly #connections: RedisConnection[] = [];
  readonly #lease: NodeLease;
  readonly #shards: Shard[] = [];
  readonly #behind = new Set<Shard>(); // shards that have not read up to the present
  #apply: Apply | undefined;
  #timers: NodeJS.Timeout[] = [];
  #isMemberLost = false; // a record of a member was refused: the other nodes do not know who is here
  #isStopped = false;

  /** `knownNodes` lists the incarnations that have members, so that the dead among them are noticed. */
  constructor(options: RedisOptions, status: BusStatus, log: BusLog, knownNodes: () => readonly string[]) {
    this.#options = options;
    this.#log = log;
    this.#troubles = new Troubles(status, log, () => this.queueBytes);
    this.#knownNodes = knownNodes;
    this.#control = this.#connect(control);
    const lease = { prefix: options.prefix, incarnation: this.incarnation, leaseMs: this.#leaseMs };
    this.#lease = new NodeLease(lease, this.#control);
  }

  get node(): number {
    return this.#lease.number;
  }

  get queueBytes(): number {
    return this.#shards.reduce((sum, shard) => sum + shard.queueBytes, 0);
  }

  /** Milliseconds that the oldest probe has been on its way through the stream; 0 where none is. */
  get lagMs(): number {
    return Math.max(0, ...this.#shards.map((shard) => shard.lagMs));
  }

  /** A dead node's keys are gone in less than the lease, which leaves time to notice and to say so. */
  get #leaseMs(): number {
    return this.#options.leaseSeconds * 600;
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
    const shard = "channel" in record ? this.#shardOf(record.channel) : this.#shards[0];
    if (shard === undefined) return done("unavailable");
    if (record.kind !== "join" && record.kind !== "leave") return shard.append(record, done);
    shard.append(record, (outcome) => {
      if (outcome === "unavailable") this.#isMemberLost = true;
      done(outcome);
    });
  }

  tail(channel: string): StreamPosition {
    return this.#shardOf(channel)?.tail() ?? { offset: "", epoch: "" };
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
    for (const timer of this.#timers) clearInterval(timer);
    const goodbye = new Promise<void>((resolve) =>
      this.append({ kind: "node_ended", node: this.incarnation }, () => resolve()),
    );
    if (this.#connections.every(({ isReady }) => isReady)) await Promise.race([goodbye, setTimeout(goodbyeMs)]);
    await this.#lease.release().catch(() => {}); // it expires
    this.#isStopped = true;
    for (const timer of this.#timers) clearInterval(timer); // a start under way may have set some
    for (const shard of this.#shards) shard.stop();
    for (const connection of this.#connections) connection.stop();
  }

  async #begin(): Promise<void> {
    await this.#persist(() => this.#lease.renew());
    this.#every(Math.min(1000, this.#leaseMs / 3), async () => {
      await this.#lease.renew();
      this.#troubles.end(control);
    });
    await this.#persist(() => checkServer(this.#control, this.#log));
    for (let number = 0; number < this.#options.shards; number += 1) this.#shards.push(this.#createShard(number));
    for (const shard of this.#shards) {
      this.#behind.add(shard);
      shard.read();
    }
    await this.#until(() => this.#behind.size === 0);
    for (const [number, shard] of this.#shards.entries()) {
      if (shard.epoch === "") shard.begin(await this.#persist(() => this.#agreeOnEpoch(number)));
    }
    if (this.#isStopped) return;
    this.#every(probeMs, async () => this.#probe());
    this.append({ kind: "node_started", node: this.incarnation }, () => {});
    this.#probe();
    await this.#until(() => this.lagMs === 0); // whatever was acknowledged before the probes has been applied
    await setTimeout(rollCallMs);
    if (this.#isStopped) return;
    this.#every(this.#leaseMs / 6, () => this.#buryTheDead());
    this.#every(10_000, () => this.#trim());
    this.#troubles.started();
  }

  #createShard(number: number): Shard {
    const { prefix, entriesMax, durable, queueBytesMax, shards } = this.#options;
    const key = `${prefix}stream:${number}`;
    const shard: Shard = new Shard(
      {
        key,
        writer: this.incarnation,
        entriesMax,
        durable,
        queueBytesMax: queueBytesMax / shards,
        monotonicOriginMs: performance.timeOrigin,
      },
      this.#connect(key),
      this.#connect(key),
      {
        apply: (record, position, ageMs) => this.#apply?.(record, position, ageMs),
        epochChanged: (reason, isOwn) => {
          this.counters.epochChanges += 1;
          this.#log.warn(
            { stream: key, reason, epoch: shard.epoch },
            "the log has a new epoch: clients are told that they may have missed messages",
          );
          this.observer?.entered(number);
          if (isOwn) this.#callTheRoll(shard).catch(() => {});
        },
        moved: (position) => this.observer?.moved(number, position),
        writeFailed: (error) => {
          this.counters.writeFailures += 1;
          this.#troubled(key, error);
        },
        readFailed: (error) => {
          this.counters.readFailures += 1;
          this.#troubled(key, error);
        },
        caughtUp: () => void this.#behind.delete(shard),
        written: (records) => {
          this.counters.entriesWritten += 1;
          this.counters.recordsWritten += records;
        },
        heard: (writer) => {
          this.#lease.heard(writer);
          if (writer === this.incarnation) this.#troubles.end(key);
        },
      },
    );
    return shard;
  }

  #probe(): void {
    for (const [number, shard] of this.#shards.entries()) {
      if (shard.lagMs > readerLagMaxMs)
        this.#troubled(`${this.#options.prefix}stream:${number}`, new Error("the log does not come back from Redis"));
      shard.probe();
    }
    if (!this.#isMemberLost || this.queueBytes > this.#options.queueBytesMax / 2) return;
    this.#isMemberLost = false;
    this.append({ kind: "node_ended", node: this.incarnation }, () => {}); // its members leave, and it tells them anew
  }

  /** Records of members may be lost with the rest: whoever named the epoch has all nodes tell their members again. */
  async #callTheRoll(shard: Shard): Promise<void> {
    const { epoch } = shard;
    await setTimeout(agreementMs);
    if (shard.epoch === epoch) this.append({ kind: "node_started", node: everyone }, () => {});
  }

  async #buryTheDead(): Promise<void> {
    if (this.#troubles.quietMs < this.#leaseMs) return; // while Redis was away nobody could renew
    const others = this.#knownNodes().filter((node) => node !== this.incarnation);
    for (const node of await this.#lease.dead(others)) {
      this.#log.warn({ node }, "a node is gone: its members leave");
      this.append({ kind: "node_ended", node }, () => {});
    }
  }

  async #trim(): Promise<void> {
    for (const [number, shard] of this.#shards.entries()) {
      const oldest = shard.readUpToMs - this.#options.retentionSeconds * 1000; // by Redis' clock, not this machine's
      if (oldest <= 0) continue;
      const key = `${this.#options.prefix}stream:${number}`;
      await this.#control.run((client) => client.xtrim(key, "MINID", "~", oldest), commandTimeoutMs);
    }
  }

  /** The first node of a new log names its epoch; the others take that name. */
  async #agreeOnEpoch(number: number): Promise<string> {
    const key = this.#epochKey(number);
    await this.#control.run((client) => client.set(key, newEpoch(), "NX"), commandTimeoutMs);
    return (await this.#control.run((client) => client.get(key), commandTimeoutMs)) ?? newEpoch();
  }

  /** Tries until it succeeds, or the bus is stopped. */
  async #persist<T>(attempt: () => Promise<T>): Promise<T> {
    for (;;) {
      await this.#control.ready();
      try {
        const result = await attempt();
        this.#troubles.end(control);
        return result;
      } catch (error) {
        this.#troubled(control, error as Error);
        if (this.#isStopped) throw error;
        await setTimeout(500);
      }
    }
  }

  async #until(condition: () => boolean): Promise<void> {
    while (!condition() && !this.#isStopped) await setTimeout(10);
  }

  /** Does `task` every so often, never twice at once. */
  #every(milliseconds: number, task: () => Promise<void>): void {
    let isRunning = false;
    const run = async (): Promise<void> => {
      if (isRunning) return;
      isRunning = true;
      await task().catch((error: Error) => this.#troubled(control, error));
      isRunning = false;
    };
    this.#timers.push(setInterval(run, milliseconds));
  }

  /** `part` is in trouble while the connection is. */
  #connect(part: string): RedisConnection {
    const connection = new RedisConnection(this.#options, (error) => {
      this.counters.reconnects += 1;
      this.#troubled(part, error);
    });
    this.#connections.push(connection);
    return connection;
  }

  #troubled(part: string, error: Error): void {
    if (!this.#isStopped) this.#troubles.begin(part, error);
  }

  #epochKey(number: number): string {
    return `${this.#options.prefix}epoch:${number}`;
  }

  #shardOf(channel: string): Shard | undefined {
    return this.#shards[shardOf(channel, this.#shards.length)];
  }
}
