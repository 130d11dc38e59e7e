/**
 * From a client's bytes to a checked message, or to the refusal that tells what was wrong.
 *
 * Nothing a client sends throws past this file, and nothing it sends is trusted beyond it: every field of a
 * `ClientMessage` has its declared type and range. Unknown keys are ignored.
 */
import { Unpackr } from "msgpackr";
import { errorTexts } from "./codes.ts";
import type { FrameId } from "./frame-id.ts";
import { jsonFault, lessNesting } from "./json-value.ts";
import type { Action, ClientMessage, Publish, StreamPosition, Target } from "./messages.ts";
import { isChannelName } from "./names.ts";
import { isPlainMsgpack } from "./plain-msgpack.ts";
import { invalidField, isRefusal, missingField, type Refusal, refusal } from "./refusal.ts";

export interface DecodeLimits {
  /** Levels of arrays and objects in a published value. */
  readonly depthMax: number;
  readonly batchItemsMax: number;
}

/** The encoding of a connection's frames, both directions. */
export type Format = "json" | "msgpack";

type Fields = Readonly<Record<string, unknown>>;
type Envelope = { readonly id: FrameId | undefined; readonly data: Fields; readonly limits: DecodeLimits };

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: "number", copyBuffers: true });

/** Decodes one frame. Hot path. Keeps no view of `bytes`. */
export function decode(
  bytes: ArrayBuffer | Uint8Array,
  isBinary: boolean,
  format: Format,
  limits: DecodeLimits,
): ClientMessage | Refusal {
  if (format === "msgpack" && !isBinary) return refusal("invalid_message");
  let frame: unknown;
  try {
    if (format === "json") frame = JSON.parse(utf8.decode(bytes));
    else {
      const packed = bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes);
      if (!isPlainMsgpack(packed)) return refusal("invalid_message");
      frame = unpackr.unpack(packed);
    }
  } catch {
    return refusal("invalid_message");
  }
  return decodeFrame(frame, limits);
}

/** Checks one parsed frame. */
export function decodeFrame(frame: unknown, limits: DecodeLimits): ClientMessage | Refusal {
  if (!isFields(frame) || typeof frame.action !== "string") return refusal("invalid_message");
  const { action, data } = frame;
  const id = readId(frame);
  const read = readers.get(action as Action);
  let result: ClientMessage | Refusal;
  if (read === undefined) result = refusal("unknown_action", `${errorTexts.unknown_action}: ${action.slice(0, 64)}`);
  else if (data === undefined || data === null) result = read({ id, data: {}, limits });
  else if (isFields(data)) result = read({ id, data, limits });
  else result = invalidField("data", "object");
  if (!isRefusal(result)) return result;
  result.id = id;
  if (read !== undefined) result.request = action;
  if (isFields(data) && typeof data.channel === "string" && isChannelName(data.channel)) result.channel = data.channel;
  return result;
}

/** Anything else counts as absent. A whole number beyond 2^53 was rounded by whoever parsed it, and comes back so. */
function readId({ id }: Fields): FrameId | undefined {
  return typeof id === "string" || Number.isFinite(id) ? (id as FrameId) : undefined;
}

/** One reader an action. */
const readers: ReadonlyMap<Action, (envelope: Envelope) => ClientMessage | Refusal> = new Map([
  ["message", readPublish],
  ["subscribe", readSubscribe],
  ["unsubscribe", ({ id, data }) => withChannel(data, (channel) => ({ action: "unsubscribe", id, channel }))],
  ["authenticate", readAuthenticate],
  ["presence", ({ id, data }) => withChannel(data, (channel) => ({ action: "presence", id, channel }))],
  ["history", readHistory],
  ["ping", ({ id }) => ({ action: "ping", id })],
  ["pong", () => ({ action: "pong" })],
  ["batch", readBatch],
]);

function readPublish({ id, data, limits }: Envelope): Publish | Refusal {
  return withChannel(data, (channel) => {
    const { message, echo, key } = data;
    if (message === undefined) return missingField("message");
    const fault = jsonFault(message, limits.depthMax);
    if (fault === lessNesting) return invalidField("message", `JSON value of at most ${limits.depthMax} levels`);
    if (fault !== undefined) return invalidField("message", fault);
    if (isGiven(echo) && typeof echo !== "boolean") return invalidField("echo", "boolean");
    if (isGiven(key) && !isShortText(key)) return invalidField("key", "string of 1 to 128 characters");
    const target = readTarget(data);
    if (target !== undefined && isRefusal(target)) return target;
    const messageJson = JSON.stringify(message);
    return { action: "message", id, channel, messageJson, target, echo: echo ?? undefined, key: key ?? undefined };
  });
}

