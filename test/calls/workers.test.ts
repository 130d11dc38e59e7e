import { after, before, describe, type TestContext } from "node:test";
import { startCluster } from "../../src/cluster/cluster.ts";
import { loadConfig } from "../../src/config/load-config.ts";
import type { Gateway } from "../../src/gateway/gateway.ts";
import { createLog } from "../../src/log/log.ts";
import { connect, type TestClient } from "../support/client.ts";
import { testSecret } from "../support/gateway.ts";
import { startRedis } from "../support/redis.ts";
import { callRules, ruleSettings } from "./rules.ts";

const workers = 2;

for (const isShared of [false, true])
  describe(`The calls of a supervisor with workers, ${isShared ? "on Redis" : "alone"}`, () => {
    let cluster: Gateway;
    const cleanups: (() => unknown)[] = [];
    const suite = { after: (cleanup: () => unknown) => void cleanups.push(cleanup) } as unknown as TestContext;
    before(async () => {
      const redis = isShared ? { enabled: true, url: (await startRedis(suite)).url } : {};
      const flags = { host: "127.0.0.1", port: 0, adminPort: 0, maxMessagesPerMinute: 0, log: { level: "error" } };
      const auth = { secret: testSecret };
      const { config } = loadConfig({ env: {}, flags: { ...flags, ...ruleSettings, auth, redis } });
      cluster = await startCluster(config, workers, createLog(config.log));
      suite.after(() => cluster.stop({ delaySeconds: 0, seconds: 0 }));
    });
    after(async () => {
      for (const cleanup of cleanups.reverse()) await cleanup();
    });
    callRules(() => ({
      doors: [cluster.calls],
      processes: workers,
      connectToEach: (t, query = "") => connectToWorkers(t, `ws://127.0.0.1:${cluster.port}/${query}`),
    }));
  });

/** The kernel chooses the worker: those too many are closed. */
async function connectToWorkers(t: TestContext, url: string): Promise<readonly TestClient[]> {
  const byNode = new Map<unknown, TestClient>();
  for (let attempt = 0; byNode.size < workers && attempt < 500; attempt += 1) {
    const client = await connect(t, url);
    const node = client.frames[0]?.node;
    if (!byNode.has(node)) byNode.set(node, client);
    else {
      client.socket.close();
      await client.close();
    }
  }
  return [...byNode.values()];
}
