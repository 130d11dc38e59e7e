/**
 * What a worker and the process that holds its log say to each other, as bytes: packed arrays, which cost half of what
 * the same objects do over IPC, and a message for all workers is packed once.
 *
 * Both ends are of one release, but for a worker that was started when newer files had been put in place: as in the log,
 * what a reader does not know is left out.
 */
import { Packr } from "msgpackr";
import type { StreamPosition } from "../protocol/messages.ts";
import type { AppendFault, LogRecord } from "./bus.ts";
import { decodeRecord, encodeRecord } from "./entry-codec.ts";
import type { Runs } from "./worker-offsets.ts";
import type { Standing } from "./worker-view.ts";

/** A record of the log with its place in it. */
export interface Placed {
  readonly record: LogRecord;
  readonly position: StreamPosition;
}

/** From a worker. */
export type UpMessage =
  /** Tell me all there is to know, then go on. */
  | { readonly kind: "attach" }
  /** To be appended in this order; `first` is the number of the first one, the others follow. */
  | { readonly kind: "append"; readonly first: number; readonly records: readonly LogRecord[] };

/** As it arrives; `undefined`: a record of a kind that this release does not know. */
export type ReceivedUp =
  | Extract<UpMessage, { kind: "attach" }>
  | { readonly kind: "append"; readonly first: number; readonly records: readonly (LogRecord | undefined)[] };

/** To a worker. */
export type DownMessage =
  /** New in the log. */
  | { readonly kind: "records"; readonly placed: readonly Placed[] }
  /** What became of appends, by number. */
  | {
      readonly kind: "outcomes";
      readonly outcomes: readonly { readonly number: number; readonly outcome: StreamPosition | AppendFault }[];
    }
  /** A shard is in an epoch that the worker does not know yet. */
  | { readonly kind: "standing"; readonly shard: number; readonly standing: Standing }
  /** A position without a record has been passed. */
  | { readonly kind: "moved"; readonly shard: number; readonly position: StreamPosition }
  /** While a worker is filled: positions of the past, floors of channels, and records that it has to build its state from. */
  | { readonly kind: "runs"; readonly shard: number; readonly runs: Runs }
  | { readonly kind: "floors"; readonly floors: readonly (readonly [channel: string, floor: string])[] }
  | { readonly kind: "past"; readonly placed: readonly Placed[]; readonly agesMs: readonly number[] }
  /** It is filled. */
  | { readonly kind: "present" }
  /** Its number in the cluster, from now on. */
  | { readonly kind: "number"; readonly number: number };

const packr = new Packr({ useRecords: false, moreTypes: false });
/** All processes of a machine have one monotonic clock, but count from their own start. */
const originMs = performance.timeOrigin;

const upKinds = ["attach", "append"] as const satisfies readonly UpMessage["kind"][];
const downKinds = [
  "records",
  "outcomes",
  "standing",
  "moved",
  "runs",
  "floors",
  "past",
  "present",
  "number",
] as const satisfies readonly DownMessage["kind"][];

export function encodeUp(message: UpMessage): Uint8Array {
  if (message.kind === "attach") return packr.pack([0]);
  return packr.pack([1, message.first, message.records.map((record) => encodeRecord(record, originMs))]);
}

/** `undefined` for a message that this release does not know. */
export function decodeUp(bytes: Uint8Array): ReceivedUp | undefined {
  const [number, first, records] = packr.unpack(bytes) as [number, number, unknown[][]];
  const kind = upKinds[number];
  if (kind === "append") return { kind, first, records: records.map((fields) => decodeRecord(fields, originMs)) };
  return kind && { kind };
}

export function encodeDown(message: DownMessage): Uint8Array {
  return packr.pack([downKinds.indexOf(message.kind), ...fieldsOf(message)]);
}

/** `undefined` for a message that this release does not know; records that it does not know are left out. */
export function decodeDown(bytes: Uint8Array): DownMessage | undefined {
  const [number, ...fields] = packr.unpack(bytes) as [number, ...unknown[]];
  const kind = downKinds[number];
  switch (kind) {
    case "records":
      return { kind, placed: decodePlaced(fields as PlacedFields) };
    case "outcomes": {
      const [numbers, offsets, epochs] = fields as [number[], string[], string | string[]];
      return {
        kind,
        outcomes: numbers.map((number, i) => ({ number, outcome: outcomeOf(offsets[i]!, epochAt(epochs, i)) })),
      };
    }
    case "standing": {
      const [shard, epoch, tail, knownFrom] = fields as [number, string, string, string];
      return { kind, shard, standing: { epoch, tail, knownFrom } };
    }
    case "moved": {
      const [shard, offset, epoch] = fields as [number, string, string];
      return { kind, shard, position: { offset, epoch } };
    }
    case "runs": {
      const [shard, prefixes, lows, highs] = fields as [number, string[], number[], number[]];
      return { kind, shard, runs: { prefixes, lows, highs } };
    }
    case "floors":
      return { kind, floors: fields[0] as [string, string][] };
    case "past": {
      const [agesMs, ...placed] = fields as [number[], ...PlacedFields];
      const known = agesMs.filter((_, i) => decodeRecord(placed[0][i]!, originMs) !== undefined);
      return { kind, placed: decodePlaced(placed), agesMs: known };
    }
    case "present":
      return { kind };
    case "number":
      return { kind, number: fields[0] as number };
    default:
      return undefined;
  }
}

function fieldsOf(message: DownMessage): readonly unknown[] {
  switch (message.kind) {
    case "records":
      return encodePlaced(message.placed);
    case "outcomes": {
      const positions = message.outcomes.map(({ outcome }) => (outcome === "unavailable" ? refused : outcome));
      const numbers = message.outcomes.map(({ number }) => number);
      return [numbers, positions.map(({ offset }) => offset), epochsOf(positions)];
    }
    case "standing":
      return [message.shard, message.standing.epoch, message.standing.tail, message.standing.knownFrom];
    case "moved":
      return [message.shard, message.position.offset, message.position.epoch];
    case "runs":
      return [message.shard, message.runs.prefixes, message.runs.lows, message.runs.highs];
    case "floors":
      return [message.floors];
    case "past":
      return [message.agesMs, ...encodePlaced(message.placed)];
    case "present":
      return [];
    case "number":
      return [message.number];
  }
}

type PlacedFields = [records: unknown[][], offsets: string[], epochs: string | string[]];

function encodePlaced(placed: readonly Placed[]): PlacedFields {
  return [
    placed.map(({ record }) => encodeRecord(record, originMs)),
    placed.map(({ position }) => position.offset),
    epochsOf(placed.map(({ position }) => position)),
  ];
}

function decodePlaced([records, offsets, epochs]: PlacedFields): Placed[] {
  const placed: Placed[] = [];
  for (let i = 0; i < records.length; i += 1) {
    const record = decodeRecord(records[i]!, originMs);
    if (record !== undefined) placed.push({ record, position: { offset: offsets[i]!, epoch: epochAt(epochs, i) } });
  }
  return placed;
}

/** One text where all are in the same epoch, as nearly always. */
function epochsOf(positions: readonly StreamPosition[]): string | string[] {
  const first = positions[0]?.epoch ?? "";
  return positions.every(({ epoch }) => epoch === first) ? first : positions.map(({ epoch }) => epoch);
}

const epochAt = (epochs: string | readonly string[], i: number): string =>
  typeof epochs === "string" ? epochs : epochs[i]!;

const refused: StreamPosition = { offset: "", epoch: "" };
const outcomeOf = (offset: string, epoch: string): StreamPosition | AppendFault =>
  offset === "" ? "unavailable" : { offset, epoch };
