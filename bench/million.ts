/**
 * Scenario `million`: as many idle, subscribed connections as the machine holds, up to a million, against one gateway;
 * then one message to each of them, through a thousand channels.
 *
 * Both ends are on this machine: the memory of the kernel is that of both, half of it the gateway's. Heartbeats are an
 * hour apart: at the default of 30 s a million connections are sent 33,000 a second, which is not idle.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { loadavg } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { WebSocket } from "ws";
import { findLimits, memoryKeptBytes, type Plan, planOf } from "./limits.ts";
import { LoadFleet } from "./load-fleet.ts";
import {
  availableBytes,
  kernelObjectBytes,
  openDescriptors,
  processBytes,
  processorSeconds,
  processTree,
} from "./memory.ts";

export interface MillionFigures {
  readonly wanted: number;
  /** Open at the same time. */
  readonly connections: number;
  /** What kept it from being all that were wanted; "" for nothing. */
  readonly stoppedBy: string;
  readonly workers: number;
  readonly loads: number;
  readonly addresses: number;
  /** Handshakes that went to a full worker, and were tried again. */
  readonly refused: number;
  readonly connectSeconds: number;
  /** Processor time for each connection until it was subscribed. */
  readonly connectMicros: { readonly gateway: number; readonly loads: number };
  readonly reachSeconds: number;
  readonly reached: number;
  /** Messages that came twice or on another channel, and connections that were closed. */
  readonly wrong: number;
  readonly lost: number;
  /** Cores that the gateway used while all was silent. */
  readonly idleCores: number;
  readonly startBytes: { readonly gateway: number; readonly loads: number };
  /** Over what the processes took before the first connection. */
  readonly grownBytes: {
    readonly gateway: number;
    readonly loads: number;
    /** The kernel's objects: sockets, files and the like, of both ends (Slab in /proc/meminfo). */
    readonly kernel: number;
  };
  /** Connections of the worker with the fewest and of the one with the most. */
  readonly perWorker: { readonly least: number; readonly most: number };
}

const [port, adminPort] = [30_000, 30_001];
const channels = 1000;
const idleMs = 10_000;
const stallMs = 60_000;
/**
 * All thousand at once are 20,000 writes in one turn of each worker, and 52 of them share two cores: none says a word for
 * longer than the ten seconds after which a supervisor ends it. A run like that lost 59,882 connections, those of three
 * workers; with 32 on their way at a time none is lost.
 */
const unacknowledgedMax = 32;
const progressMs = 5000;
const program = fileURLToPath(new URL("../../main.js", import.meta.url));
const print = (line: string): void => void process.stderr.write(`million: ${line}\n`);

/** `wanted` connections, or as many as the machine allows. On Linux alone, and with python3. */
export async function million(wanted: number): Promise<MillionFigures> {
  if (process.platform !== "linux") throw new Error("cannot run million: it reads Linux' /proc");
  if (!(Number.isInteger(wanted) && wanted > 0))
    throw new Error(`cannot run million: connections must be a whole number above 0, got ${wanted}`);
  const limits = await findLimits();
  const plan = planOf(wanted, limits);
  print(`limits: ${JSON.stringify(limits, (_, value) => (value === Number.POSITIVE_INFINITY ? "none" : value))}`);
  print(`plan: ${JSON.stringify(plan)}`);
  if (loadavg()[0]! > 1) print(`other work runs on this machine: the load average is ${loadavg()[0]!.toFixed(1)}`);
  const fleet = new LoadFleet();
  const gateway = startGateway(plan);
  const tell = (line: Buffer): void => void process.stderr.write(line);
  gateway.stdout!.on("data", tell); // its log, which tells of trouble alone
  try {
    await isReady(gateway);
    await fleet.start(plan, port, channels);
    return { wanted, ...(await run(plan, gateway, fleet)) };
  } finally {
    const ended = isOver(gateway) || once(gateway, "exit");
    gateway.stdout!.off("data", tell);
    gateway.kill("SIGKILL"); // its workers end with it
    await Promise.all([ended, fleet.end()]);
  }
}

