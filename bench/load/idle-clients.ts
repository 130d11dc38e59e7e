/**
 * A load process: opens connections that subscribe to one channel each and then stay silent. Works on raw sockets; each
 * frame that arrives is dropped unread. Arguments: port, count, what is sent after the handshake (`%` becomes the
 * connection's number). Prints `open` when all are, and ends with its standard input.
 */
import { randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";
import { clientFrame } from "./frames.ts";

const [port, count, subscribe] = [Number(process.argv[2]), Number(process.argv[3]), process.argv[4] ?? ""];
const atOnce = 200;
const settleMs = 200;
const sockets: Socket[] = [];

function open(number: number): Promise<void> {
  return new Promise((resolve, reject) => {
    // One loopback address of the server for every 10,000, so that ports never run out.
    const socket = connect({ port, host: `127.0.0.${1 + Math.floor(number / 10_000)}` });
    sockets.push(socket);
    socket.on("error", reject);
    const headers = `Host: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13`;
    socket.write(`GET / HTTP/1.1\r\n${headers}\r\nSec-WebSocket-Key: ${randomBytes(16).toString("base64")}\r\n\r\n`);
    socket.once("data", () => {
      socket.resume();
      socket.write(clientFrame(subscribe.replace("%", String(number))), () => resolve());
    });
  });
}

for (let from = 0; from < count; from += atOnce)
  await Promise.all(Array.from({ length: Math.min(atOnce, count - from) }, (_, i) => open(from + i)));
setTimeout(() => process.stdout.write("open\n"), settleMs);
process.stdin.on("end", () => process.exit(0)).resume();
