/** The events that wait for one receiver, oldest first: in this process, or in Redis for all nodes. */
import type { WebhookEvent } from "./event.ts";

/** An event that waits. */
export interface Waiting {
  /** Its place in the queue, for the queue itself. */
  readonly place: string;
  readonly json: string;
  /** Since when it waits, as Unix ms. */
  readonly sinceMs: number;
}

export interface QueueFigures {
  readonly length: number;
  /** Since when the oldest one waits, as Unix ms; `undefined`: none does. */
  readonly oldestSinceMs: number | undefined;
  /** Dead letters that are kept. */
  readonly deadLetters: number;
}

export interface Queue {
  /** Adds an event, or drops it where the queue is full, and says so to its owner. Never throws. */
  add(event: WebhookEvent): void;
  /**
   * The oldest events, at most `countMax`: the same ones again until they are settled. None where none waits, or where
   * another process sends them. Rejects where the queue cannot be read.
   */
  next(countMax: number): Promise<readonly Waiting[]>;
  /** This process is the one that sends. */
  readonly isSender: boolean;
  /** What waits outlives this process. */
  readonly isLasting: boolean;
  /** Takes events away that were delivered. Rejects where it is not known whether that worked: they come again. */
  delivered(events: readonly Waiting[]): Promise<void>;
  /** Puts events away that are never delivered, with the reason. */
  bury(events: readonly Waiting[], reason: string): Promise<void>;
  readonly figures: QueueFigures;
  /** Nothing is added any more; resolves when everything is kept as well as it can be. */
  stop(): Promise<void>;
}

/** What a body holds at most, if it is more than one event. */
const batchBytesMax = 1024 * 1024;

/** The first of `events` that go together: at most `countMax`, and not too large. */
export function batchOf(events: readonly Waiting[], countMax: number): readonly Waiting[] {
  let bytes = 0;
  let count = 0;
  while (count < countMax && count < events.length) {
    bytes += events[count]!.json.length;
    if (count > 0 && bytes > batchBytesMax) break;
    count += 1;
  }
  return events.slice(0, count);
}
