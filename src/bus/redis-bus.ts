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

export interface BusCounters {
  entriesWritten: number;
  recordsWritten: number;
  writeFailures: number;
  readFailures: number;
  reconnects: number;
  epochChanges: number;
}

const probeMs = 1000;
/** An entry of this node's own that has not come back for this long: the log cannot be read, whatever the sockets say. */
const readerLagMaxMs = 5000;
/** For the other nodes to tell a new one their members. */
const rollCallMs = 250;
const commandTimeoutMs = 2000;

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
  readonly #options: RedisOptions;
  readonly #log: BusLog;
  readonly #status: BusStatus;
  readonly #knownNodes: () => readonly string[];
  readonly #control: RedisConnection;
  readonly #connections: RedisConnection[] = [];
  readonly #lease: NodeLease;
  readonly #shards: Shard[] = [];
  readonly #behind = new Set<Shard>(); // shards that have not read up to the present
  #apply: Apply | undefined;
  #timers: NodeJS.Timeout[] = [];
  #probedAtMs = 0; // when the oldest probe that has not returned was written; 0: none
  #trouble: string | undefined;
  #lastError = "";
  #isStopped = false;

  /** `knownNodes` lists the incarnations that have members, so that the dead among them are noticed. */
  constructor(options: RedisOptions, status: BusStatus, log: BusLog, knownNodes: () => readonly string[]) {
    this.#options = options;
    this.#status = status;
    this.#log = log;
    this.#knownNodes = knownNodes;
    this.#control = this.#connect();
    const lease = { prefix: options.prefix, incarnation: this.incarnation, leaseMs: options.leaseSeconds * 600 };
    this.#lease = new NodeLease(lease, this.#control);
    status.block("connecting to Redis");
  }

  get node(): number {
    return this.#lease.number;
  }

  get queueBytes(): number {
    return this.#shards.reduce((sum, shard) => sum + shard.queueBytes, 0);
  }

  /** Milliseconds that the oldest probe has been on its way through the stream; 0 where none is. */
  get lagMs(): number {
    return this.#probedAtMs === 0 ? 0 : performance.now() - this.#probedAtMs;
  }

  async start(apply: Apply): Promise<void> {
    this.#apply = apply;
    await this.#persist(() => this.#lease.renew());
    await this.#persist(() => checkServer(this.#control, this.#log));
    for (let number = 0; number < this.#options.shards; number += 1) this.#shards.push(this.#createShard(number));
    for (const shard of this.#shards) {
      this.#behind.add(shard);
      shard.read();
    }
    while (this.#behind.size > 0 && !this.#isStopped) await setTimeout(10);
    for (const [number, shard] of this.#shards.entries()) {
      if (shard.epoch === "") shard.begin(await this.#persist(() => this.#agreeOnEpoch(number)));
    }
    if (this.#isStopped) return;
    await new Promise<void>((resolve) =>
      this.append({ kind: "node_started", node: this.incarnation }, () => resolve()),
    );
    await setTimeout(rollCallMs);
    this.#every(probeMs, () => this.#probe());
    this.#every(this.#options.leaseSeconds * 200, () => this.#lease.renew());
    this.#every(1000, () => this.#buryTheDead());
    this.#every(10_000, () => this.#trim());
    this.#status.clear();
  }

  /** Hot path. */
  append(record: LogRecord, done: (outcome: StreamPosition | AppendFault) => void): void {
    const shard = "channel" in record ? this.#shardOf(record.channel) : this.#shards[0];
    if (shard === undefined) return done("unavailable");
    shard.append(record, done);
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

  /** Says that this node's members have left, where Redis can be told, and closes everything. */
  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    const goodbye = new Promise<void>((resolve) =>
      this.append({ kind: "node_ended", node: this.incarnation }, () => resolve()),
    );
    await Promise.race([goodbye, setTimeout(1000)]);
    await this.#lease.release().catch(() => {}); // it expires
    this.#isStopped = true;
    for (const shard of this.#shards) shard.stop();
    for (const connection of this.#connections) connection.stop();
  }

  #createShard(number: number): Shard {
    const { prefix, entriesMax, durable, queueBytesMax, shards } = this.#options;
    const shard: Shard = new Shard(
      {
        key: `${prefix}stream:${number}`,
        writer: this.incarnation,
        entriesMax,
        durable,
        queueBytesMax: queueBytesMax / shards,
        monotonicOriginMs: performance.timeOrigin,
      },
      this.#connect(),
      this.#connect(),
      {
        apply: (record, position, ageMs) => this.#apply?.(record, position, ageMs),
        epochChanged: (key, reason) => {
          this.counters.epochChanges += 1;
          this.#log.warn(
            { stream: key, reason, epoch: shard.epoch },
            "the log has a new epoch: clients are told that they may have missed messages",
          );
          void this.#control
            .run((client) => client.set(this.#epochKey(number), shard.epoch), commandTimeoutMs)
            .catch(() => {});
        },
        writeFailed: (error) => {
          this.counters.writeFailures += 1;
          this.#troubled(error);
        },
        readFailed: (error) => {
          this.counters.readFailures += 1;
          this.#troubled(error);
        },
        caughtUp: () => void this.#behind.delete(shard),
        written: (records) => {
          this.counters.entriesWritten += 1;
          this.counters.recordsWritten += records;
        },
        returned: () => {
          this.#probedAtMs = 0;
          this.#recovered();
        },
      },
    );
    return shard;
  }

  /** Sends an entry through the first stream: what comes back shows that the whole way works. */
  async #probe(): Promise<void> {
    if (this.lagMs > readerLagMaxMs) this.#troubled(new Error("the log does not come back through the stream"));
    if (this.#probedAtMs === 0) this.#probedAtMs = performance.now();
    for (const shard of this.#shards) shard.probe();
  }

  async #buryTheDead(): Promise<void> {
    if (this.#control.ageMs < this.#options.leaseSeconds * 600) return; // while Redis was away nobody could renew
    const others = this.#knownNodes().filter((node) => node !== this.incarnation);
    for (const node of await this.#lease.dead(others)) {
      this.#log.warn({ node }, "a node is gone: its members leave");
      this.append({ kind: "node_ended", node }, () => {});
    }
  }

  async #trim(): Promise<void> {
    const oldest = Date.now() - this.#options.retentionSeconds * 1000;
    for (let number = 0; number < this.#shards.length; number += 1) {
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
        return await attempt();
      } catch (error) {
        this.#troubled(error as Error);
        if (this.#isStopped) throw error;
        await setTimeout(500);
      }
    }
  }

  #every(milliseconds: number, task: () => Promise<void>): void {
    const run = (): void => void task().catch((error: Error) => this.#troubled(error));
    this.#timers.push(setInterval(run, milliseconds));
  }

  #connect(): RedisConnection {
    const connection = new RedisConnection(this.#options, (error) => {
      this.counters.reconnects += 1;
      this.#troubled(error);
    });
    this.#connections.push(connection);
    return connection;
  }

  /** One line for a change, not one for every failure. */
  #troubled(error: Error): void {
    if (this.#isStopped) return;
    const reason = error.message === "" ? String((error as { code?: string }).code ?? error.name) : error.message;
    const isNew = this.#trouble === undefined || (reason !== this.#lastError && !isGeneral(reason));
    if (!isGeneral(reason) || this.#lastError === "") this.#lastError = reason;
    this.#trouble ??= reason;
    this.#status.block(`Redis: ${this.#lastError}`);
    if (isNew) this.#log.warn({ reason, queueBytes: this.queueBytes }, "Redis is in trouble: publications wait");
  }

  #recovered(): void {
    if (this.#trouble === undefined) return;
    this.#trouble = undefined;
    this.#lastError = "";
    this.#status.clear();
    this.#log.info({}, "Redis is back: the log goes on");
  }

  #epochKey(number: number): string {
    return `${this.#options.prefix}epoch:${number}`;
  }

  #shardOf(channel: string): Shard | undefined {
    return this.#shards[this.#shards.length === 1 ? 0 : hash(channel) % this.#shards.length];
  }
}

/** Consequences of a lost connection, said once under its own cause. */
const isGeneral = (reason: string): boolean => /connection|did not answer/.test(reason);

/** FNV-1a, 32 bits: the same on every node. Source: draft-eastlake-fnv-17. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return value >>> 0;
}
