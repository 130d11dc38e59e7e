/** Where the first frame's payload lies in `bytes`, from `at` on; `undefined` where the frame is not whole yet. */
export function frameAt(bytes: Uint8Array, at: number): { readonly from: number; readonly to: number } | undefined {
  if (bytes.length - at < 2) return undefined;
  const short = bytes[at + 1]! & 0x7f;
  const from = at + (short < 126 ? 2 : short === 126 ? 4 : 10);
  if (bytes.length < from) return undefined;
  const length = short < 126 ? short : bigEndian(bytes, short === 126 ? from - 2 : from - 4, from);
  return bytes.length < from + length ? undefined : { from, to: from + length };
}

/** The number in `bytes` between `at` and `end`. */
export function bigEndian(bytes: Uint8Array, at: number, end: number): number {
  let number = 0;
  for (let i = at; i < end; i += 1) number = number * 256 + bytes[i]!;
  return number;
}

/** Frames of a server (RFC 6455, section 5.2), cut out of what arrives on a raw socket: whole, unmasked, uncompressed. */
export class ServerFrames {
  readonly #onFrame: (bytes: Buffer, from: number, to: number) => void;
  #rest: Buffer = Buffer.alloc(0);

  /** `onFrame` gets each payload as a part of a buffer, valid until it returns. */
  constructor(onFrame: (bytes: Buffer, from: number, to: number) => void) {
    this.#onFrame = onFrame;
  }

  /** Keeps no view of `chunk`. */
  push(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    for (let frame = frameAt(bytes, at); frame !== undefined; frame = frameAt(bytes, at)) {
      this.#onFrame(bytes, frame.from, frame.to);
      at = frame.to;
    }
    this.#rest = Buffer.from(bytes.subarray(at));
  }
}
