/** A real gateway for a test: every part of it, on free ports, closed when the test ends. */
import type { TestContext } from "node:test";
import { loadConfig } from "../../src/config/load-config.ts";
import type { Gateway } from "../../src/gateway/gateway.ts";
import { startGateway } from "../../src/gateway/start-gateway.ts";
import type { Hooks } from "../../src/guard/hooks.ts";
import { createLog } from "../../src/log/log.ts";
import { searchAtEnd, secretOf } from "./printed.ts";

export interface TestGateway extends Gateway {
  /** `ws://127.0.0.1:port` */
  readonly url: string;
  /** `http://127.0.0.1:adminPort` */
  readonly adminUrl: string;
  /** Each log line, parsed. */
  readonly logLines: Record<string, unknown>[];
  /** One metric's value now, by its full name with labels; 0 where it has none. */
  metric(name: string): Promise<number>;
}

/** The secret that the test gateway accepts and `test/support/tokens.ts` signs with. */
export const testSecret = secretOf("a secret of the test suite, 32+ bytes");

/** Of so many gateways of a file the metrics are searched for secrets as well. */
let scrapesLeft = 3;

/**
 * Starts a gateway. `settings` are configuration keys over the defaults, which here mean: free ports, no message limit,
 * the test secret, no waiting in a drain.
 */
export async function startTestGateway(
  t: TestContext,
  settings: Record<string, unknown> = {},
  hooks?: Hooks,
): Promise<TestGateway> {
  const logLines: Record<string, unknown>[] = [];
  const defaults = {
    host: "127.0.0.1",
    port: 0,
    adminPort: 0,
    maxMessagesPerMinute: 0,
    drain: { delaySeconds: 0, seconds: 0 },
    log: { level: "debug", format: "json" },
  };
  const auth = { secret: testSecret, ...(settings.auth as object | undefined) };
  const { config } = loadConfig({ env: {}, flags: { ...defaults, ...settings, auth } });
  const log = createLog(config.log, { write: (line) => void logLines.push(JSON.parse(line)) });
  const gateway = await startGateway(config, log, hooks);
  let isStopped = false;
  const stop: Gateway["stop"] = async (drain) => {
    if (isStopped) return;
    isStopped = true;
    await gateway.stop(drain);
  };
  const adminUrl = `http://127.0.0.1:${gateway.adminPort}`;
  searchAtEnd(() => JSON.stringify(logLines));
  t.after(async () => {
    if (!isStopped && scrapesLeft-- > 0) {
      const metrics = await (await fetch(`${adminUrl}/metrics`)).text();
      searchAtEnd(() => metrics);
    }
    await stop({ delaySeconds: 0, seconds: 0 });
  });
  return {
    ...gateway,
    stop,
    url: `${settings.tls === undefined ? "ws" : "wss"}://127.0.0.1:${gateway.port}`,
    adminUrl,
    logLines,
    async metric(name) {
      const lines = (await (await fetch(`${adminUrl}/metrics`)).text()).split("\n");
      return Number(lines.find((line) => line.startsWith(`${name} `))?.slice(name.length + 1) ?? 0);
    },
  };
}
