/**
 * Scenario `bridge`: from a client of one node to a client of another, through one Redis on loopback. Tidegate beside
 * Socket.IO with its Redis streams adapter and beside bare PUBLISH and SUBSCRIBE; they take turns, run by run.
 *
 * The load process has a core of its own; Redis and the gateways share the other ones. So the throughput is that of the
 * servers, and what it costs on two cores is the sum of both gateways and Redis.
 */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import type { BridgeRun } from "./load/bridge-load.ts";
import { ended, spawnPinned } from "./pinned.ts";
import { interleave, type Report, type Sitting } from "./scenario.ts";

interface System {
  readonly name: string;
  /** What the load process is told: whose dialect is spoken. */
  readonly kind: "tidegate" | "socket.io" | "pubsub";
  /** The two gateways' command lines. */
  readonly servers: readonly (readonly string[])[];
}

const redisPort = 9598;
const ports = [9596, 9597];
const compiled = (file: string): string => fileURLToPath(new URL(file, import.meta.url));
const tidegate = "tidegate";
const socketIo = "socket.io + redis-streams-adapter";
const systems: readonly System[] = [
  {
    name: tidegate,
    kind: "tidegate",
    servers: ports.map((port) => [
      ...[compiled("../../main.js"), "serve", "--port", `${port}`, "--admin-port", "0"],
      ...["--redis", `redis://127.0.0.1:${redisPort}`, "--log-level", "error"],
    ]),
  },
  {
    name: socketIo,
    kind: "socket.io",
    servers: ports.map((port) => [compiled("peers/socket.io-streams.js"), `${port}`, `${redisPort}`]),
  },
  {
    name: "uWebSockets.js + PUBLISH/SUBSCRIBE",
    kind: "tidegate",
    servers: ports.map((port) => [compiled("peers/uws-pubsub.js"), `${port}`, `${redisPort}`]),
  },
  { name: "redis PUBLISH/SUBSCRIBE, no gateway", kind: "pubsub", servers: [] },
];

/** No limit, and publishers need not be subscribers: with Socket.IO they are not either. */
const tidegateSettings = {
  TIDEGATE_MAX_MESSAGES_PER_MINUTE: "0",
  TIDEGATE_CHANNELS: JSON.stringify({ "bench.>": { publish: ["anyone"] } }),
};

export async function bridge(sitting: Sitting): Promise<Report> {
  const seconds = sitting.isQuick ? { warmUp: 0.4, measured: 0.6 } : { warmUp: 2, measured: 3 };
  const compared = sitting.isQuick ? systems.slice(0, 3) : systems;
  const runs = await interleave(sitting, "bridge", compared, async (system) => {
    const { messagesPerSecond, p50Ms, p99Ms, lost } = await measure(system, seconds);
    return [
      { figure: "messages/s", value: messagesPerSecond },
      { figure: "p50 ms at 10,000/s", value: p50Ms, isLessBetter: true, lost },
      { figure: "p99 ms at 10,000/s", value: p99Ms, isLessBetter: true },
    ];
  });
  return {
    title: "from node to node through one Redis, messages of 200 bytes",
    baseline: socketIo,
    runs,
    remarks: ["The yardstick for latency is the third row: uWebSockets.js with bare PUBLISH and SUBSCRIBE."],
  };
}

async function measure(
  { name, kind, servers }: System,
  { warmUp, measured }: { warmUp: number; measured: number },
): Promise<BridgeRun> {
  const children: ChildProcess[] = [];
  const isGateway = name === tidegate;
  try {
    const redisArgs = ["--port", `${redisPort}`, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
    children.push(await start(0, "redis-server", redisArgs, /Ready to accept connections/));
    for (const [index, args] of servers.entries())
      children.push(await start(index + 1, process.execPath, args, isGateway ? undefined : /ready/));
    if (isGateway) await Promise.all(ports.map(ready));
    const loadPorts = kind === "pubsub" ? [redisPort, redisPort] : ports;
    const args = [compiled("load/bridge-load.js"), kind, ...loadPorts, warmUp, measured].map(String);
    const load = pinned(3, process.execPath, args);
    children.push(load);
    const [line] = (await Promise.race([
      once(load.stdout!, "data"),
      once(load, "exit").then(() => Promise.reject(new Error("the load process ended"))),
    ])) as [Buffer];
    return JSON.parse(line.toString()) as BridgeRun;
  } finally {
    await Promise.all(children.reverse().map((child) => ended(child)));
  }
}

/** Starts a server; resolves at once, or when it has printed `sign`. */
async function start(place: number, command: string, args: readonly string[], sign?: RegExp): Promise<ChildProcess> {
  const child = pinned(place, command, args);
  await new Promise<void>((resolve, reject) => {
    child.once("error", () => reject(new Error(`cannot start ${command}: it must be installed and on the PATH`)));
    child.once("exit", (status) => reject(new Error(`${command} ended with ${status}`)));
    child.stdout!.on("data", (chunk: Buffer) => {
      if (sign?.test(chunk.toString())) resolve();
    });
    if (sign === undefined) child.once("spawn", resolve);
  });
  return child;
}

/**
 * Starts a process on the core of its place: 0 Redis, 1 and 2 gateways, 3 the load. With fewer than four cores all
 * servers share the first one.
 */
function pinned(place: number, command: string, args: readonly string[]): ChildProcess {
  const cores = cpus().length;
  const core = cores >= 4 ? place : place === 3 ? cores - 1 : 0;
  return spawnPinned(core, [command, ...args], tidegateSettings);
}

async function ready(port: number): Promise<void> {
  const isReady = (): Promise<boolean> =>
    fetch(`http://127.0.0.1:${port}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    );
  while (!(await isReady())) await new Promise((resolve) => setTimeout(resolve, 50));
}
