/**
 * A node's place in the cluster: a number of its own, and a sign of life that ends with it.
 *
 * The number is a free one, looked for from a random one on: while Redis is away the numbers of nodes that live look free.
 * Both are keys that expire unless they are renewed. A node whose key is gone and
 * that has written nothing into the log for as long is dead: keys alone may be lost with a Redis, while all nodes live.
 * Whoever sees that says so in the log, and the node's members leave everywhere.
 */
import { randomInt } from "node:crypto";
import { nodesMax } from "./bus.ts";
import type { RedisClient, RedisConnection } from "./redis-connection.ts";

export interface LeaseOptions {
  readonly prefix: string;
  readonly incarnation: string;
  readonly leaseMs: number;
}

/** Nodes whose last entry is remembered; the longest silent one is forgotten first. */
const heardMax = 4096;

export class NodeLease {
  readonly #options: LeaseOptions;
  readonly #connection: RedisConnection;
  readonly #heardAtMs = new Map<string, number>(); // by incarnation, longest silent first
  #suspects = new Set<string>(); // who looked dead the last time
  #number = -1;

  constructor(options: LeaseOptions, connection: RedisConnection) {
    this.#options = options;
    this.#connection = connection;
  }

  /** This node's number; below 0 before the first `renew`. */
  get number(): number {
    return this.#number;
  }

  /** Takes a number, or keeps the one it has; renews the sign of life. Rejects where Redis does not answer. */
  async renew(): Promise<void> {
    const { incarnation, leaseMs } = this.#options;
    await this.#set(this.#lifeKey(incarnation), "1");
    if (this.#number >= 0 && (await this.#holds(this.#number))) {
      await this.#run((client) => client.pexpire(this.#numberKey(this.#number), leaseMs));
      return;
    }
    // Its old number first: it may have expired while Redis was away, and be free still.
    const first = this.#number >= 0 ? this.#number : randomInt(nodesMax);
    for (let i = 0; i < nodesMax; i += 1) {
      const number = (first + i) % nodesMax;
      const taken = await this.#run((client) => client.set(this.#numberKey(number), incarnation, "PX", leaseMs, "NX"));
      if (taken !== null) {
        this.#number = number;
        return;
      }
    }
    throw new Error(`cannot join cluster: all ${nodesMax} node numbers are taken`);
  }

  /** The node has written into the log. Hot path. */
  heard(incarnation: string): void {
    this.#heardAtMs.delete(incarnation);
    this.#heardAtMs.set(incarnation, performance.now());
    if (this.#heardAtMs.size > heardMax) this.#heardAtMs.delete(this.#heardAtMs.keys().next().value!);
  }

  /** It has said that it ends: nothing more will be heard of it. */
  ended(incarnation: string): void {
    this.#heardAtMs.delete(incarnation);
  }

  /** Who has written into the log within `withinMs`, longest silent first. */
  heardLately(withinMs: number): string[] {
    const sinceMs = performance.now() - withinMs;
    return [...this.#heardAtMs].filter(([, atMs]) => atMs >= sinceMs).map(([incarnation]) => incarnation);
  }

  /** Those of `incarnations` that have had no sign of life, now and when it was asked the last time. */
  async dead(incarnations: readonly string[]): Promise<string[]> {
    const silentSinceMs = performance.now() - this.#options.leaseMs;
    const silent = incarnations.filter((node) => (this.#heardAtMs.get(node) ?? 0) < silentSinceMs);
    const suspects = new Set<string>();
    for (const node of silent)
      if ((await this.#run((client) => client.exists(this.#lifeKey(node)))) === 0) suspects.add(node);
    const dead = [...suspects].filter((node) => this.#suspects.has(node));
    this.#suspects = suspects;
    return dead;
  }

  /** Gives number and sign of life back. */
  async release(): Promise<void> {
    if (this.#number >= 0 && (await this.#holds(this.#number)))
      await this.#run((client) => client.del(this.#numberKey(this.#number)));
    await this.#run((client) => client.del(this.#lifeKey(this.#options.incarnation)));
  }

  async #holds(number: number): Promise<boolean> {
    return (await this.#run((client) => client.get(this.#numberKey(number)))) === this.#options.incarnation;
  }

  #set(key: string, value: string): Promise<unknown> {
    return this.#run((client) => client.set(key, value, "PX", this.#options.leaseMs));
  }

  #run<T>(command: (client: RedisClient) => Promise<T>): Promise<T> {
    return this.#connection.run(command);
  }

  #numberKey(number: number): string {
    return `${this.#options.prefix}node:${number}`;
  }

  #lifeKey(incarnation: string): string {
    return `${this.#options.prefix}alive:${incarnation}`;
  }
}
