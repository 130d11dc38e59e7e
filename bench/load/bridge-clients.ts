/**
 * The clients of the scenario `bridge`: ten that publish through one gateway, one that is subscribed at the other. Raw
 * sockets with frames made by hand, so that the load process costs the same whatever it loads.
 */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { clientFrame } from "./frames.ts";
import { ServerFrames } from "./server-frames.ts";

export interface Bridge {
  /** Publishes `text`, now or at the next `flush`. */
  publish(text: string): void;
  flush(): void;
}

/** How one server is spoken to. */
interface Dialect {
  readonly path: string;
  /** Sent by every client once it is connected, and the answer that ends the greeting. */
  readonly greeting: string | undefined;
  readonly greeted: string;
  readonly subscribe: (channel: string) => string;
  readonly subscribed: string;
  readonly publish: (channel: string, text: string) => string;
  /** What stands right before the text of a message in a frame that brings one. */
  readonly mark: string;
  readonly ping: string | undefined;
  readonly pong: string;
}

export const dialects: Readonly<Record<"tidegate" | "socket.io", Dialect>> = {
  tidegate: {
    path: "/",
    greeting: undefined,
    greeted: '"action":"welcome"',
    subscribe: (channel) => `{"action":"subscribe","data":{"channel":"${channel}"}}`,
    subscribed: '"action":"subscribe"',
    publish: (channel, text) => `{"action":"message","data":{"channel":"${channel}","message":"${text}"}}`,
    mark: '"message":"',
    ping: undefined,
    pong: "",
  },
  "socket.io": {
    path: "/socket.io/?EIO=4&transport=websocket",
    greeting: "40",
    greeted: '40{"sid"',
    subscribe: (channel) => `420["subscribe","${channel}"]`,
    subscribed: "430[]",
    publish: (channel, text) => `42["message","${channel}","${text}"]`,
    mark: '42["message","',
    ping: "2",
    pong: "3",
  },
};

const publishers = 10;

/** Opens all of them. `onMessage` gets the first ten characters of each message: its number. */
export async function openBridge(
  dialect: Dialect,
  ports: readonly [publish: number, subscribe: number],
  channel: string,
  onMessage: (number: number) => void,
): Promise<Bridge> {
  await open(dialect, ports[1], dialect.subscribe(channel), (bytes, from, to) => {
    const at = bytes.indexOf(dialect.mark, from, "latin1");
    if (at !== -1 && at < to) onMessage(numberAt(bytes, at + dialect.mark.length));
  });
  const sockets: Socket[] = [];
  for (let i = 0; i < publishers; i += 1) sockets.push(await open(dialect, ports[0], undefined, refusedIsFault));
  const waiting: Buffer[][] = sockets.map(() => []);
  let next = 0;
  return {
    publish(text) {
      waiting[next]!.push(clientFrame(dialect.publish(channel, text)));
      next = (next + 1) % publishers;
    },
    flush() {
      for (const [index, frames] of waiting.entries()) {
        if (frames.length === 0) continue;
        sockets[index]!.write(frames.length === 1 ? frames[0]! : Buffer.concat(frames));
        waiting[index] = [];
      }
    },
  };
}

/** A publisher gets acknowledgements, or nothing: a refusal would be a message fewer that nobody notices. */
function refusedIsFault(bytes: Buffer, from: number, to: number): void {
  const at = bytes.indexOf('"success":false', from, "latin1");
  if (at !== -1 && at < to) throw new Error(`a publication was refused: ${bytes.toString("utf8", from, to)}`);
}

/** A number of ten decimal digits. */
function numberAt(bytes: Buffer, at: number): number {
  let number = 0;
  for (let i = at; i < at + 10; i += 1) number = number * 10 + bytes[i]! - 48;
  return number;
}

/** Resolves once it is greeted, and has sent `subscribe`, where there is one, and got the answer. */
async function open(
  dialect: Dialect,
  port: number,
  subscribe: string | undefined,
  onFrame: (bytes: Buffer, from: number, to: number) => void,
): Promise<Socket> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  await once(socket, "connect");
  const headers = `Host: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13`;
  const key = randomBytes(16).toString("base64");
  socket.write(`GET ${dialect.path} HTTP/1.1\r\n${headers}\r\nSec-WebSocket-Key: ${key}\r\n\r\n`);
  let isOpen = false;
  await new Promise<void>((resolve, reject) => {
    const frames = new ServerFrames((bytes, from, to) => {
      if (isOpen && bytes[from] !== 0x32) return onFrame(bytes, from, to);
      const text = bytes.toString("latin1", from, to);
      if (text === dialect.ping) socket.write(clientFrame(dialect.pong));
      else if (isOpen) onFrame(bytes, from, to);
      else if (subscribe !== undefined && text.includes(dialect.greeted)) socket.write(clientFrame(subscribe));
      else if (text.includes(subscribe === undefined ? dialect.greeted : dialect.subscribed)) {
        isOpen = true;
        resolve();
      }
    });
    let head = "";
    const readHead = (chunk: Buffer): void => {
      head += chunk.toString("latin1");
      const end = head.indexOf("\r\n\r\n");
      if (end === -1) return;
      if (!head.startsWith("HTTP/1.1 101")) return reject(new Error(`handshake refused: ${head.slice(0, end)}`));
      socket.off("data", readHead);
      socket.on("data", (bytes: Buffer) => frames.push(bytes));
      if (dialect.greeting !== undefined) socket.write(clientFrame(dialect.greeting));
      frames.push(Buffer.from(head.slice(end + 4), "latin1"));
    };
    socket.on("data", readHead);
    socket.on("close", () => reject(new Error("the server closed a connection of the bench")));
  });
  socket.on("close", () => {
    throw new Error("the server closed a connection of the bench");
  });
  return socket;
}
