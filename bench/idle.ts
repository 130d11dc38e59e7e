/**
 * Scenario `idle`: resident memory of the server for each connection that is open, subscribed to one channel of its
 * own, and silent. Tidegate and bare uWebSockets.js take turns; the figure is the median of the runs, with the spread.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { median } from "./median.ts";

export interface IdleFigures {
  readonly connections: number;
  /** Resident bytes per connection, one value a run. */
  readonly bytesPerConnection: Readonly<Record<string, readonly number[]>>;
  /** Median of Tidegate's bytes over median of bare uWebSockets.js'. */
  readonly ratio: number;
}

interface Server {
  readonly name: string;
  readonly args: readonly string[];
  readonly subscribe: string;
}

const port = 9599;
const compiled = (file: string): string => fileURLToPath(new URL(file, import.meta.url));
const servers: readonly Server[] = [
  { name: "raw uWebSockets.js", args: [compiled("peers/raw-uws.js"), String(port)], subscribe: "+room.%" },
  {
    name: "tidegate",
    args: [compiled("../../main.js"), "serve", "--port", String(port), "--admin-port", "0"],
    subscribe: '{"action":"subscribe","data":{"channel":"room.%"}}',
  },
];
/** Connections opened and closed before the first reading, so that code is compiled and no start-up cost is counted. */
const warmUp = 200;
const settleMs = 2000;

export async function idle(connections: number, runs: number): Promise<IdleFigures> {
  const bytesPerConnection: Record<string, number[]> = Object.fromEntries(servers.map(({ name }) => [name, []]));
  for (let run = 0; run < runs; run += 1) {
    for (const server of servers) {
      const bytes = await measure(server, connections);
      process.stderr.write(`idle ${run + 1}/${runs} ${server.name}: ${bytes.toFixed(0)} bytes a connection\n`);
      bytesPerConnection[server.name]?.push(bytes);
    }
  }
  const [raw = [], tidegate = []] = servers.map(({ name }) => bytesPerConnection[name]);
  return { connections, bytesPerConnection, ratio: median(tidegate) / median(raw) };
}

async function measure(server: Server, connections: number): Promise<number> {
  const child = spawn(process.execPath, server.args, { stdio: ["ignore", "pipe", "inherit"] });
  await once(child.stdout!, "data");
  await withClients(server, warmUp, async () => {});
  const before = residentBytes(child);
  const after = await withClients(server, connections, async () => residentBytes(child));
  child.kill("SIGKILL");
  await once(child, "exit");
  return (after - before) / connections;
}

async function withClients<T>({ subscribe }: Server, count: number, use: () => Promise<T>): Promise<T> {
  const args = [compiled("load/idle-clients.js"), String(port), String(count), subscribe];
  const clients = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
  await Promise.race([
    once(clients.stdout!, "data"),
    once(clients, "exit").then(() => Promise.reject(new Error("the load process ended"))),
  ]);
  await sleep();
  const result = await use();
  clients.stdin!.end();
  await once(clients, "exit");
  await sleep();
  return result;
}

const sleep = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, settleMs));

/** The process' resident set. Source: proc(5), VmRSS. */
function residentBytes({ pid }: ChildProcess): number {
  const kilobytes = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kilobytes) * 1024;
}
