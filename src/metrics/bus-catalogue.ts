/** What a log in Redis tells of itself, beside what the nodes measure with it; see `catalogue.ts` for its rules. */
import { counter, gauge, type LiveMetric, labelled } from "./metric.ts";

/** As the bus declares them: those of the first group never fall. */
export interface BusSource {
  readonly entriesWritten: number;
  readonly recordsWritten: number;
  readonly entriesRead: number;
  readonly writeFailures: number;
  readonly readFailures: number;
  readonly reconnects: number;
  readonly epochs: number;
  readonly skipped: Readonly<Record<"kind" | "version" | "foreign", number>>;

  readonly queueBytes: number;
  readonly lagMs: number;
  readonly unreadEntries: number;
  readonly isLeased: boolean;
}

export function busCatalogue(read: () => BusSource): readonly LiveMetric[] {
  return [
    counter("tidegate_bus_entries_written_total", "Stream entries written.", () => read().entriesWritten),
    counter(
      "tidegate_bus_records_written_total",
      "Records in the entries written: publications, and what nodes tell of members. Divided by the entries: the batch.",
      () => read().recordsWritten,
    ),
    counter("tidegate_bus_entries_read_total", "Stream entries read, those of all nodes.", () => read().entriesRead),
    counter("tidegate_bus_failures_total", "Attempts to write to Redis or read from it that failed.", () => {
      const { writeFailures, readFailures } = read();
      return labelled("operation", { write: writeFailures, read: readFailures });
    }),
    counter("tidegate_bus_reconnects_total", "Connections to Redis made anew.", () => read().reconnects),
    counter(
      "tidegate_bus_epoch_changes_total",
      "Breaks of the log: recoveries over them are refused, for messages may be missing.",
      () => read().epochs,
    ),
    counter(
      "tidegate_bus_skipped_total",
      "What is in the log and cannot be read by this release: records of an unknown kind, records of a newer version, foreign entries.",
      () => labelled("what", { ...read().skipped }),
    ),
    gauge("tidegate_bus_queue_bytes", "Records that wait for Redis, in bytes.", "sum", () => read().queueBytes),
    gauge(
      "tidegate_bus_reader_lag_seconds",
      "How long an entry of this node takes until it reads it back from Redis; of one that is late, so far.",
      "max",
      () => read().lagMs / 1000,
    ),
    gauge(
      "tidegate_bus_unread_entries",
      "Stream entries that this node has sent and not read back.",
      "sum",
      () => read().unreadEntries,
    ),
    gauge("tidegate_bus_leased", "1 while the other nodes take this one for alive.", "min", () =>
      read().isLeased ? 1 : 0,
    ),
  ];
}
