/** The queue of a gateway without Redis: what waits when the process ends is lost, and dead letters are but counted. */
import type { WebhookEvent } from "./event.ts";
import { batchOf, type Queue, type QueueFigures, type Waiting } from "./queue.ts";
import type { WebhookLimits } from "./webhook-options.ts";

/** A batch is looked for among this many. */
const lookMax = 1000;

export class MemoryQueue implements Queue {
  readonly isSender = true;
  readonly isLasting = false;
  readonly #limits: WebhookLimits;
  readonly #dropped: () => void;
  #events: Waiting[] = [];
  #first = 0; // those before it are settled
  #bytes = 0;
  #deadLetters = 0;

  /** `dropped` is called for each event that found no room. */
  constructor(limits: WebhookLimits, dropped: () => void) {
    this.#limits = limits;
    this.#dropped = dropped;
  }

  add({ id, json }: WebhookEvent): void {
    const { queueMax, queueBytesMax } = this.#limits;
    if (this.#events.length - this.#first >= queueMax || this.#bytes + json.length > queueBytesMax)
      return this.#dropped();
    this.#events.push({ place: id, json, sinceMs: Date.now() });
    this.#bytes += json.length;
  }

  async next(countMax: number): Promise<readonly Waiting[]> {
    return batchOf(this.#events.slice(this.#first, this.#first + Math.min(countMax, lookMax)), countMax);
  }

  async delivered(events: readonly Waiting[]): Promise<void> {
    for (const { json } of events) this.#bytes -= json.length;
    this.#first += events.length; // they are the oldest
    if (this.#first * 2 < this.#events.length) return;
    this.#events = this.#events.slice(this.#first);
    this.#first = 0;
  }

  async bury(events: readonly Waiting[]): Promise<void> {
    this.#deadLetters += events.length;
    await this.delivered(events);
  }

  get figures(): QueueFigures {
    const length = this.#events.length - this.#first;
    return { length, oldestSinceMs: this.#events[this.#first]?.sinceMs, deadLetters: this.#deadLetters };
  }

  async stop(): Promise<void> {}
}
