import type { LogRecord } from "../../src/bus/bus.ts";
import { EntryBatch } from "../../src/bus/entry-batch.ts";
import type { Entry } from "../../src/bus/entry-codec.ts";

/** The bytes of an entry, as a writer makes them. */
export function encodeEntry(
  { epoch, writer, sequence, records }: Omit<Entry, "isNewer"> & { readonly records: readonly LogRecord[] },
  monotonicOriginMs: number,
): Buffer {
  const batch = new EntryBatch<undefined>();
  for (const record of records) batch.add(record, monotonicOriginMs, undefined);
  return batch.entry(epoch, writer, sequence);
}
