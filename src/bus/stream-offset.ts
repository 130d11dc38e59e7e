/**
 * A message's place in a Redis stream, as the `offset` that clients see: the entry's id and the index in its batch,
 * padded so that text order is stream order. `1795388408002-0` and 7 become `01795388408002-00000000-0007`.
 */
import { randomInt } from "node:crypto";

/** Records in one entry at most: what four digits of index hold. */
export const recordsPerEntryMax = 10_000;

export interface EntryId {
  /** Unix ms by Redis' clock. */
  readonly ms: number;
  readonly sequence: number;
}

export function parseEntryId(id: string): EntryId {
  const [ms, sequence] = id.split("-");
  return { ms: Number(ms), sequence: Number(sequence) };
}

/** The part of an offset that all records of an entry share. */
export function offsetPrefix({ ms, sequence }: EntryId): string {
  return `${String(ms).padStart(14, "0")}-${String(sequence).padStart(8, "0")}-`;
}

/**
 * The position of a node that has read nothing yet: before all entries, and known to that node alone, because another
 * one may have begun to read at another entry.
 */
export function startOffset(): string {
  return offsetOf(offsetPrefix({ ms: 0, sequence: randomInt(1, 99_999_999) }), 0);
}

export function offsetOf(prefix: string, index: number): string {
  return prefix + String(index).padStart(4, "0");
}

/** The way back; `undefined` for what is no offset. */
export function parseOffset(offset: string): (EntryId & { readonly index: number }) | undefined {
  const match = /^(\d{14})-(\d{8})-(\d{4})$/.exec(offset);
  return match === null ? undefined : { ms: Number(match[1]), sequence: Number(match[2]), index: Number(match[3]) };
}
