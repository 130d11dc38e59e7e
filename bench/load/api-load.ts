/**
 * The load process of `api`: connections that are kept, each with one request under way, put together beforehand. What
 * comes back is answered by the next one at once; an answer is known by its status line, and its end by its length.
 * Prints `ApiResult`.
 */
import { connect, type Socket } from "node:net";
import { type CpuShares, watchCpu } from "./cpu-time.ts";
import { answer, readJob, sleep } from "./job.ts";

export interface ApiJob {
  readonly port: number;
  readonly pid: number;
  readonly connections: number;
  readonly path: string;
  readonly body: string;
  readonly key: string;
  readonly warmUpMs: number;
  readonly measuredMs: number;
}

export interface ApiResult {
  readonly requestsPerSecond: number;
  readonly cpu: CpuShares;
}

const { port, pid, connections, path, body, key, warmUpMs, measuredMs } = readJob<ApiJob>();
const request = Buffer.from(
  `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${key}\r\nContent-Type: application/json\r\n` +
    `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
);
const shared = Buffer.allocUnsafe(256 * 1024);
let answered = 0;

function open(): Promise<Socket> {
  return new Promise((resolve, reject) => {
    let cut = ""; // the beginning of an answer that is not whole
    const socket = connect({
      port,
      host: "127.0.0.1",
      noDelay: true,
      onread: {
        buffer: shared,
        callback: (size) => {
          cut += shared.toString("latin1", 0, size);
          if (!isWhole(cut)) return true;
          cut = "";
          answered += 1;
          socket.write(request);
          return true;
        },
      },
    });
    socket.once("error", reject);
    socket.once("connect", () => resolve(socket));
    socket.on("end", () => {
      throw new Error(`port ${port}: closed by the server`);
    });
  });
}

/** One answer at a time is under way, so what is there is its beginning or all of it. */
function isWhole(text: string): boolean {
  const head = text.indexOf("\r\n\r\n");
  if (head === -1) return false;
  if (!text.startsWith("HTTP/1.1 200")) throw new Error(`port ${port} answered ${text}`);
  const at = text.indexOf("Content-Length: ");
  return text.length >= head + 4 + Number(text.slice(at + 16, text.indexOf("\r", at)));
}

const sockets = await Promise.all(Array.from({ length: connections }, open));
for (const socket of sockets) socket.write(request);
await sleep(warmUpMs);
const before = answered;
const read = watchCpu(pid, [process.pid]);
await sleep(measuredMs);
const cpu = read();
const result: ApiResult = { requestsPerSecond: (answered - before) / cpu.seconds, cpu };
answer(result);
process.exit(0);
