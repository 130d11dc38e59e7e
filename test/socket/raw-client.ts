/**
 * A TCP client that speaks HTTP and WebSocket by hand, for what a proper library would never do: odd handshakes, PROXY
 * headers, a peer that stops reading or never answers a close. Server frames are unmasked and never fragmented.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { TestContext } from "node:test";
import { patienceMs } from "../support/child.ts";

export interface HttpAnswer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface WireFrame {
  readonly opcode: number;
  /** RSV1: the payload is compressed. */
  readonly isCompressed: boolean;
  readonly payload: Buffer;
}

/** The sample handshake of RFC 6455, section 1.3. */
export const sampleKey = "dGhlIHNhbXBsZSBub25jZQ==";
export const sampleAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

export interface HandshakeText {
  readonly method?: string;
  readonly target?: string;
  /** Over the proper headers; `undefined` leaves one out, a list repeats it. */
  readonly headers?: Readonly<Record<string, string | readonly string[] | undefined>>;
}

/** The bytes of a handshake. */
export function handshakeText({ method = "GET", target = "/", headers = {} }: HandshakeText = {}): string {
  const proper = {
    Host: "127.0.0.1",
    Connection: "Upgrade",
    Upgrade: "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": sampleKey,
  };
  const lines = Object.entries({ ...proper, ...headers }).flatMap(([name, values]) =>
    (values === undefined ? [] : [values].flat()).map((value) => `${name}: ${value}\r\n`),
  );
  return `${method} ${target} HTTP/1.1\r\n${lines.join("")}\r\n`;
}

/** A whole masked frame, with a mask of zeros. */
export function clientFrame(payload: string | Uint8Array, opcode = 1): Buffer {
  const bytes = Buffer.from(payload as string);
  return Buffer.concat([frameHeader(bytes.length, opcode), bytes]);
}

/** The header of a masked frame that says it has `length` bytes. */
export function frameHeader(length: number | bigint, opcode = 1, isLast = true): Buffer {
  const first = (isLast ? 0x80 : 0) | opcode;
  const mask = Buffer.alloc(4);
  if (length < 126) return Buffer.concat([Buffer.of(first, 0x80 | Number(length)), mask]);
  if (length < 65_536)
    return Buffer.concat([Buffer.of(first, 0x80 | 126, Number(length) >> 8, Number(length) & 255), mask]);
  const eight = Buffer.alloc(8);
  eight.writeBigUInt64BE(BigInt(length));
  return Buffer.concat([Buffer.of(first, 0x80 | 127), eight, mask]);
}

export const requestFrame = (action: string, data?: object, id?: string): Buffer =>
  clientFrame(JSON.stringify({ action, data, id }));

