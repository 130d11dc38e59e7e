/**
 * A node among the others: it holds a lease, notices who of the others has died, and sees to it that all of them know
 * its members.
 *
 * The rule: who the members are stands in the log alone. A node that starts asks all others for their roll; where records
 * of members may have been lost, by a full queue or with a log, the roll is told anew.
 */
import { setTimeout } from "node:timers/promises";
import type { LogRecord } from "./bus.ts";
import type { BusLog } from "./bus-status.ts";
import { NodeLease } from "./node-lease.ts";
import type { RedisClient, RedisConnection } from "./redis-connection.ts";
import type { RedisOptions } from "./redis-options.ts";

export interface MembershipEvents {
  /** Appends to the log; `done` is called once it is written, or refused. */
  append(record: LogRecord, done?: () => void): void;
  /** The incarnations that have members. */
  knownNodes(): readonly string[];
  /** Milliseconds for which everything has worked. */
  quietMs(): number;
}

/** For nodes that have joined to say again what counts, after Redis has lost it. */
const refusedMs = 3000;
/** For the other nodes to tell a new one their members. */
const rollCallMs = 250;
/** After a break, for the nodes to agree on an epoch. */
const agreementMs = 1000;
/** For what waits to be written when the node stops. */
const goodbyeMs = 1000;
/** For how long a node that was heard before Redis was away counts among the others. */
const troubleMaxMs = 600_000;
/** For a roll call: no incarnation is empty. */
const everyone = "";

export class Membership {
  /** A dead node's keys are gone in less than the lease, which leaves time to notice and to say so. */
  readonly leaseMs: number;
  readonly #incarnation: string;
  readonly #shards: string;
  readonly #shardsKey: string;
  readonly #connection: RedisConnection;
  readonly #lease: NodeLease;
  readonly #log: BusLog;
  readonly #events: MembershipEvents;
  #hasJoined = false;
  #isLeaving = false;
  #refusedAtMs = Number.NEGATIVE_INFINITY;
  #agreed = ""; // the shards of the others, once it was refused
  #isMemberLost = false;
  #renewedAtMs = Number.NEGATIVE_INFINITY;

  constructor(
    { prefix, leaseSeconds, shards }: RedisOptions,
    incarnation: string,
    connection: RedisConnection,
    log: BusLog,
    events: MembershipEvents,
  ) {
    this.leaseMs = leaseSeconds * 600;
    this.#incarnation = incarnation;
    this.#shards = String(shards);
    this.#shardsKey = `${prefix}shards`;
    this.#connection = connection;
    this.#lease = new NodeLease({ prefix, incarnation, leaseMs: this.leaseMs }, connection);
    this.#log = log;
    this.#events = events;
  }

  /** This node's number; below 0 before the first `renew`. */
  get number(): number {
    return this.#lease.number;
  }

  /** The lease was renewed in time: the others do not take this node for dead. */
  get isLeased(): boolean {
    return performance.now() - this.#renewedAtMs < this.leaseMs;
  }

  /** Takes a number, or keeps the one it has. Rejects where Redis does not answer, or the node does not fit the others. */
  async renew(): Promise<void> {
    await this.#agreeOnShards();
    await this.#lease.renew();
    this.#renewedAtMs = performance.now();
  }

  /** Asks the others who is there, and waits a moment for their answers. */
  async join(): Promise<void> {
    await new Promise<void>((resolve) => this.#events.append({ kind: "roll_call", node: everyone }, resolve));
    await setTimeout(rollCallMs);
    this.#hasJoined = true;
  }

  /** A node has written into the log. Hot path. */
  heard(incarnation: string): void {
    this.#lease.heard(incarnation);
  }

  /** The log says that a node has ended. True where it is this one's own goodbye, which is no news to anybody here. */
  ended(incarnation: string): boolean {
    this.#lease.ended(incarnation);
    return this.#isLeaving && incarnation === this.#incarnation;
  }

  /** This node first, then all others that have written into the log lately; while nobody can write, that is long ago. */
  processes(): readonly string[] {
    const others = this.#lease.heardLately(this.#events.quietMs() < this.leaseMs ? troubleMaxMs : this.leaseMs);
    return [this.#incarnation, ...others.filter((node) => node !== this.#incarnation)];
  }

  /** A record of a member was refused: the other nodes do not know who is here. */
  lost(): void {
    this.#isMemberLost = true;
  }

  /** After `lost`, once the log takes records again: this node tells its members anew. */
  tellAnew(): void {
    if (!this.#isMemberLost) return;
    this.#isMemberLost = false;
    this.#events.append({ kind: "roll_call", node: this.#incarnation });
  }

  /** A shard was broken, and members may be lost with it: who named the epoch that counts has all nodes tell theirs. */
  async callTheRoll(shard: number, epoch: () => string): Promise<void> {
    const named = epoch();
    await setTimeout(agreementMs);
    if (epoch() === named) this.#events.append({ kind: "roll_call", node: everyone, shard });
  }

  /** Says of the dead that they are. Rejects where Redis does not answer. */
  async buryTheDead(): Promise<void> {
    const { append, knownNodes, quietMs } = this.#events;
    if (quietMs() < this.leaseMs) return; // while Redis was away nobody could renew
    const others = knownNodes().filter((node) => node !== this.#incarnation);
    for (const node of await this.#lease.dead(others)) {
      this.#log.warn({ node }, "a node is gone: its members leave");
      append({ kind: "node_ended", node });
    }
  }

  /**
   * Nodes that spread the channels over other numbers of streams would never hear each other. Who has joined says what
   * counts, also where Redis has lost it; who has not must find the same, or nothing for a while.
   */
  async #agreeOnShards(): Promise<void> {
    const run = <T>(command: (client: RedisClient) => Promise<T>) => this.#connection.run(command);
    const own = this.#shards;
    if (this.#hasJoined) {
      await run((client) => client.set(this.#shardsKey, own, "PX", this.leaseMs)); // gone a while after the last node
      return;
    }
    const isRefused = performance.now() - this.#refusedAtMs < refusedMs;
    if (!isRefused) await run((client) => client.set(this.#shardsKey, own, "PX", this.leaseMs, "NX"));
    const agreed = await run((client) => client.get(this.#shardsKey));
    if (agreed === own) return;
    if (agreed !== null) {
      this.#refusedAtMs = performance.now();
      this.#agreed = agreed;
    }
    throw new Error(`cannot join the nodes: redis.shards must be ${this.#agreed} as theirs, got ${own}`);
  }

  /** This node's members leave, and its lease ends; where `isReachable` is false the others will notice by themselves. */
  async leave(isReachable: boolean): Promise<void> {
    this.#isLeaving = true;
    const goodbye = new Promise<void>((resolve) =>
      this.#events.append({ kind: "node_ended", node: this.#incarnation }, resolve),
    );
    if (isReachable) await Promise.race([goodbye, setTimeout(goodbyeMs)]);
    await this.#lease.release().catch(() => {}); // it expires
  }
}
