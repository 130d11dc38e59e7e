/**
 * Records on their way into one stream entry, packed as they come: what waits is bytes outside of V8's heap, or the
 * collector would copy thousands of records at every turn (a quarter of a busy node's time).
 */

import type { LogRecord } from "./bus.ts";
import { packEntry, packRecord } from "./entry-codec.ts";

const bytesAtFirst = 1024;

export class EntryBatch<Companion> {
  /** What stands beside each record, in the records' order. */
  readonly companions: Companion[] = [];
  /** A publication with a key is among the records. */
  hasKey = false;
  #bytes = Buffer.allocUnsafe(bytesAtFirst);
  #length = 0;

  /** Of the records. */
  get byteLength(): number {
    return this.#length;
  }

  /** Returns the bytes that the record takes. Hot path. `originMs`: see `packRecord`. */
  add(record: LogRecord, originMs: number, companion: Companion): number {
    const packed = packRecord(record, originMs);
    if (record.kind === "publication" && record.key !== undefined) this.hasKey = true;
    if (this.#length + packed.length > this.#bytes.length) this.#grow(this.#length + packed.length);
    this.#bytes.set(packed, this.#length);
    this.#length += packed.length;
    this.companions.push(companion);
    return packed.length;
  }

  /** All of them as the bytes of an entry, as often as it has to be sent. */
  entry(epoch: string, writer: string, sequence: number): Buffer {
    return packEntry({ epoch, writer, sequence }, this.companions.length, this.#bytes.subarray(0, this.#length));
  }

  #grow(bytes: number): void {
    const larger = Buffer.allocUnsafe(Math.max(bytes, 2 * this.#bytes.length));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}