export class RawClient {
  readonly socket: Socket;
  #chunks: Buffer[] = []; // everything that was received
  #taken = 0; // bytes that answer() and frame() have handed out
  #wake: (() => void)[] = [];
  /** True once the peer has closed or reset the connection. */
  isOver = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (chunk) => {
      this.#chunks.push(chunk);
      this.#signal();
    });
    socket.on("error", () => {});
    for (const event of ["end", "close"]) {
      socket.on(event, () => {
        this.isOver = true;
        this.#signal();
      });
    }
  }

  /** Connects; the connection ends with the test. */
  static async connect(t: Pick<TestContext, "after">, port: number, host = "127.0.0.1"): Promise<RawClient> {
    const socket = connect({ port, host });
    t.after(() => socket.destroy());
    await once(socket, "connect");
    return new RawClient(socket);
  }

  /** Connects, shakes hands and reads the welcome frame. */
  static async open(t: Pick<TestContext, "after">, port: number, handshake: HandshakeText = {}): Promise<RawClient> {
    const client = await RawClient.connect(t, port);
    client.write(handshakeText(handshake));
    const { status } = await client.answer();
    if (status !== 101) throw new Error(`the handshake was answered with ${status}`);
    const welcome = await client.json();
    if (welcome.action !== "welcome") throw new Error(`the first frame is ${JSON.stringify(welcome)}`);
    return client;
  }

  write(data: string | Uint8Array): void {
    this.socket.write(data);
  }

  /** Everything received and not yet taken. */
  get unread(): Buffer {
    if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks)];
    return this.#chunks[0]?.subarray(this.#taken) ?? Buffer.alloc(0);
  }

  /** The next HTTP answer. Its body is what Content-Length says. Rejects where the connection ends first. */
  async answer(isHead = false): Promise<HttpAnswer> {
    const headEnd = await this.#when(() => this.unread.indexOf("\r\n\r\n"), "an HTTP answer");
    const head = this.unread.subarray(0, headEnd).toString("latin1");
    const [statusLine = "", ...lines] = head.split("\r\n");
    const headers = Object.fromEntries(
      lines.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()]),
    );
    this.#taken += headEnd + 4;
    const length = isHead ? 0 : Number(headers["content-length"] ?? 0);
    await this.#when(() => (this.unread.length >= length ? 1 : -1), `a body of ${length} bytes`);
    const body = this.unread.subarray(0, length).toString();
    this.#taken += length;
    return { status: Number(statusLine.split(" ")[1]), headers, body };
  }

  /** The next frame. Rejects where the connection ends first. */
  async frame(): Promise<WireFrame> {
    await this.#when(() => frameLength(this.unread), "a frame");
    return this.#take()!;
  }

  /** The next text frame, parsed. */
  async json(): Promise<Record<string, unknown>> {
    const { opcode, payload } = await this.frame();
    if (opcode !== 1) throw new Error(`expected a text frame, got opcode ${opcode}: ${payload.toString("hex")}`);
    return JSON.parse(payload.toString());
  }

  /** The next text frame that holds all fields of `wanted`, skipping others. */
  async next(wanted: Record<string, unknown>): Promise<Record<string, unknown>> {
    for (;;) {
      const frame = await this.json();
      if (Object.entries(wanted).every(([name, value]) => frame[name] === value)) return frame;
    }
  }

  /** All whole frames that have arrived, without waiting. */
  frames(): WireFrame[] {
    const frames: WireFrame[] = [];
    for (let frame = this.#take(); frame !== undefined; frame = this.#take()) frames.push(frame);
    return frames;
  }

  /** Resolves once the peer has closed or reset the connection. */
  async over(): Promise<void> {
    await this.#when(() => (this.isOver ? 1 : -1), "the end of the connection", true);
  }

  #take(): WireFrame | undefined {
    const bytes = this.unread;
    const length = frameLength(bytes);
    if (length === -1) return undefined;
    this.#taken += length;
    const first = bytes[0]!;
    const start = headerLength(bytes);
    return { opcode: first & 15, isCompressed: (first & 0x40) !== 0, payload: bytes.subarray(start, length) };
  }

  #signal(): void {
    const wake = this.#wake;
    this.#wake = [];
    for (const resume of wake) resume();
  }

  /** Resolves to what `find` gives, once that is not -1. */
  async #when(find: () => number, what: string, mayBeOver = false): Promise<number> {
    for (;;) {
      const found = find();
      if (found !== -1) return found;
      if (this.isOver && !mayBeOver) throw new Error(`the connection ended before ${what}`);
      await new Promise<void>((resolve, reject) => {
        const came = (): string => this.unread.toString("latin1").slice(0, 500);
        const timer = setTimeout(() => reject(new Error(`no ${what} within a minute; came: ${came()}`)), patienceMs);
        this.#wake.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }
}

function headerLength(bytes: Buffer): number {
  const short = bytes[1]! & 127;
  return short === 126 ? 4 : short === 127 ? 10 : 2;
}

/** The length of the first frame of `bytes` with its header; -1 where it is not whole. */
function frameLength(bytes: Buffer): number {
  if (bytes.length < 2 || bytes.length < headerLength(bytes)) return -1;
  const short = bytes[1]! & 127;
  const payload = short === 126 ? bytes.readUInt16BE(2) : short === 127 ? Number(bytes.readBigUInt64BE(2)) : short;
  const length = headerLength(bytes) + payload;
  return bytes.length >= length ? length : -1;
}
