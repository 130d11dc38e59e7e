/**
 * A batch of records as the bytes of one stream entry, and back. Arrays, not maps: 86 ns a record to pack, against 186.
 *
 * An entry carries its writer's incarnation and a sequence that rises by one with every entry of that writer and shard:
 * an entry that was sent twice is dropped by readers, and one that is missing is noticed.
 *
 * The rule of releases: within a version, kinds may be added, and fields at the end of a record or of the entry. What a
 * reader does not know is left out and keeps its place, so that neighbouring releases agree on the offsets of the others.
 * The first five elements (version, epoch, writer, sequence, a list with a place for each record) are the same in every
 * version. What the records of a newer one say is not known here; that some are missing is.
 */
import { Packr, RESET_BUFFER_MODE } from "msgpackr";
import type { Target } from "../protocol/messages.ts";
import type { AnswerRecord, CommandRecord, LogRecord, Member } from "./bus.ts";

/** Of what is written; it rises where an older reader would misread a record. A release reads a version before one writes it. */
const version = 1;
/** MessagePack's "array 32": a length in four bytes, most significant first. Source: the MessagePack specification. */
const array32 = 0xdd;

export interface Entry {
  readonly epoch: string;
  readonly writer: string;
  readonly sequence: number;
  /** Of a newer version: none of its records can be read. */
  readonly isNewer: boolean;
  /** `undefined`: of a kind that this release does not know, or malformed. */
  readonly records: readonly (LogRecord | undefined)[];
}

/** Records of nodes, numbered from 3 on. */
const nodeKinds = ["roll_call", "node_ended", "roll_begun", "roll_ended"] as const;
const nodeKindsFrom = 3;
const commandKind = 7;
const answerKind = 8;
/** Records of occupied channels have numbers of their own, far from those above, which may become more. */
const occupied = 32;
const vacated = 33;

const packr = new Packr({ useRecords: false, moreTypes: false });

/**
 * One record as it stands in an entry; valid until the next one is packed. `originMs` turns this process' monotonic times
 * into ones that other machines can compare. Hot path.
 */
export function packRecord(record: LogRecord, originMs: number): Uint8Array {
  return packr.pack(encodeRecord(record, originMs), RESET_BUFFER_MODE);
}

/** An entry of `count` records, which stand in `records` one behind the other. */
export function packEntry(
  { epoch, writer, sequence }: Pick<Entry, "epoch" | "writer" | "sequence">,
  count: number,
  records: Uint8Array,
): Buffer {
  const head = packr.pack([version, epoch, writer, sequence, []]);
  // Its last byte is the empty array: here it gets a length, and elements.
  const length = Buffer.from([array32, count >>> 24, count >>> 16, count >>> 8, count]);
  return Buffer.concat([head.subarray(0, -1), length, records]);
}

/** `undefined` for bytes that are no entry. */
export function decodeEntry(bytes: Uint8Array, monotonicOriginMs: number): Entry | undefined {
  try {
    const fields: unknown = packr.unpack(bytes);
    if (!Array.isArray(fields) || !isVersion(fields[0])) return undefined;
    const [written, epoch, writer, sequence, packed] = fields as [number, string, string, number, unknown[][]];
    if (typeof epoch !== "string" || typeof writer !== "string" || !Number.isSafeInteger(sequence)) return undefined;
    const isNewer = written !== version;
    const records = packed.map((record) =>
      isNewer || record === null ? undefined : decodeRecord(record, monotonicOriginMs),
    );
    return { epoch, writer, sequence, isNewer, records };
  } catch {
    return undefined;
  }
}

/** One record as plain values; for `worker-messages.ts` as well. */
export function encodeRecord(record: LogRecord, originMs: number): unknown[] {
  switch (record.kind) {
    case "publication": {
      const { channel, head, sender, echo, target, key, userId, acceptedAtMs } = record;
      return [0, channel, head, sender, echo, target?.connections, target?.users, key, userId, acceptedAtMs + originMs];
    }
    case "join":
    case "leave":
      return [record.kind === "join" ? 1 : 2, record.channel, record.session, record.member];
    case "command":
      return [commandKind, record.channel, record.node, record.id, record.body, record.keptUntil];
    case "answer":
      return [answerKind, record.channel, record.node, record.id, record.body, record.from];
    case "occupied":
    case "vacated":
      return [record.kind === "occupied" ? occupied : vacated, record.channel, record.node];
    default:
      return [nodeKinds.indexOf(record.kind) + nodeKindsFrom, record.node, record.shard];
  }
}

