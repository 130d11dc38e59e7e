/** A gateway in a process of its own, so that a test's clients have a core to themselves. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { loadConfig } from "../../src/config/load-config.ts";
import { startGateway } from "../../src/gateway/start-gateway.ts";
import { createLog } from "../../src/log/log.ts";
import { typescript } from "../support/gateway-program.ts";

export interface GatewayProcess {
  /** `ws://127.0.0.1:port` */
  readonly url: string;
  /** One metric's value now, by its full name with labels; 0 where it has none. */
  metric(name: string): Promise<number>;
}

interface Ports {
  readonly port: number;
  readonly adminPort: number;
}

const file = fileURLToPath(import.meta.url);

/** Starts one with `settings` over the defaults; it ends with the test, or with this process. */
export async function startGatewayProcess(t: TestContext, settings: Record<string, unknown>): Promise<GatewayProcess> {
  const child: ChildProcess = fork(file, [JSON.stringify(settings)], { execArgv: [...typescript] });
  const ended = once(child, "exit");
  t.after(async () => {
    if (child.connected) child.disconnect();
    await ended;
  });
  const failed = ended.then(([code]) => {
    throw new Error(`the gateway's process ended with ${code}`);
  });
  const [{ port, adminPort }] = (await Promise.race([once(child, "message"), failed])) as [Ports];
  failed.catch(() => {}); // at the end of the test it is no failure
  return {
    url: `ws://127.0.0.1:${port}`,
    async metric(name) {
      const lines = (await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text()).split("\n");
      return Number(lines.find((line) => line.startsWith(`${name} `))?.slice(name.length + 1) ?? 0);
    },
  };
}

/** The child's side: its settings are its argument, its end is that of the channel to its parent. */
async function run(settings: Record<string, unknown>): Promise<void> {
  const defaults = { host: "127.0.0.1", port: 0, adminPort: 0, maxMessagesPerMinute: 0 };
  const { config } = loadConfig({ env: {}, flags: { ...defaults, ...settings } });
  const { port, adminPort } = await startGateway(config, createLog({ level: "warn", format: "json" }));
  process.on("disconnect", () => process.exit(0));
  process.send?.({ port, adminPort });
}

if (process.argv[1] === file) await run(JSON.parse(process.argv[2]!));
