/**
 * One client of the load: a raw TCP socket with a handshake made by hand. All clients of a process read into one buffer,
 * so that reading costs a system call and a callback, and no memory.
 */
import { randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";
import { type Dialect, frameOf, type Since } from "./dialects.ts";
import { frameAt } from "./server-frames.ts";

export interface Target {
  readonly port: number;
  readonly dialect: Dialect;
  /** The token of client `number`; empty for none. */
  readonly token: (number: number) => string;
}

export interface Opening {
  /** Chooses the loopback address, so that ports never run out, and the user. */
  readonly number: number;
  /** Where the client takes a channel; without one it is open once it is greeted. */
  readonly channel?: string | undefined;
  readonly since?: Since | undefined;
  /** Called once the TCP connection stands. */
  readonly onConnected?: () => void;
  /** The handshake waits for this; without it, it is sent at once. */
  readonly after?: Promise<unknown>;
  /** Gets whatever arrives after the answer to `subscribe`; keeps no view of it. */
  readonly onBytes?: (bytes: Buffer) => void;
  /** Gets the answer itself, as text. */
  readonly onSubscribed?: (answer: string) => void;
}

const shared = Buffer.allocUnsafe(256 * 1024);
const connectionsPerAddress = 10_000;

/** The request of client `number`: the same for all servers, token in the query. */
export function handshake({ dialect: { path }, token }: Target, number: number): string {
  const given = token(number);
  const query = given === "" ? "" : `${path.includes("?") ? "&" : "?"}token=${given}`;
  return (
    `GET ${path}${query} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
    `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString("base64")}\r\n\r\n`
  );
}

/** Resolves once the client is greeted and has its channel. A connection that breaks later ends the process. */
export function openClient(target: Target, opening: Opening): Promise<Socket> {
  const { dialect, port } = target;
  const { number, channel, since, onBytes = () => {}, onSubscribed = () => {} } = opening;
  return new Promise((resolve, reject) => {
    let waiting: Buffer | undefined = Buffer.alloc(0); // what is not understood yet; `undefined` once it is open
    let state: "handshake" | "greeting" | "subscribing" = "handshake";
    const broken = (why: string): void => {
      const fault = new Error(`connection ${number} to port ${port}: ${why}`);
      if (waiting === undefined) throw fault;
      reject(fault);
    };
    const opened = (): void => {
      const rest = waiting!;
      waiting = undefined;
      if (rest.length > 0) onBytes(rest);
      resolve(socket);
    };
    const greeted = (): void => {
      if (channel === undefined) return opened();
      state = "subscribing";
      socket.write(frameOf(dialect, dialect.subscribe(channel, since)));
    };
    const understand = (): void => {
      if (state === "handshake") {
        const end = waiting!.indexOf("\r\n\r\n");
        if (end === -1) return;
        const head = waiting!.toString("latin1", 0, end);
        if (!head.startsWith("HTTP/1.1 101")) return broken(`refused: ${head}`);
        waiting = waiting!.subarray(end + 4);
        state = "greeting";
        if (dialect.greeting !== undefined) socket.write(frameOf(dialect, dialect.greeting(target.token(number))));
        if (dialect.greeted === undefined) greeted();
      }
      for (let frame = nextFrame(); frame !== undefined; frame = nextFrame()) {
        if (state === "greeting" && frame.includes(dialect.greeted!)) greeted();
        else if (state === "subscribing" && frame.includes(dialect.subscribed)) {
          onSubscribed(frame);
          opened();
        }
      }
    };
    const nextFrame = (): string | undefined => {
      const frame = waiting === undefined ? undefined : frameAt(waiting, 0);
      if (frame === undefined) return undefined;
      const text = waiting!.toString("latin1", frame.from, frame.to);
      waiting = waiting!.subarray(frame.to);
      return text;
    };
    const socket = connect({
      port,
      host: `127.0.0.${1 + Math.floor(number / connectionsPerAddress)}`,
      noDelay: true,
      onread: {
        buffer: shared,
        callback: (size) => {
          const bytes = shared.subarray(0, size);
          if (waiting === undefined) onBytes(bytes);
          else {
            waiting = Buffer.concat([waiting, bytes]);
            understand();
          }
          return true;
        },
      },
    });
    socket.on("error", ({ message }) => broken(message));
    socket.on("end", () => broken("closed by the server"));
    if (opening.onConnected !== undefined) socket.once("connect", opening.onConnected);
    const request = handshake(target, number);
    if (opening.after === undefined) socket.write(request);
    else opening.after.then(() => socket.write(request));
  });
}

/** Opens `count` clients, so many at once that neither side's queue of connections overflows. */
export async function openClients(
  target: Target,
  count: number,
  opening: (index: number) => Opening,
  atOnce = 200,
): Promise<Socket[]> {
  const sockets: Socket[] = [];
  for (let from = 0; from < count; from += atOnce) {
    const indexes = Array.from({ length: Math.min(atOnce, count - from) }, (_, i) => from + i);
    sockets.push(...(await Promise.all(indexes.map((index) => openClient(target, opening(index))))));
  }
  return sockets;
}
