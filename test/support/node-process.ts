/** A gateway as a process of its own, that a test can end and start again on the same port. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Child, freePort, type Lifetime, temporaryFolder, until } from "./child.ts";
import { gatewayProgram } from "./gateway-program.ts";

export interface NodeProcess {
  readonly port: number;
  readonly adminPort: number;
  /** Clients need `wss://`. */
  readonly isTls: boolean;
  /** The process of the moment: another one after `start`. */
  readonly child: Child;
  /** Starts it again, after it ended; resolves once it is ready. `program`: another one from now on. */
  start(program?: string): Promise<void>;
  /** The log lines of the present process whose text is `text`. */
  logLines(text: string): Record<string, unknown>[];
}

/**
 * Starts a node with `settings` over the defaults (ports are free ones), and `env`; resolves once it is ready for clients.
 * `program` is another `main.js` that was built.
 */
export async function startNodeProcess(
  t: Lifetime,
  settings: Record<string, unknown>,
  env: NodeJS.ProcessEnv = {},
  program?: string,
): Promise<NodeProcess> {
  const file = join(await temporaryFolder(t), "gateway.json");
  const { port = await freePort(), adminPort = await freePort() } = settings as { port?: number; adminPort?: number };
  const defaults = { host: "127.0.0.1", maxMessagesPerMinute: 0, log: { level: "debug", format: "json" } };
  await writeFile(file, JSON.stringify({ ...defaults, ...settings, port, adminPort }));
  const isTls = settings.tls !== undefined;
  let main = program === undefined ? gatewayProgram : [program];
  const start = async (): Promise<Child> => {
    const child = new Child(t, process.execPath, [...main, "serve", "--config", file], env);
    await child.printed(/"listening"/);
    await until(
      async () => (await fetch(readyzOf({ port, isTls }))).ok,
      () => `not ready: ${child.output.slice(-2000)}`,
    );
    return child;
  };
  let child = await start();
  return {
    port,
    adminPort,
    isTls,
    get child() {
      return child;
    },
    async start(next) {
      if (next !== undefined) main = [next];
      child = await start();
    },
    logLines: (text) =>
      child.output
        .split("\n")
        .filter((line) => line.startsWith("{"))
        .map((line) => JSON.parse(line) as Record<string, unknown>)
        .filter(({ msg }) => msg === text),
  };
}

export const readyzOf = ({ port, isTls }: Pick<NodeProcess, "port" | "isTls">): string =>
  `${isTls ? "https" : "http"}://127.0.0.1:${port}/readyz`;
