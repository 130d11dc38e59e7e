/** What a bus tells of itself; `gateway.ts` hands in who listens. */
import type { StreamPosition } from "../protocol/messages.ts";

export interface BusLog {
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
}

/** Whether the log can be used, in one word for the health check. */
export interface BusStatus {
  block(reason: string): void;
  clear(): void;
}

/** What happens to a shard besides records, for whoever hands the log on to other processes. */
export interface ShardObserver {
  /** It has a new epoch, and stands as `standing` says. */
  entered(shard: number): void;
  /** A position has been passed where there is no record, or none that is applied. */
  moved(shard: number, position: StreamPosition): void;
}

/** What a bus does and how it is at this moment, for the metrics. Those in the first group never fall. */
export interface BusFigures {
  readonly entriesWritten: number;
  readonly recordsWritten: number;
  readonly entriesRead: number;
  readonly writeFailures: number;
  readonly readFailures: number;
  readonly reconnects: number;
  /** Changes of a shard's epoch. */
  readonly epochs: number;
  /** What was left out: records of an unknown kind or a newer version, and what is no entry at all. */
  readonly skipped: { readonly kind: number; readonly version: number; readonly foreign: number };

  /** Of records that wait to be written, or for the answer. */
  readonly queueBytes: number;
  /** Milliseconds that an entry of this node takes through the log; of one that is late, so far. */
  readonly lagMs: number;
  /** Entries that this node has written and not yet read. */
  readonly unreadEntries: number;
  /** The other nodes know that this one lives. */
  readonly isLeased: boolean;
}
