/**
 * Counts the messages in what a server sends, by walking from frame header to frame header: about 10 ns a frame, and
 * nothing is decoded. One byte of the payload tells a message from an acknowledgement. An array of messages is counted by
 * its length: where there are any, all messages must be as long as the last one that came by itself.
 */
import type { Dialect } from "./dialects.ts";
import { bigEndian, ServerFrames } from "./server-frames.ts";

export interface Counter {
  /** Messages so far. */
  readonly messages: number;
  /** Keeps no view of `bytes`. */
  push(bytes: Buffer): void;
}

export function counterFor(dialect: Dialect): Counter {
  const { messageByte, lineOfMessage } = dialect;
  return lineOfMessage === undefined
    ? new FrameCounter(messageByte.at, messageByte.byte)
    : new LineCounter(lineOfMessage);
}

const openingBracket = 0x5b;
/** A frame's header has at most this many bytes. */
const headerBytesMax = 10;

class FrameCounter implements Counter {
  messages = 0;
  readonly #at: number;
  readonly #byte: number;
  #messageBytes = 0; // of the last message that came by itself
  #skip = 0; // bytes of the frame under way that are still to come
  #cut: Buffer | undefined; // the beginning of a frame that ended before it could be judged

  constructor(at: number, byte: number) {
    this.#at = at;
    this.#byte = byte;
  }

  /** Hot path. */
  push(bytes: Buffer): void {
    let at = this.#skip;
    if (this.#cut !== undefined) {
      const start = Buffer.concat([this.#cut, bytes.subarray(0, headerBytesMax + this.#at + 1)]);
      const end = this.#judge(start, 0);
      if (end === undefined) {
        this.#cut = start; // all of `bytes` is in it: they were fewer than a header
        return;
      }
      at = end - this.#cut.length;
      this.#cut = undefined;
    }
    while (at < bytes.length) {
      const end = this.#judge(bytes, at);
      if (end === undefined) {
        this.#cut = Buffer.from(bytes.subarray(at));
        at = bytes.length;
        break;
      }
      at = end;
    }
    this.#skip = at - bytes.length;
  }

  /** Counts the frame at `at`, and returns where it ends; `undefined` where too little of it is there. */
  #judge(bytes: Buffer, at: number): number | undefined {
    if (bytes.length - at < 2) return undefined;
    const short = bytes[at + 1]! & 0x7f;
    const from = at + (short < 126 ? 2 : short === 126 ? 4 : 10);
    if (bytes.length < from) return undefined;
    const length = short < 126 ? short : short === 126 ? bytes.readUInt16BE(at + 2) : bigEndian(bytes, at + 6, from);
    if (length > this.#at) {
      if (bytes.length <= from + this.#at) return undefined;
      if (bytes[from] === openingBracket) this.messages += this.#countIn(length);
      else if (bytes[from + this.#at] === this.#byte) {
        this.messages += 1;
        this.#messageBytes = length;
      }
    }
    return from + length;
  }

  /** Messages in an array of so many bytes: `[`, and behind each a comma or `]`. */
  #countIn(arrayBytes: number): number {
    const count = (arrayBytes - 1) / (this.#messageBytes + 1);
    if (!Number.isInteger(count) || this.#messageBytes === 0)
      throw new Error(`an array of ${arrayBytes} bytes holds other messages than those of ${this.#messageBytes} bytes`);
    return count;
  }
}

/** For servers that put several messages into one frame. */
class LineCounter implements Counter {
  messages = 0;
  readonly #frames: ServerFrames;

  constructor(mark: string) {
    this.#frames = new ServerFrames((bytes, from, to) => {
      for (let at = bytes.indexOf(mark, from); at !== -1 && at < to; at = bytes.indexOf(mark, at + 1))
        this.messages += 1;
    });
  }

  push(bytes: Buffer): void {
    this.#frames.push(bytes);
  }
}