/** `undefined` for a kind that this release does not know, and for a record with a field of a wrong type. Hot path. */
export function decodeRecord(fields: readonly unknown[], originMs: number): LogRecord | undefined {
  switch (fields[0]) {
    case 0:
      return decodePublication(fields, originMs);
    case 1:
    case 2: {
      const [kind, channel, session, member] = fields;
      if (typeof channel !== "string" || typeof session !== "string" || !isMember(member)) return undefined;
      return { kind: kind === 1 ? "join" : "leave", channel, session, member };
    }
    case commandKind:
    case answerKind:
      return decodeExchange(fields);
    case occupied:
    case vacated: {
      const [kind, channel, node] = fields;
      if (typeof channel !== "string" || typeof node !== "string") return undefined;
      return { kind: kind === occupied ? "occupied" : "vacated", channel, node };
    }
    default: {
      const kind = nodeKinds[(fields[0] as number) - nodeKindsFrom];
      const node = fields[1]; // by index: it may be no array
      const shard = fields[2];
      if (kind === undefined || typeof node !== "string" || !isNumberOrNone(shard)) return undefined; // or a later release's
      return { kind, node, shard: shard ?? undefined };
    }
  }
}

function decodePublication(fields: readonly unknown[], originMs: number): LogRecord | undefined {
  // By index: destructuring goes through an iterator, which costs more than all of the checks.
  const channel = fields[1];
  const head = fields[2];
  const sender = fields[3];
  const echo = fields[4];
  const connections = fields[5];
  const users = fields[6];
  const key = fields[7];
  const userId = fields[8];
  const acceptedAtMs = fields[9];
  if (typeof channel !== "string" || typeof head !== "string") return undefined;
  if (typeof sender !== "number" || typeof echo !== "boolean") return undefined;
  if (!isTextOrNone(key) || !isTextOrNone(userId)) return undefined;
  if (typeof acceptedAtMs !== "number" || !Number.isFinite(acceptedAtMs)) return undefined;
  let target: Target | undefined;
  if (connections != null || users != null) {
    if (!isListOf("number", connections) || !isListOf("string", users)) return undefined;
    target = { connections, users };
  }
  return {
    kind: "publication",
    channel,
    head,
    sender,
    echo,
    target,
    key: key ?? undefined,
    userId: userId ?? undefined,
    acceptedAtMs: acceptedAtMs - originMs,
  };
}

function decodeExchange(fields: readonly unknown[]): CommandRecord | AnswerRecord | undefined {
  // By index: it may be no array.
  const channel = fields[1];
  const node = fields[2];
  const id = fields[3];
  const body = fields[4];
  const last = fields[5];
  if (typeof channel !== "string" || typeof node !== "string" || typeof body !== "string") return undefined;
  if (typeof id !== "number" || !Number.isSafeInteger(id)) return undefined;
  if (fields[0] === answerKind)
    return typeof last === "string" ? { kind: "answer", channel, node, id, body, from: last } : undefined;
  if (typeof last !== "number" || !Number.isFinite(last)) return undefined;
  return { kind: "command", channel, node, id, body, keptUntil: last };
}

const isVersion = (value: unknown): boolean => typeof value === "number" && value >= version;
// A field that is not given is null in MessagePack.
const isTextOrNone = (value: unknown): value is string | null | undefined => value == null || typeof value === "string";
const isNumberOrNone = (value: unknown): value is number | null | undefined =>
  value == null || typeof value === "number";

function isListOf(type: "number", value: unknown): value is number[];
function isListOf(type: "string", value: unknown): value is string[];
function isListOf(type: string, value: unknown): boolean {
  if (!Array.isArray(value)) return false;
  for (const item of value) if (typeof item !== type) return false;
  return true;
}

function isMember(value: unknown): value is Member {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const { user_id, role, connection_id } = value as Record<keyof Member, unknown>;
  return (isTextOrNone(user_id) || typeof user_id === "number") && isTextOrNone(role) && isNumberOrNone(connection_id);
}
