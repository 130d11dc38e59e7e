/** The program as a real process, for the command line's tests. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { environment } from "../support/child.ts";
import { gatewayProgram } from "../support/gateway-program.ts";
import { searchAtEnd, secretOf } from "../support/printed.ts";

const project = fileURLToPath(new URL("../..", import.meta.url));

export const secret = secretOf("a secret of the tests, long enough for all");

export interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A process that runs, its output as it grows. It ends with the test. */
export class Program {
  readonly process: ChildProcessWithoutNullStreams;
  stdout = "";
  stderr = "";
  readonly #ended: Promise<unknown>;

  constructor(t: TestContext, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    this.process = spawn(process.execPath, [...gatewayProgram, ...args], {
      cwd: project,
      env: { ...environment(), ...env },
    });
    const isToken = args[0] === "token"; // whose output is one
    searchAtEnd(() => (isToken ? "" : this.stdout) + this.stderr);
    t.after(() => this.process.kill("SIGKILL"));
    this.#ended = once(this.process, "close");
    this.process.stdin.on("error", () => {}); // it may be gone before it read everything
    this.process.stdout.on("data", (chunk) => {
      this.stdout += chunk;
    });
    this.process.stderr.on("data", (chunk) => {
      this.stderr += chunk;
    });
  }

  /** Resolves when it has ended. */
  async outcome(): Promise<Outcome> {
    await this.#ended;
    return { status: this.process.exitCode, stdout: this.stdout, stderr: this.stderr };
  }

  /** Resolves to the first match in what was printed, or rejects when the process ends without it. */
  async printed(pattern: RegExp, stream: "stdout" | "stderr" = "stdout"): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(this[stream]);
      if (found !== null) return found;
      const isOver = await Promise.race([once(this.process[stream], "data"), this.#ended.then(() => "over" as const)]);
      if (isOver === "over" && !pattern.test(this[stream]))
        throw new Error(`ended without ${pattern}: ${this.stdout}${this.stderr}`);
    }
  }
}

/** Runs the program to its end, without input. */
export function run(t: TestContext, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  const program = new Program(t, args, env);
  program.process.stdin.end();
  return program.outcome();
}
