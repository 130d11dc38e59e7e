/** Carries out one case against a listening gateway, and says what in the answers no client should ever see. */
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { FuzzCase } from "./cases.ts";

export interface Ports {
  readonly port: number;
  readonly adminPort: number;
}

/** For answers: a gateway that has nothing to say keeps the connection open. */
const quietMs = 25;
const bytesMax = 4 * 1024 * 1024;

/** Resolves to what is wrong, `undefined` for nothing, once the connection is over. */
export async function attack(
  { port, adminPort }: Ports,
  { port: which, writes, end }: FuzzCase,
): Promise<string | undefined> {
  const socket = connect({ host: "127.0.0.1", port: which === "public" ? port : adminPort });
  const answers: Buffer[] = [];
  let bytes = 0;
  let heardMs = performance.now();
  let fault: string | undefined;
  socket.setNoDelay(true);
  socket.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "ECONNREFUSED") fault = "nobody listens";
  });
  if (end === "unread") socket.pause();
  else
    socket.on("data", (chunk) => {
      heardMs = performance.now();
      bytes += chunk.length;
      if (bytes < bytesMax) answers.push(chunk);
    });
  await connected(socket);
  for (const write of writes) {
    if (socket.destroyed) break;
    heardMs = performance.now();
    if (!socket.write(write)) await Promise.race([drained(socket), sleep(1000)]);
    else await new Promise(setImmediate);
  }
  if (end === "fin") socket.end();
  if (end === "reset") socket.resetAndDestroy();
  while (!socket.destroyed && performance.now() - heardMs < quietMs) await sleep(5);
  socket.destroy();
  return fault ?? faultOf(Buffer.concat(answers).toString("latin1"));
}

const connected = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    for (const event of ["connect", "close"]) socket.once(event, () => resolve());
  });

const drained = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    for (const event of ["drain", "close"]) socket.once(event, () => resolve());
  });

/** Our own fault is never the answer to what a client sends. */
function faultOf(answer: string): string | undefined {
  const found =
    /HTTP\/1\.1 5(?!0[135])\d\d[^\r]*|"code":"internal"|Internal server error|node_modules|\bat \w+ \(/.exec(answer);
  return found === null
    ? undefined
    : `answered ${JSON.stringify(answer.slice(Math.max(0, found.index - 200), found.index + 200))}`;
}
