/**
 * From the server's frames to bytes: JSON text, or MessagePack made from the same objects.
 *
 * Frames on the path of a message are put together as JSON text from parts that are JSON already; a channel name needs
 * no escaping, its alphabet has no character that JSON escapes.
 */
import { Packr } from "msgpackr";
import type { Format } from "./decode.ts";
import type { FrameId } from "./frame-id.ts";
import type { StreamPosition } from "./messages.ts";
import type { Refusal } from "./refusal.ts";

/** A frame in its encoding: JSON as a string, MessagePack as bytes. */
export type EncodedFrame = string | Uint8Array;

// useToJSON: a published value with the keys `constructor` and `toJSON` would have its `toJSON` called otherwise.
const packr = new Packr({ useRecords: false, variableMapSize: true, useToJSON: false });

/** Encodes any frame for one connection. */
export function encode(frame: object, format: Format): EncodedFrame {
  return encodeJson(JSON.stringify(frame), format); // through JSON, so that absent fields are absent in both
}

/** The same for a frame, or an array of frames, that is JSON text already. Hot path. */
export function encodeJson(json: string, format: Format): EncodedFrame {
  return format === "json" ? json : transcode(json);
}

/** The same frame as MessagePack. `json` is a frame's text as JSON.stringify writes it. */
export function transcode(json: string): Uint8Array {
  return packr.pack(JSON.parse(json.includes("\\ud") ? withoutLoneSurrogates(json) : json));
}

/**
 * MessagePack strings are UTF-8, which has no lone surrogates: they become U+FFFD, or strict clients could not read the
 * frame. JSON.stringify escapes them and nothing else above U+001F; all escapes are matched, because in `\\ud800` it is
 * the backslash that is escaped.
 */
function withoutLoneSurrogates(json: string): string {
  return json.replace(/\\(?:ud[89a-f][0-9a-f]{2}|.)/g, (match) => (match.length > 2 ? "\ufffd" : match));
}

/**
 * A `message` frame up to, and without, its closing brace: what a publication carries through the log. Hot path.
 * `userIdJson` is the publisher's user id as JSON text, `time` unix seconds.
 */
export function publicationHead(
  channel: string,
  sender: number,
  messageJson: string,
  time: number,
  userIdJson: string | undefined,
): string {
  const head = `{"action":"message","channel":"${channel}","sender":${sender},"message":${messageJson},"time":${time}`;
  return userIdJson === undefined ? head : `${head},"user_id":${userIdJson}`;
}

/** Adds the place in the log to a publication's head; the result lacks its closing brace as well. Hot path. */
export function withPosition(head: string, position: StreamPosition): string {
  return `${head},"offset":"${position.offset}","epoch":"${position.epoch}"`;
}

/**
 * The acknowledgement of a publication, as JSON text. `isExact`: the count is that of all nodes; `isDuplicate`: its key
 * came before. Hot path.
 */
export function messageSent(
  id: FrameId | undefined,
  channel: string,
  recipientsCount: number,
  isExact: boolean,
  position: StreamPosition | undefined,
  isDuplicate = false,
): string {
  let frame = `{"success":true,"action":"message_sent","channel":"${channel}","recipients_count":${recipientsCount}`;
  if (!isExact) frame += `,"recipients_exact":false`;
  if (position !== undefined) frame = withPosition(frame, position);
  if (isDuplicate) frame += ',"duplicate":true';
  return id === undefined ? `${frame}}` : `${frame},"id":${JSON.stringify(id)}}`;
}

/** The error frame of a refusal. */
export function errorFrame(why: Refusal): object {
  return {
    success: false,
    action: "error",
    error: why.error,
    code: why.code,
    request: why.request,
    channel: why.channel,
    id: why.id,
    retry_after: why.retryAfter,
  };
}
