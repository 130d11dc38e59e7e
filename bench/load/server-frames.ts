/** Frames of a server (RFC 6455, section 5.2), cut out of what arrives on a raw socket: whole, unmasked, uncompressed. */
export class ServerFrames {
  readonly #onFrame: (bytes: Buffer, from: number, to: number) => void;
  #rest: Buffer = Buffer.alloc(0);

  /** `onFrame` gets each payload as a part of a buffer, valid until it returns. */
  constructor(onFrame: (bytes: Buffer, from: number, to: number) => void) {
    this.#onFrame = onFrame;
  }

  push(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    for (;;) {
      if (bytes.length - at < 2) break;
      const short = bytes[at + 1]! & 0x7f;
      const header = short < 126 ? 2 : short === 126 ? 4 : 10;
      if (bytes.length - at < header) break;
      const length = short < 126 ? short : short === 126 ? bytes.readUInt16BE(at + 2) : bytes.readUInt32BE(at + 6);
      const from = at + header;
      if (bytes.length < from + length) break;
      this.#onFrame(bytes, from, from + length);
      at = from + length;
    }
    this.#rest = bytes.subarray(at);
  }
}
