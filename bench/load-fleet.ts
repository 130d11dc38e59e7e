/** The load processes of the scenario `million`, as one: told together, and what they report summed. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Plan } from "./limits.ts";

/** Since the start, of one load process or of all. */
export interface LoadReport {
  /** Connections that were subscribed, those lost since among them. */
  readonly open: number;
  /** Handshakes that a full worker refused; they were tried again. */
  readonly refused: number;
  /** Connections that got their message. */
  readonly reached: number;
  /** Messages on a channel that was not the connection's, or that came twice. */
  readonly wrong: number;
  /** Connections that were closed by the other side. */
  readonly lost: number;
  /** Why one opens no more; "" while all is well. */
  readonly fault: string;
}

/**
 * More at work cost more for each connection: 51 µs of a load process with 4, 123 with 51. Fewer get too small a share of
 * the machine beside 52 workers and whatever else runs: 4 took longer than 51.
 */
const openingMax = 16;
const nothing: LoadReport = { open: 0, refused: 0, reached: 0, wrong: 0, lost: 0, fault: "" };
// The program stands beside its source: nothing compiles it.
const program = fileURLToPath(new URL("../../../bench/load/million-clients.py", import.meta.url));

export class LoadFleet {
  /** Monotonic ms at which the last report came. */
  lastReportMs = 0;
  readonly #children: ChildProcess[] = [];
  readonly #reports: LoadReport[] = []; // [child]
  readonly #counts: number[] = []; // [child] connections that it is to open
  #told = 0; // children that were told to open

  /** Starts them all; resolves once they wait for the command to open. Rejects without python3. */
  async start({ connections, loads, addressesPerLoad }: Plan, port: number, channels: number): Promise<void> {
    const started: Promise<unknown>[] = [];
    for (let load = 0; load < loads; load += 1) {
      const from = Math.floor((connections * load) / loads);
      const count = Math.floor((connections * (load + 1)) / loads) - from;
      const addresses = Array.from({ length: addressesPerLoad }, (_, i) => loopback(load * addressesPerLoad + i));
      const args = [program, ...[port, count, from, channels].map(String), addresses.join(",")];
      this.#counts.push(count);
      started.push(this.#spawn(load, args));
    }
    await Promise.all(started);
  }

  get pids(): readonly number[] {
    return this.#children.map(({ pid }) => pid!);
  }

  get sum(): LoadReport {
    return this.#reports.reduce((sum, report) => ({
      open: sum.open + report.open,
      refused: sum.refused + report.refused,
      reached: sum.reached + report.reached,
      wrong: sum.wrong + report.wrong,
      lost: sum.lost + report.lost,
      fault: sum.fault || report.fault,
    }));
  }

  /** Lets them open their connections, `openingMax` of them at a time. */
  open(): void {
    const opening = this.#reports.filter(({ open }, load) => load < this.#told && open < this.#counts[load]!).length;
    for (let free = openingMax - opening; free > 0 && this.#told < this.#children.length; free -= 1) {
      this.#children[this.#told]!.stdin!.write("open\n");
      this.#told += 1;
    }
  }

  /** Lets them open no more. */
  stop(): void {
    this.#told = this.#children.length;
    for (const { stdin } of this.#children) stdin!.write("stop\n");
  }

  /** Closes all connections. */
  async end(): Promise<void> {
    const running = this.#children.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null);
    for (const child of running) child.kill("SIGKILL");
    await Promise.all(running.map((child) => once(child, "exit")));
  }

  async #spawn(load: number, args: readonly string[]): Promise<void> {
    const child = spawn("python3", ["-S", "-E", ...args], { stdio: ["pipe", "pipe", "inherit"] });
    this.#children.push(child);
    this.#reports.push(nothing);
    child.stdin!.on("error", () => {}); // it has ended: `exit` says so
    const lines = createInterface(child.stdout!);
    lines.on("line", (line) => {
      this.lastReportMs = performance.now();
      this.#reports[load] = JSON.parse(line) as LoadReport;
      if (this.#told > 0) this.open();
    });
    child.once("exit", (status, signal) => {
      this.#reports[load] = { ...this.#reports[load]!, fault: `a load process ended with ${signal ?? status}` };
    });
    await Promise.race([
      once(lines, "line"),
      once(child, "exit").then(() => Promise.reject(new Error("a load process ended: it needs python3, 3.8 or later"))),
    ]);
  }
}

/** An address to connect from: 127.0.1.0, 127.0.1.1, … */
const loopback = (number: number): string => `127.0.${1 + (number >> 8)}.${number & 255}`;
