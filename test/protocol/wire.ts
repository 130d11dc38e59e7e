/** Frames for the protocol's tests: from what a client sends to what `decode` makes of it, both as the wire shows them. */
import { pack } from "msgpackr";
import { type DecodeLimits, decode } from "../../src/protocol/decode.ts";
import { errorFrame } from "../../src/protocol/encode.ts";
import type { ClientMessage } from "../../src/protocol/messages.ts";
import { isRefusal, type Refusal } from "../../src/protocol/refusal.ts";

export const limits: DecodeLimits = { depthMax: 32, batchItemsMax: 100 };

/** The error frame of a refusal, or the message without its absent fields. */
export function shown(result: ClientMessage | Refusal): Record<string, unknown> {
  return JSON.parse(JSON.stringify(isRefusal(result) ? errorFrame(result) : result));
}

/** What is made of a JSON text frame. */
export const fromText = (text: string, given = limits) => shown(decode(Buffer.from(text), false, "json", given));

/** What is made of a MessagePack frame of these bytes. */
export const fromBytes = (bytes: Uint8Array, given = limits) => shown(decode(bytes, true, "msgpack", given));

/** The two ways in which the same frame may come. */
export const formats: Readonly<Record<string, (frame: unknown, given?: DecodeLimits) => Record<string, unknown>>> = {
  JSON: (frame, given) => fromText(JSON.stringify(frame), given),
  MessagePack: (frame, given) => fromBytes(pack(JSON.parse(JSON.stringify(frame))), given),
};

/** The error frame of a refusal of `request`. */
export const refused = (code: string, error: string, more: object = {}) => ({
  success: false,
  action: "error",
  error,
  code,
  ...more,
});
export const malformed = refused("invalid_message", "Invalid message format");

/** MessagePack by hand: the value as its specification writes it, in the shortest form. */
export function str(text: string): Buffer {
  const bytes = Buffer.from(text);
  if (bytes.length < 32) return Buffer.from([0xa0 + bytes.length, ...bytes]);
  return Buffer.from([0xda, bytes.length >> 8, bytes.length & 255, ...bytes]);
}

/** A publication to the channel `a`, with any bytes in the place of its message. */
export function publication(message: string | Uint8Array): Buffer {
  const value = typeof message === "string" ? Buffer.from(message.replaceAll(" ", ""), "hex") : message;
  const data = Buffer.concat([Buffer.from([0x82]), str("channel"), str("a"), str("message"), value]);
  return Buffer.concat([Buffer.from([0x82]), str("action"), str("message"), str("data"), data]);
}

/** `inner` inside `levels` arrays, as JSON text. */
export const nested = (levels: number, inner = ""): string => "[".repeat(levels) + inner + "]".repeat(levels);
