/**
 * A short cut for the commonest frame: a `message` of plain text for all subscribers, as JSON.stringify writes it.
 *
 * One regular expression over the bytes takes 0.2 µs where UTF-8, JSON.parse, the checks of each field and JSON.stringify
 * take 1.2 (a sixth of what a message costs). The rule: what it reads, `decode` would read the same; `undefined` means
 * nothing but that the long way is to be taken.
 */
import type { FrameId } from "../protocol/frame-id.ts";
import type { Publish } from "../protocol/messages.ts";
import { isChannelName } from "../protocol/names.ts";

/**
 * Text of printable ASCII without `"` and `\` is its own canonical JSON. An id is a short text, or a whole number below
 * 10^15, which JavaScript writes as it was sent.
 */
const plain =
  /^\{"action":"message","data":\{"channel":"([\w.-]{1,200})","message":("[ !#-[\]-~]*")\}(?:,"id":(?:(0|[1-9]\d{0,14})|"([ !#-[\]-~]{0,128})"))?\}$/;

/** Hot path. Keeps no view of `bytes`. */
export function readPlainPublish(bytes: ArrayBuffer | Uint8Array): Publish | undefined {
  const buffer =
    bytes instanceof Uint8Array
      ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      : Buffer.from(bytes, 0, bytes.byteLength);
  const found = plain.exec(buffer.toString("latin1")); // bytes beyond ASCII become characters that do not match
  if (found === null) return undefined;
  const channel = found[1]!;
  if (!isChannelName(channel)) return undefined;
  const id: FrameId | undefined = found[3] === undefined ? found[4] : Number(found[3]);
  return { action: "message", id, channel, messageJson: found[2]!, target: undefined, echo: undefined, key: undefined };
}
