/** What a supervisor keeps of the log for workers that start, as the hub needs it. */
import type { StreamPosition } from "../protocol/messages.ts";
import type { LogRecord } from "./bus.ts";
import type { Placed } from "./worker-messages.ts";

/** What a worker that starts builds its state from: history, idempotency keys and members. */
export interface Past {
  /** Keeps what matters of a record. Hot path. */
  add(record: LogRecord, position: StreamPosition, ageMs: number): void;
  /** A shard has a new epoch. */
  enter(shard: number, epoch: string): void;
  /** Everything kept, at this moment. */
  all(): PastRecords;
}

export interface PastRecords {
  /** In the order of the log. `ageMs`: how long ago it was written. */
  readonly records: readonly (Placed & { readonly ageMs: number })[];
  /** By channel: no record behind this offset is missing above. */
  readonly floors: readonly (readonly [channel: string, floor: string])[];
  /** The same for all other channels of a shard; `undefined`: as far back as the bus knows its log. */
  knownFrom(shard: number): string | undefined;
}
