/**
 * A batch of records as the bytes of one stream entry, and back. Arrays, not maps: 86 ns a record to pack, against 186.
 *
 * An entry carries its writer's incarnation and a sequence that rises by one with every entry of that writer and shard:
 * an entry that was sent twice is dropped by readers, and one that is missing is noticed. The first element is the
 * version; kinds that a reader does not know are skipped, so that neighbouring releases work together.
 */
import { Packr } from "msgpackr";
import type { LogRecord, Member } from "./bus.ts";

const version = 1;

export interface Entry {
  readonly epoch: string;
  readonly writer: string;
  readonly sequence: number;
  readonly records: readonly LogRecord[];
}

const packr = new Packr({ useRecords: false, moreTypes: false });

/** `monotonicOriginMs` turns this process' monotonic times into ones that other machines can compare. */
export function encodeEntry({ epoch, writer, sequence, records }: Entry, monotonicOriginMs: number): Buffer {
  return packr.pack([
    version,
    epoch,
    writer,
    sequence,
    records.map((record) => encodeRecord(record, monotonicOriginMs)),
  ]);
}

/** `undefined` for bytes that are no entry of a version that this release can read. */
export function decodeEntry(bytes: Uint8Array, monotonicOriginMs: number): Entry | undefined {
  let fields: unknown;
  try {
    fields = packr.unpack(bytes);
  } catch {
    return undefined;
  }
  if (!Array.isArray(fields) || fields[0] !== version) return undefined;
  const [, epoch, writer, sequence, packed] = fields as [number, string, string, number, unknown[][]];
  const records = packed
    .map((record) => decodeRecord(record, monotonicOriginMs))
    .filter((record) => record !== undefined);
  return { epoch, writer, sequence, records };
}

function encodeRecord(record: LogRecord, originMs: number): unknown[] {
  switch (record.kind) {
    case "publication": {
      const { channel, head, sender, echo, target, key, userId, acceptedAtMs } = record;
      return [0, channel, head, sender, echo, target?.connections, target?.users, key, userId, acceptedAtMs + originMs];
    }
    case "join":
    case "leave":
      return [record.kind === "join" ? 1 : 2, record.channel, record.session, record.member];
    default:
      return [record.kind === "node_started" ? 3 : 4, record.node];
  }
}

function decodeRecord(fields: unknown[], originMs: number): LogRecord | undefined {
  switch (fields[0]) {
    case 0: {
      const [, channel, head, sender, echo, connections, users, key, userId, acceptedAtMs] = fields as [
        0,
        string,
        string,
        number,
        boolean,
        number[] | null,
        string[] | null,
        string | null,
        string | null,
        number,
      ];
      return {
        kind: "publication",
        channel,
        head,
        sender,
        echo,
        target: connections == null || users == null ? undefined : { connections, users },
        key: key ?? undefined,
        userId: userId ?? undefined,
        acceptedAtMs: acceptedAtMs - originMs,
      };
    }
    case 1:
    case 2: {
      const [kind, channel, session, member] = fields as [1 | 2, string, string, Member];
      return { kind: kind === 1 ? "join" : "leave", channel, session, member };
    }
    case 3:
    case 4:
      return { kind: fields[0] === 3 ? "node_started" : "node_ended", node: fields[1] as string };
    default:
      return undefined; // a later release's
  }
}
