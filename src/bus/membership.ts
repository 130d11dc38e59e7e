/**
 * A node among the others: it holds a lease, notices who of the others has died, and sees to it that all of them know
 * its members.
 *
 * The rule: who the members are stands in the log alone. A node that starts asks for them with `node_started`; where
 * records of members may have been lost, by a full queue or with a log, their node has them leave and names them anew.
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

const commandTimeoutMs = 4000;
/** For the other nodes to tell a new one their members. */
const rollCallMs = 250;
/** After a break, for the nodes to agree on an epoch. */
const agreementMs = 1000;
/** For what waits to be written when the node stops. */
const goodbyeMs = 1000;
/** A roll call for every node: no incarnation is empty. */
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
    await new Promise<void>((resolve) =>
      this.#events.append({ kind: "node_started", node: this.#incarnation }, resolve),
    );
    await setTimeout(rollCallMs);
  }

  /** A node has written into the log. Hot path. */
  heard(incarnation: string): void {
    this.#lease.heard(incarnation);
  }

  /** A record of a member was refused: the other nodes do not know who is here. */
  lost(): void {
    this.#isMemberLost = true;
  }

  /** After `lost`, once the log takes records again: its members leave, and seeing that, this node names them anew. */
  rejoin(): void {
    if (!this.#isMemberLost) return;
    this.#isMemberLost = false;
    this.#events.append({ kind: "node_ended", node: this.#incarnation });
  }

  /** The log was broken, and members may be lost with it: who named the epoch that counts has all nodes tell theirs. */
  async callTheRoll(epoch: () => string): Promise<void> {
    const named = epoch();
    await setTimeout(agreementMs);
    if (epoch() === named) this.#events.append({ kind: "node_started", node: everyone });
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

  /** Nodes that spread the channels over other numbers of streams would never hear each other. */
  async #agreeOnShards(): Promise<void> {
    const run = <T>(command: (client: RedisClient) => Promise<T>) => this.#connection.run(command, commandTimeoutMs);
    await run((client) => client.set(this.#shardsKey, this.#shards, "PX", this.leaseMs, "NX"));
    const agreed = await run((client) => client.get(this.#shardsKey));
    if (agreed !== null && agreed !== this.#shards)
      throw new Error(`cannot join the nodes: redis.shards must be ${agreed} as theirs, got ${this.#shards}`);
    await run((client) => client.pexpire(this.#shardsKey, this.leaseMs)); // gone a while after the last node
  }

  /** This node's members leave, and its lease ends; where `isReachable` is false the others will notice by themselves. */
  async leave(isReachable: boolean): Promise<void> {
    const goodbye = new Promise<void>((resolve) =>
      this.#events.append({ kind: "node_ended", node: this.#incarnation }, resolve),
    );
    if (isReachable) await Promise.race([goodbye, setTimeout(goodbyeMs)]);
    await this.#lease.release().catch(() => {}); // it expires
  }
}
