/** The gateway as a process of its own: `tidegate serve` from its sources, as an init system or a container starts it. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { createInterface } from "node:readline";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { testSecret } from "../support/gateway.ts";
import { gatewayProgram } from "../support/gateway-program.ts";
import { searchAtEnd } from "../support/printed.ts";

const workingFolder = fileURLToPath(new URL("../..", import.meta.url));

export class GatewayProcess {
  readonly child: ChildProcess;
  /** Every line of the log so far, parsed. */
  readonly log: Record<string, unknown>[] = [];
  /** Everything that it wrote to standard error. */
  complaints = "";
  /** Set once the process has ended. */
  exit: { readonly code: number | null; readonly signal: string | null } | undefined;
  #wake: (() => void)[] = [];

  /** `settings` are variables without their TIDEGATE_; `prefix` is a command that runs another one. */
  constructor(t: TestContext, settings: Record<string, string> = {}, prefix: readonly string[] = []) {
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("TIDEGATE_"));
    const ours = { HOST: "127.0.0.1", PORT: "0", ADMIN_PORT: "0", AUTH__SECRET: testSecret, LOG__FORMAT: "json" };
    const env = Object.entries({ ...ours, ...settings }).map(([name, value]) => [`TIDEGATE_${name}`, value]);
    const [command = process.execPath, ...rest] = [...prefix, process.execPath, ...gatewayProgram, "serve"];
    this.child = spawn(command, rest, {
      cwd: workingFolder,
      env: Object.fromEntries([...inherited, ...env]),
      stdio: ["ignore", "pipe", "pipe"],
    });
    searchAtEnd(() => JSON.stringify(this.log) + this.complaints);
    t.after(() => this.child.kill("SIGKILL"));
    createInterface(this.child.stdout!).on("line", (line) => {
      this.log.push(JSON.parse(line));
      this.#signal();
    });
    this.child.stderr!.on("data", (chunk) => {
      this.complaints += chunk;
    });
    this.child.on("close", (code, signal) => {
      this.exit = { code, signal };
      this.#signal();
    });
  }

  /** Starts one and waits until it listens. */
  static async start(t: TestContext, settings?: Record<string, string>, prefix?: readonly string[]) {
    const gateway = new GatewayProcess(t, settings, prefix);
    const { port, adminPort } = await gateway.logged("listening");
    const url = `ws://127.0.0.1:${port}`;
    return { gateway, url, port: Number(port), adminPort: Number(adminPort) };
  }

  /** The first line with this message, now or later. Rejects where the process ends without it. */
  async logged(message: string): Promise<Record<string, unknown>> {
    for (;;) {
      const line = this.log.find(({ msg }) => msg === message);
      if (line !== undefined) return line;
      if (this.exit !== undefined) throw new Error(`ended without "${message}": ${this.complaints}`);
      await this.#changed();
    }
  }

  /** Resolves once the process has ended. */
  async ended(): Promise<{ readonly code: number | null; readonly signal: string | null }> {
    while (this.exit === undefined) await this.#changed();
    return this.exit;
  }

  /** Sends a signal to the gateway itself. */
  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  #signal(): void {
    const wake = this.#wake;
    this.#wake = [];
    for (const resume of wake) resume();
  }

  #changed(): Promise<void> {
    return new Promise((resolve) => this.#wake.push(resolve));
  }
}

/** The status of `GET path`; "refused" where nothing listens. */
export async function statusOf(port: number, path: string): Promise<number | "refused"> {
  try {
    const { status } = await fetch(`http://127.0.0.1:${port}${path}`);
    return status;
  } catch {
    return "refused";
  }
}

/** A port that is taken until the test ends. */
export async function takenPort(t: TestContext): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}