async function run(plan: Plan, gateway: ChildProcess, fleet: LoadFleet): Promise<Omit<MillionFigures, "wanted">> {
  await sleep(2000); // what starting left behind is collected
  const pids = processTree(gateway.pid!);
  const workerPids = pids.length > 1 ? pids.slice(1) : pids;
  const used = () => ({ gateway: processorSeconds(pids), loads: processorSeconds(fleet.pids) });
  const memory = () => ({
    gateway: processBytes(pids),
    loads: processBytes(fleet.pids),
    kernel: kernelObjectBytes(),
  });
  const before = memory();
  const descriptors = workerPids.map(openDescriptors);

  const [startedMs, usedBefore] = [performance.now(), used()];
  fleet.open();
  const fault = await open(plan.connections, fleet);
  const connectSeconds = (fleet.lastReportMs - startedMs) / 1000;
  const connections = fleet.sum.open - fleet.sum.lost;
  const usedAfter = used();
  const micros = (of: "gateway" | "loads"): number => ((usedAfter[of] - usedBefore[of]) * 1e6) / connections;

  print(`${connections} are open; silent for ${idleMs / 1000} s`);
  await sleep(1000);
  const usedSeconds = used().gateway;
  await sleep(idleMs);
  const idleCores = ((used().gateway - usedSeconds) * 1000) / idleMs;
  const after = memory();
  const grown = workerPids.map((pid, i) => openDescriptors(pid) - descriptors[i]!);

  const reachSeconds = await reachAll(connections, fleet);
  const { refused, reached, wrong, lost } = fleet.sum;
  return {
    connections,
    stoppedBy: fault || plan.stoppedBy,
    workers: plan.workers,
    loads: plan.loads,
    addresses: plan.loads * plan.addressesPerLoad,
    refused,
    connectSeconds,
    connectMicros: { gateway: micros("gateway"), loads: micros("loads") },
    reachSeconds,
    reached,
    wrong,
    lost,
    idleCores,
    startBytes: { gateway: before.gateway, loads: before.loads },
    grownBytes: {
      gateway: after.gateway - before.gateway,
      loads: after.loads - before.loads,
      kernel: after.kernel - before.kernel,
    },
    perWorker: { least: Math.min(...grown), most: Math.max(...grown) },
  };
}

/** Waits until `count` are open, or something stops them: says what. */
async function open(count: number, fleet: LoadFleet): Promise<string> {
  let [printedMs, printedOpen] = [performance.now(), 0];
  for (;;) {
    await sleep(50);
    const { open, fault } = fleet.sum;
    const nowMs = performance.now();
    if (open >= count) return "";
    const reason =
      availableBytes() < memoryKeptBytes
        ? `memory: less than ${memoryKeptBytes / 1024 ** 3} GiB were available`
        : fault !== ""
          ? fault
          : nowMs - fleet.lastReportMs > stallMs
            ? `no connection was opened for ${stallMs / 1000} s`
            : "";
    if (reason !== "") {
      fleet.stop();
      await sleep(2000);
      return reason;
    }
    if (nowMs - printedMs < progressMs) continue;
    const perSecond = ((open - printedOpen) * 1000) / (nowMs - printedMs);
    print(`${open} open, ${perSecond.toFixed(0)} a second, ${(availableBytes() / 1024 ** 3).toFixed(1)} GiB available`);
    [printedMs, printedOpen] = [nowMs, open];
  }
}

/** Publishes once to each channel, over one connection; seconds from the first until the last connection has its message. */
async function reachAll(count: number, fleet: LoadFleet): Promise<number> {
  const publisher = new WebSocket(`ws://127.0.0.1:${port}`);
  await once(publisher, "open");
  let next = 0;
  const publish = (): void => {
    if (next < channels)
      publisher.send(JSON.stringify({ action: "message", data: { channel: `bench.${next}`, message: "hello" } }));
    next += 1;
  };
  publisher.on("message", (frame: Buffer) => {
    if (frame.includes('"success":false')) print(`a publication was refused: ${frame}`);
    if (frame.includes('"success":')) publish();
  });
  const startedMs = performance.now();
  while (next < unacknowledgedMax) publish();
  const endMs = startedMs + stallMs;
  while (fleet.sum.reached < count - fleet.sum.lost && performance.now() < endMs) await sleep(20);
  publisher.terminate();
  return (fleet.lastReportMs - startedMs) / 1000;
}

function startGateway({ workers, connectionsPerWorkerMax }: Plan): ChildProcess {
  const args = ["--port", `${port}`, "--admin-port", `${adminPort}`, "--workers", `${workers}`, "--log-level", "error"];
  return spawn(process.execPath, [program, "serve", ...args], {
    stdio: ["ignore", "pipe", "inherit"],
    env: {
      ...process.env,
      TIDEGATE_MAX_CONNECTIONS: `${connectionsPerWorkerMax}`,
      TIDEGATE_MAX_MESSAGES_PER_MINUTE: "0",
      TIDEGATE_CONNECTION_TIMEOUT: "86400",
      TIDEGATE_HEARTBEAT_INTERVAL: "3600",
      TIDEGATE_CHANNELS: JSON.stringify({ "bench.>": { publish: ["anyone"] } }),
    },
  });
}

async function isReady(gateway: ChildProcess): Promise<void> {
  const startedMs = performance.now();
  const asks = (): Promise<boolean> =>
    fetch(`http://127.0.0.1:${adminPort}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    );
  while (!(await asks())) {
    if (isOver(gateway)) throw new Error("the gateway ended while it started");
    await sleep(100);
  }
  print(`the gateway was ready after ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
}

const isOver = ({ exitCode, signalCode }: ChildProcess): boolean => exitCode !== null || signalCode !== null;
