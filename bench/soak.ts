/**
 * Scenario `soak`: clients come, subscribe, publish and go at full speed for minutes, against one gateway. Each minute the
 * load pauses, the garbage is collected, and what remains resident is read: it must not grow.
 *
 * Collections are ordered through the inspector. The first two minutes fill what is bounded: histories, idempotency keys,
 * pools; from then on the resident memory stays within 5 % of what it was.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Inspector } from "./inspector.ts";
import type { ChurnReport } from "./load/churn-load.ts";
import { residentBytes } from "./memory.ts";

export interface SoakFigures {
  readonly minutes: readonly SoakMinute[];
  /** Resident bytes of the last minute over those of minute `filledMinutes`. */
  readonly ratio: number;
  readonly isFlat: boolean;
}

export interface SoakMinute extends ChurnReport {
  /** After a forced collection, the load paused. */
  readonly residentBytes: number;
  /** Of V8's heap, in use and in all; what is resident besides is the native library's, code and fragments. */
  readonly heapBytes: number;
  readonly heapTotalBytes: number;
}

const filledMinutes = 2;
const driftMax = 0.05;
const port = 30_010;
/** Grace times of presence end within it, and closed sockets are freed. */
const settleMs = 6000;
const compiled = (file: string): string => fileURLToPath(new URL(file, import.meta.url));

/** `count` minutes, at least 3. The pauses for reading are not counted. */
export async function soak(count: number): Promise<SoakFigures> {
  if (!(count > filledMinutes)) throw new Error(`cannot soak: minutes must be above ${filledMinutes}, got ${count}`);
  const gateway = startGateway();
  const inspector = await Inspector.of(gateway);
  const load = spawn(process.execPath, [compiled("load/churn-load.js"), `${port}`], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const reports = createInterface(load.stdout!)[Symbol.asyncIterator]();
  const minutes: SoakMinute[] = [];
  try {
    await isReady();
    while (minutes.length < count) {
      load.stdin!.write("60000\n");
      const { value, done } = await reports.next();
      if (done) throw new Error(`the load process ended with ${load.signalCode ?? load.exitCode ?? "an open output"}`);
      await sleep(settleMs);
      const heap = await inspector.collectGarbage();
      const report = JSON.parse(value) as ChurnReport;
      const minute = {
        ...report,
        residentBytes: residentBytes(gateway.pid!),
        heapBytes: heap.usedSize,
        heapTotalBytes: heap.totalSize,
      };
      minutes.push(minute);
      process.stderr.write(`soak ${minutes.length}/${count}: ${JSON.stringify(minute)}\n`);
    }
  } finally {
    load.kill("SIGKILL");
    gateway.kill("SIGKILL");
  }
  const ratio = minutes.at(-1)!.residentBytes / minutes[filledMinutes - 1]!.residentBytes;
  return { minutes, ratio, isFlat: Math.abs(ratio - 1) <= driftMax };
}

export function printSoak({ minutes, ratio, isFlat }: SoakFigures): void {
  console.table(
    minutes.map(({ connections, publications, deliveries, refusals, residentBytes, heapBytes, heapTotalBytes }, i) => ({
      minute: i + 1,
      connections,
      publications,
      deliveries,
      refusals,
      "resident MiB": mib(residentBytes),
      "heap MiB": mib(heapBytes),
      "of MiB": mib(heapTotalBytes),
    })),
  );
  const drift = `${((ratio - 1) * 100).toFixed(1)} % from minute ${filledMinutes} to minute ${minutes.length}`;
  process.stdout.write(`soak: ${isFlat ? "passed" : "FAILED"}: resident memory changed by ${drift}\n`);
}

function startGateway(): ChildProcess {
  const args = ["--inspect=127.0.0.1:0", compiled("../../main.js"), "serve", "--port", `${port}`, "--admin-port", "0"];
  return spawn(process.execPath, [...args, "--log-level", "error"], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, TIDEGATE_MAX_MESSAGES_PER_MINUTE: "0", TIDEGATE_MAX_CONNECTIONS: "0" },
  });
}

async function isReady(): Promise<void> {
  const asks = (): Promise<boolean> =>
    fetch(`http://127.0.0.1:${port}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    );
  for (const endMs = performance.now() + 30_000; !(await asks()); await sleep(50))
    if (performance.now() > endMs) throw new Error("the gateway is not ready after 30 s");
}

const mib = (bytes: number): string => (bytes / 1024 ** 2).toFixed(1);
