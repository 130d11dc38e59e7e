/**
 * The load process of the scenario `soak`: clients that connect, subscribe, publish, resubscribe and leave, each at once
 * with its next life. Arguments: port. Each line of standard input is a number of milliseconds: so long it runs, then all
 * clients leave, and one line of JSON is printed, a `ChurnReport`.
 *
 * A life is a script of frames, each sent when the answer to the one before has come. Lives differ by their number: the
 * kind of channel (plain, with history, with members), keys or none, how many rounds, and how it ends.
 */
import { connect, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { clientFrame } from "./frames.ts";
import { ServerFrames } from "./server-frames.ts";

/** Since the report before. */
export interface ChurnReport {
  readonly connections: number;
  readonly publications: number;
  readonly deliveries: number;
  /** Answers that were no success, handshakes among them. */
  readonly refusals: number;
}

const port = Number(process.argv[2]);
const clients = 300;
/** Each with two to three subscribers at a time: what is measured is the churn, not the fan-out. */
const channelsOfAKind = 40;
const kinds = ["plain", "chat", "presence"];
const handshake =
  `GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n` +
  `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`;
const closeFrame = Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]); // 1000

let lives = 0;
let isRunning = false;
let counts = { connections: 0, publications: 0, deliveries: 0, refusals: 0 };

for await (const line of createInterface(process.stdin)) {
  isRunning = true;
  setTimeout(() => {
    isRunning = false;
  }, Number(line));
  await Promise.all(Array.from({ length: clients }, liveOn));
  process.stdout.write(`${JSON.stringify(counts satisfies ChurnReport)}\n`);
  counts = { connections: 0, publications: 0, deliveries: 0, refusals: 0 };
}
process.exit(0);

async function liveOn(): Promise<void> {
  while (isRunning) {
    lives += 1;
    const isWelcome = await live(lives);
    if (!isWelcome) await sleep(100); // what does not answer is not asked without a pause
  }
}

/** The frames of a life in their order. */
function scriptOf(number: number): readonly Buffer[] {
  const channel = `${kinds[number % kinds.length]}.${Math.floor(number / kinds.length) % channelsOfAKind}`;
  const frame = (action: string, data: object): Buffer => clientFrame(JSON.stringify({ action, data }));
  const subscribe = (options: object): Buffer => frame("subscribe", { channel, options });
  const message = (round: number): Buffer =>
    frame("message", { channel, message: "x".repeat(20 + ((number * 37) % 400)), ...keyOf(number, round) });
  const rounds = Array.from({ length: 1 + (number % 4) }, (_, round) => [
    message(2 * round),
    message(2 * round + 1),
    frame("unsubscribe", { channel }),
    subscribe({ history: 2 }),
  ]);
  return [subscribe({}), ...rounds.flat()];
}

/** Of every other life: `key` only. */
function keyOf(number: number, round: number): object {
  return number % 2 === 0 ? { key: `${number}.${round}` } : {};
}

/** One connection from its handshake to its end; false where it was not let in. */
function live(number: number): Promise<boolean> {
  return new Promise((resolve) => {
    const script = scriptOf(number);
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    let next = 0;
    let isOpen = false;
    const advance = (): void => {
      if (next < script.length && isRunning) socket.write(script[next++]!);
      else leave(socket, number);
    };
    const frames = new ServerFrames((bytes, from, to) => {
      const text = bytes.toString("latin1", from, Math.min(to, from + 80));
      if (text.startsWith('{"action":"message"')) counts.deliveries += 1;
      else if (text.startsWith('{"action":"welcome"')) advance();
      else if (text.startsWith('{"success":')) {
        if (text.startsWith('{"success":false')) counts.refusals += 1;
        else if (text.includes('"message_sent"')) counts.publications += 1;
        advance();
      }
    });
    socket.write(handshake);
    socket.on("data", (chunk: Buffer) => {
      if (isOpen) return frames.push(chunk);
      const end = chunk.indexOf("\r\n\r\n"); // the head of a handshake's answer comes in one piece on loopback
      isOpen = chunk.toString("latin1", 0, 12) === "HTTP/1.1 101";
      if (!isOpen) return socket.destroy();
      counts.connections += 1;
      frames.push(chunk.subarray(end + 4));
    });
    socket.on("error", () => {}); // a reset is an end like others
    socket.on("close", () => {
      if (!isOpen) counts.refusals += 1;
      resolve(isOpen);
    });
  });
}

/** In order, by FIN, or by RST. */
function leave(socket: Socket, number: number): void {
  if (number % 5 < 2) socket.end(closeFrame);
  else if (number % 5 < 4) socket.destroy();
  else socket.resetAndDestroy();
}
