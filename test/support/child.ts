/** Programs that a test runs as processes of their own: none of them outlives the test. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { searchAtEnd } from "./printed.ts";

/** Whatever ends by itself when something else is over: a test (its context), or a run of the fault campaign. */
export interface Lifetime {
  after(end: () => unknown): void;
}

const running = new Map<ChildProcess, NodeJS.Signals>(); // with the signal that ends it
const endAll = (): void => {
  for (const [child, signal] of running) child.kill(signal);
};
process.once("exit", endAll);
process.once("SIGTERM", () => {
  endAll(); // the runner's time-out: nobody else would
  process.exit(143);
});

/** A running program and what it has printed. */
export class Child {
  readonly process: ChildProcess;
  /** Standard output and standard error, as they came. */
  output = "";

  /** `lastSignal` ends it with its test: one that it can hear where it has children of its own, which would outlive it. */
  constructor(
    t: Lifetime,
    command: string,
    args: readonly string[],
    env: NodeJS.ProcessEnv = {},
    lastSignal: NodeJS.Signals = "SIGKILL",
  ) {
    this.process = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], env: { ...environment(), ...env } });
    running.set(this.process, lastSignal);
    this.process.once("exit", () => running.delete(this.process));
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream?.on("data", (chunk: Buffer) => {
        this.output += chunk.toString();
      });
    }
    searchAtEnd(() => this.output);
    t.after(() => this.kill(lastSignal));
  }

  get isRunning(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null;
  }

  /** Sends a signal that ends it; resolves once it has. */
  async kill(signal: NodeJS.Signals): Promise<void> {
    if (!this.isRunning) return;
    const ended = once(this.process, "exit");
    this.process.kill(signal);
    await ended;
  }

  /** Resolves once `pattern` was printed; rejects where the program ended without it, or took more than `withinMs`. */
  async printed(pattern: RegExp, withinMs = patienceMs): Promise<void> {
    await until(
      () => {
        if (pattern.test(this.output)) return true;
        if (!this.isRunning) throw new Error(`ended without ${pattern}: ${this.output.slice(-2000)}`);
        return false;
      },
      () => `no ${pattern} from ${this.process.spawnfile}: ${this.output.slice(-2000)}`,
      withinMs,
    );
  }
}

/** What a child has of this process's environment: nothing that configures a gateway. */
export function environment(): NodeJS.ProcessEnv {
  const { PATH, HOME, NODE_COMPILE_CACHE } = process.env; // with the last, Node 22 keeps what it has compiled
  return { PATH, HOME, NODE_COMPILE_CACHE, TZ: "UTC" };
}

/** For whatever should happen soon, on a machine that is busy with something else: only a failure takes so long. */
export const patienceMs = 60_000;

/**
 * Asks until the answer is yes, at first every 20 ms, after a second every 100 ms; rejects with `failure` after `withinMs`,
 * or with what `holds` throws.
 */
export async function until(
  holds: () => boolean | Promise<boolean>,
  failure: () => string,
  withinMs = patienceMs,
): Promise<void> {
  const startedMs = performance.now();
  while (!(await holds())) {
    const passedMs = performance.now() - startedMs;
    if (passedMs > withinMs) throw new Error(`${failure()} (after ${withinMs} ms)`);
    await new Promise((resolve) => setTimeout(resolve, Math.min(100, Math.max(20, passedMs / 10))));
  }
}

const portsFirst = 15_000;
const portsOfProcess = 100;
const portsLast = 32_767; // above are the ports of outgoing connections
let portNext: number | undefined;
let portsEnd = 0;

/**
 * A port of loopback that nobody listens on, and that no other test is given, for as long as this process lives: what
 * listens there may be ended and started again. Files run side by side, so each process takes a hundred ports in a row, and
 * holds them by listening on the first.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    if (portNext === undefined || portNext === portsEnd) {
      const rows = Math.floor((portsLast + 1 - portsFirst) / portsOfProcess);
      const first = portsFirst + Math.floor(Math.random() * rows) * portsOfProcess;
      const held = await listening(first);
      if (held === undefined) continue;
      held.unref();
      portNext = first + 1;
      portsEnd = first + portsOfProcess;
    }
    const port = portNext++;
    const probe = await listening(port);
    if (probe === undefined) continue;
    await new Promise((resolve) => probe.close(resolve));
    return port;
  }
}

/** Undefined where the port is taken. */
async function listening(port: number): Promise<Server | undefined> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => resolve(undefined));
    server.listen(port, "127.0.0.1", () => resolve(server));
  });
}

/** A folder that goes with the test. */
export async function temporaryFolder(t: Lifetime): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "tidegate-test-"));
  t.after(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}
