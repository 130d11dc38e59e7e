/** A client for tests: a real WebSocket (`ws`), its frames in order, and waits that name what they wait for. */
import { once } from "node:events";
import { pack, unpack } from "msgpackr";
import WebSocket, { type ClientOptions } from "ws";
import { type Lifetime, patienceMs } from "./child.ts";

export type Frame = Record<string, unknown>;

export class TestClient {
  readonly socket: WebSocket;
  /** Every frame that arrived, oldest first; those of an array one by one. */
  readonly frames: Frame[] = [];
  /** How many frames each array brought. */
  readonly arrays: number[] = [];
  /** Set once the connection is closed. */
  closed: { code: number; reason: string } | undefined;
  #taken = 0; // frames[0..taken] have been handed out by next()
  #wake: (() => void)[] = [];
  readonly #isPacked: boolean;

  constructor(socket: WebSocket, isPacked: boolean) {
    this.socket = socket;
    this.#isPacked = isPacked;
    socket.on("message", (data: Buffer) => {
      const frame = isPacked ? unpack(data) : JSON.parse(data.toString());
      if (Array.isArray(frame)) this.arrays.push(frame.length);
      this.frames.push(...[frame].flat());
      this.#signal();
    });
    socket.on("close", (code, reason) => {
      this.closed = { code, reason: reason.toString() };
      this.#signal();
    });
  }

  get connectionId(): number {
    return this.frames[0]?.connection_id as number;
  }

  send(frame: unknown): void {
    this.socket.send(this.#isPacked ? pack(frame) : JSON.stringify(frame));
  }

  /** Sends bytes or text as they are. */
  sendRaw(data: string | Uint8Array): void {
    this.socket.send(data);
  }

  request(action: string, data?: object, id?: string | number): void {
    this.send({ action, data, id });
  }

  /** The next frame that fits `wanted` (all its fields equal), skipping others. Rejects after a minute, saying what came instead. */
  async next(wanted: Frame = {}): Promise<Frame> {
    const from = this.#taken;
    for (;;) {
      for (; this.#taken < this.frames.length; this.#taken += 1) {
        const frame = this.frames[this.#taken]!;
        if (Object.entries(wanted).every(([key, value]) => JSON.stringify(frame[key]) === JSON.stringify(value))) {
          this.#taken += 1;
          return frame;
        }
      }
      const seen = JSON.stringify(this.frames.slice(from)).slice(0, 2000);
      if (this.closed)
        throw new Error(`closed (${this.closed.code}) while waiting for ${JSON.stringify(wanted)}; came: ${seen}`);
      await this.#changed(() => `no ${JSON.stringify(wanted)} within a minute; came: ${seen}`);
    }
  }

  /** Sends a request and resolves to its reply, found by id. */
  async ask(action: string, data?: object): Promise<Frame> {
    const id = `ask-${Math.random().toString(36).slice(2)}`;
    this.request(action, data, id);
    return this.next({ id });
  }

  /** Subscribes and resolves to the reply; throws where it is refused. */
  async subscribe(channel: string, options?: object): Promise<Frame> {
    const reply = await this.ask("subscribe", { channel, options });
    if (reply.success !== true) throw new Error(`subscribe refused: ${JSON.stringify(reply)}`);
    return reply;
  }

  /** Resolves once everything sent before has been handled: a ping that comes back. */
  async settled(): Promise<void> {
    await this.ask("ping");
  }

  /** Resolves to the close code and reason. */
  async close(): Promise<{ code: number; reason: string }> {
    while (this.closed === undefined) await this.#changed(() => "not closed within a minute");
    return this.closed;
  }

  /** Frames of one action among all that came. */
  of(action: string): Frame[] {
    return this.frames.filter((frame) => frame.action === action);
  }

  #signal(): void {
    const wake = this.#wake;
    this.#wake = [];
    for (const resume of wake) resume();
  }

  #changed(failure: () => string): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(failure())), patienceMs);
      this.#wake.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
}

export interface ConnectOptions extends ClientOptions {
  readonly subprotocols?: string[];
}

/** Connects and waits for the welcome frame; the connection ends with the test. */
export async function connect(t: Lifetime, url: string, options: ConnectOptions = {}): Promise<TestClient> {
  const { subprotocols = [], ...rest } = options;
  const isPacked = subprotocols.some((name) => name.startsWith("tidegate.msgpack.")) || url.includes("format=msgpack");
  const socket = new WebSocket(url, subprotocols, rest);
  const client = new TestClient(socket, isPacked);
  t.after(() => socket.terminate());
  await once(socket, "open");
  await client.next({ action: "welcome" });
  return client;
}

/** Tries to connect and resolves to the HTTP status, headers and body of the refusal. Rejects where it is accepted. */
export function refusedHandshake(
  url: string,
  options: ConnectOptions = {},
): Promise<{ status: number; headers: Record<string, unknown>; body: string }> {
  const { subprotocols = [], ...rest } = options;
  const socket = new WebSocket(url, subprotocols, rest);
  return new Promise((resolve, reject) => {
    socket.on("open", () => {
      socket.terminate();
      reject(new Error("the handshake was accepted"));
    });
    socket.on("error", () => {});
    socket.on("unexpected-response", (_request, response) => {
      let body = "";
      response.on("data", (chunk) => {
        body += chunk;
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
    });
  });
}
