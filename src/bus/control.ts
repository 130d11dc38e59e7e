/**
 * What a node asks of Redis beside the log, on a connection of its own: tried until it succeeds, or done again and again.
 * Whether it works is told to `troubles` under one name.
 */
import { setTimeout } from "node:timers/promises";
import type { RedisClient, RedisConnection } from "./redis-connection.ts";
import type { Troubles } from "./troubles.ts";

const retryMs = 500;

export class Control {
  /** What `troubles` knows it by. */
  static readonly part = "control";
  readonly connection: RedisConnection;
  readonly #troubles: Troubles;
  readonly #timers: NodeJS.Timeout[] = [];
  #isStopped = false;

  constructor(connection: RedisConnection, troubles: Troubles) {
    this.connection = connection;
    this.#troubles = troubles;
  }

  /** Runs one command; see `RedisConnection`. */
  run<T>(command: (client: RedisClient) => Promise<T>): Promise<T> {
    return this.connection.run(command);
  }

  /** Tries until it succeeds. Rejects once stopped. */
  async persist<T>(attempt: () => Promise<T>): Promise<T> {
    for (;;) {
      await this.connection.ready();
      try {
        const result = await attempt();
        this.#troubles.end(Control.part);
        return result;
      } catch (error) {
        if (this.#isStopped) throw error;
        this.#troubles.begin(Control.part, error as Error);
        await setTimeout(retryMs);
      }
    }
  }

  /** Does `task` every so often, never twice at once. */
  every(milliseconds: number, task: () => Promise<void>): void {
    if (this.#isStopped) return;
    let isRunning = false;
    const run = async (): Promise<void> => {
      if (isRunning || this.#isStopped) return;
      isRunning = true;
      await task().catch((error: Error) => this.#troubles.begin(Control.part, error));
      isRunning = false;
    };
    this.#timers.push(setInterval(run, milliseconds));
  }

  /** Does nothing again; what is under way may still end, or fail. */
  stop(): void {
    this.#isStopped = true;
    for (const timer of this.#timers) clearInterval(timer);
  }
}