/**
 * Who a targeted message is for. An empty `recipients` means everyone (the guide's form), an empty `connections` or
 * `users` nobody; where several are given, whoever stands in one of them.
 */
function readTarget(data: Fields): Target | Refusal | undefined {
  const { recipients, connections, users } = data;
  if (recipients === undefined && connections === undefined && users === undefined) return undefined;
  for (const [field, list] of Object.entries({ recipients, connections, users })) {
    if (
      isGiven(list) &&
      !(Array.isArray(list) && list.every((item) => typeof item === "number" || typeof item === "string"))
    )
      return invalidField(field, "array of numbers or strings");
  }
  const ids = [...((recipients as unknown[] | undefined) ?? []), ...((connections as unknown[] | undefined) ?? [])];
  if (ids.length === 0 && !isGiven(connections) && !isGiven(users)) return undefined;
  return {
    connections: ids.map(Number).filter(Number.isSafeInteger),
    users: ((users as unknown[] | undefined) ?? []).map(String),
  };
}

function readSubscribe({ id, data }: Envelope): ClientMessage | Refusal {
  return withChannel(data, (channel) => {
    const options = data.options ?? {};
    if (!isFields(options)) return invalidField("options", "object");
    const history = options.history ?? 0;
    const presence = options.presence ?? false;
    const since = readPosition(options.since);
    if (since !== undefined && isRefusal(since)) return since;
    if (!isCount(history)) return invalidField("options.history", "whole number, 0 or more");
    if (typeof presence !== "boolean") return invalidField("options.presence", "boolean");
    const { token } = data;
    if (isGiven(token) && typeof token !== "string") return invalidField("token", "string");
    return { action: "subscribe", id, channel, since, history, presence, token: token ?? undefined };
  });
}

function readPosition(since: unknown): StreamPosition | Refusal | undefined {
  if (!isGiven(since)) return undefined;
  if (!isFields(since)) return invalidField("options.since", "object with offset and epoch");
  const { offset, epoch } = since;
  if (!isShortText(offset)) return invalidField("options.since.offset", "string of 1 to 128 characters");
  if (!isShortText(epoch)) return invalidField("options.since.epoch", "string of 1 to 128 characters");
  return { offset, epoch };
}

function readAuthenticate({ id, data }: Envelope): ClientMessage | Refusal {
  const { token } = data;
  if (!isGiven(token)) return missingField("token");
  if (typeof token !== "string") return invalidField("token", "string");
  return { action: "authenticate", id, token };
}

function readHistory({ id, data }: Envelope): ClientMessage | Refusal {
  return withChannel(data, (channel) => {
    const { limit, before } = data;
    if (isGiven(limit) && !isCount(limit)) return invalidField("limit", "whole number, 0 or more");
    if (isGiven(before) && !isShortText(before)) return invalidField("before", "string of 1 to 128 characters");
    return { action: "history", id, channel, limit: limit ?? undefined, before: before ?? undefined };
  });
}

function readBatch({ id, data, limits }: Envelope): ClientMessage | Refusal {
  const { items } = data;
  if (!isGiven(items)) return missingField("items");
  if (!Array.isArray(items)) return invalidField("items", "array");
  if (items.length > limits.batchItemsMax)
    return invalidField("items", `array of at most ${limits.batchItemsMax} items`);
  const nested = refusal("invalid_message", `${errorTexts.invalid_message}: a batch inside a batch`);
  const decodeItem = (item: unknown) =>
    isFields(item) && item.action === "batch"
      ? { ...nested, request: "batch", id: readId(item) }
      : decodeFrame(item, limits);
  return { action: "batch", id, items: items.map(decodeItem) };
}

/** Hands the checked channel name on, or returns why it is none. */
function withChannel<T>(data: Fields, next: (channel: string) => T | Refusal): T | Refusal {
  const { channel } = data;
  if (!isGiven(channel)) return missingField("channel");
  if (typeof channel !== "string") return invalidField("channel", "string");
  if (!isChannelName(channel)) return refusal("invalid_channel");
  return next(channel);
}

const isGiven = <T>(value: T): value is NonNullable<T> => value !== undefined && value !== null;
/** A plain object: MessagePack has dates and binary as well. */
const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isShortText = (value: unknown): value is string =>
  typeof value === "string" && value.length > 0 && value.length <= 128;
