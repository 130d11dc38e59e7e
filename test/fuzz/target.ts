/** The gateway under attack: a real process with all that is reachable from outside, whose health can be looked at. */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { gatewayProgram } from "../support/gateway-program.ts";
import type { Ports } from "./attack.ts";

/** What is left of the memory and the handles once nobody is there but the bystander. */
export interface Footprint {
  readonly heapMiB: number;
  readonly residentMiB: number;
  readonly openFiles: number;
  readonly connections: number;
}

const settings = {
  HOST: "127.0.0.1",
  PORT: "0",
  ADMIN_PORT: "0",
  LOG__FORMAT: "json",
  LOG__LEVEL: "info",
  AUTH__SECRET: "a secret of the fuzz campaign, 32 bytes",
  COMPRESSION: "shared",
  MAX_MESSAGES_PER_MINUTE: "600",
  TRUSTED_PROXIES: "127.0.0.0/8", // forged headers are read, then
  HISTORY__BYTES_MAX: "1048576", // what may be kept is full soon: growth beyond that is a leak
  IDEMPOTENCY__KEYS_MAX: "100",
  API__BODY_TIMEOUT_SECONDS: "1",
};
const collects = 'data:text/javascript,process.on("SIGUSR2",()=>gc())';

export class Target {
  readonly #process: ChildProcess;
  /** What it logged that is no business of a client's to bring about. */
  readonly complaints: string[] = [];
  #ports: Ports | undefined;

  private constructor() {
    const env = Object.fromEntries(Object.entries(settings).map(([key, value]) => [`TIDEGATE_${key}`, value]));
    const args = ["--expose-gc", "--import", collects, ...gatewayProgram, "serve"];
    this.#process = spawn(process.execPath, args, {
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    process.once("exit", () => this.stop());
    createInterface(this.#process.stdout!).on("line", (line) => {
      const { level, msg, port, adminPort } = JSON.parse(line);
      if (msg === "listening") this.#ports = { port, adminPort };
      if (level === "error" || level === "fatal") this.complaints.push(line);
    });
    createInterface(this.#process.stderr!).on("line", (line) => this.complaints.push(line));
  }

  static async start(): Promise<Target & { readonly ports: Ports }> {
    const target = new Target();
    while (target.#ports === undefined) {
      if (!target.isRunning) throw new Error(`the gateway does not start: ${target.complaints}`);
      await sleep(20);
    }
    return Object.assign(target, { ports: target.#ports });
  }

  get pid(): number {
    return this.#process.pid!;
  }

  get isRunning(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  get end(): string {
    return `code ${this.#process.exitCode}, signal ${this.#process.signalCode}`;
  }

  stop(): void {
    this.#process.kill("SIGKILL");
  }

  /** After a collection of garbage, once its connections are down to `connections` or two seconds have passed. */
  async footprint(connections: number): Promise<Footprint> {
    let value = await this.#metrics();
    for (let tries = 0; value("tidegate_connections") > connections && tries < 20; tries += 1) {
      await sleep(100);
      value = await this.#metrics();
    }
    for (let i = 0; i < 2; i += 1) {
      this.#process.kill("SIGUSR2");
      await sleep(200);
    }
    value = await this.#metrics();
    const resident = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${this.#process.pid}/status`, "latin1"))?.[1];
    return {
      heapMiB: value("nodejs_heap_size_used_bytes") / 2 ** 20,
      residentMiB: Number(resident) / 1024,
      openFiles: value("process_open_fds"),
      connections: value("tidegate_connections"),
    };
  }

  async #metrics(): Promise<(name: string) => number> {
    const answer = await fetch(`http://127.0.0.1:${this.#ports!.adminPort}/metrics`, {
      headers: { connection: "close" },
    });
    const lines = (await answer.text()).split("\n").filter((line) => !line.startsWith("#"));
    const isOf = (line: string, name: string): boolean => line.startsWith(`${name} `) || line.startsWith(`${name}{`);
    return (name) =>
      lines
        .filter((line) => isOf(line, name))
        .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
  }
}
