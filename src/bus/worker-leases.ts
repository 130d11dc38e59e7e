/**
 * The workers' places in a cluster of several machines: a number and a sign of life in Redis for each of them, held by
 * their supervisor. To the other nodes a worker is a node like any other.
 */
import { setTimeout } from "node:timers/promises";
import { NodeLease } from "./node-lease.ts";
import { RedisConnection } from "./redis-connection.ts";
import type { RedisOptions } from "./redis-options.ts";

/** A number that no other process of the cluster has. */
export interface WorkerLease {
  /** It may change where Redis was away for longer than the lease. */
  readonly number: number;
  /** Gives it back at once. Never rejects. */
  release(): Promise<void>;
  /** Holds it no longer: it is free a while later, so that the next worker gets another one. */
  lapse(): void;
}

const retryMs = 500;

export class WorkerLeases {
  readonly #options: RedisOptions;
  readonly #connection: RedisConnection;
  readonly #leases = new Set<NodeLease>();
  readonly #renewing: NodeJS.Timeout;
  #isRenewing = false;
  #isStopped = false;

  /** What goes wrong with Redis is told by the bus beside it. */
  constructor(options: RedisOptions) {
    this.#options = options;
    this.#connection = new RedisConnection(options, () => {});
    // More often than others look twice for a missing sign of life: keys may be lost while all nodes live.
    this.#renewing = setInterval(() => void this.#renewAll(), this.#leaseMs / 7);
  }

  /** As long as the bus' own: a dead worker's keys are gone in less than the lease, which leaves time to notice. */
  get #leaseMs(): number {
    return this.#options.leaseSeconds * 600;
  }

  /** Keeps trying while Redis is away. Rejects once stopped. */
  async take(incarnation: string): Promise<WorkerLease> {
    const { prefix } = this.#options;
    const lease = new NodeLease({ prefix, incarnation, leaseMs: this.#leaseMs }, this.#connection);
    for (;;) {
      await this.#connection.ready();
      if (this.#isStopped) throw new Error("cannot lease a node number: the cluster is stopping");
      try {
        await lease.renew();
        break;
      } catch {
        await setTimeout(retryMs);
      }
    }
    this.#leases.add(lease);
    return {
      get number() {
        return lease.number;
      },
      release: async () => {
        this.#leases.delete(lease);
        await lease.release().catch(() => {}); // it expires
      },
      lapse: () => void this.#leases.delete(lease),
    };
  }

  stop(): void {
    this.#isStopped = true;
    clearInterval(this.#renewing);
    this.#connection.stop();
  }

  async #renewAll(): Promise<void> {
    if (this.#isRenewing) return;
    this.#isRenewing = true;
    await Promise.all([...this.#leases].map((lease) => lease.renew().catch(() => {})));
    this.#isRenewing = false;
  }
}
