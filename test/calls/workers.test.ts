import assert from "node:assert/strict";
import { after, before, describe, it, type TestContext } from "node:test";
import { startCluster } from "../../src/cluster/cluster.ts";
import { loadConfig } from "../../src/config/load-config.ts";
import type { Gateway } from "../../src/gateway/gateway.ts";
import { createLog } from "../../src/log/log.ts";
import { connect, type TestClient } from "../support/client.ts";
import { startTestGateway, type TestGateway, testSecret } from "../support/gateway.ts";
import { eventually, startRedis } from "../support/redis.ts";
import { token } from "../support/tokens.ts";
import { callRules, ruleSettings } from "./rules.ts";

const workers = 2;

interface Cluster {
  readonly gateway: Gateway;
  /** Process ids of the workers so far, as they became ready. */
  readonly pids: readonly number[];
}

/** A supervisor in this process, and its workers in others. */
async function startTestCluster(t: Pick<TestContext, "after">, redis: object): Promise<Cluster> {
  const flags = { host: "127.0.0.1", port: 0, adminPort: 0, maxMessagesPerMinute: 0, log: { level: "info" } };
  const auth = { secret: testSecret };
  const { config } = loadConfig({ env: {}, flags: { ...flags, ...ruleSettings, auth, redis } });
  const pids: number[] = [];
  const write = (line: string): void => {
    const { msg, workerPid } = JSON.parse(line);
    if (msg === "worker ready") pids.push(workerPid);
  };
  const gateway = await startCluster(config, workers, createLog({ ...config.log, format: "json" }, { write }));
  t.after(() => gateway.stop({ delaySeconds: 0, seconds: 0 }));
  return { gateway, pids };
}

const urlOf = ({ port }: Pick<Gateway, "port">, query = ""): string => `ws://127.0.0.1:${port}/${query}`;

/** One client on each of the cluster's workers. The kernel chooses the worker: those too many are closed. */
async function connectToWorkers(t: TestContext, { gateway }: Cluster, query?: string): Promise<readonly TestClient[]> {
  const byNode = new Map<unknown, TestClient>();
  for (let attempt = 0; byNode.size < workers && attempt < 500; attempt += 1) {
    const client = await connect(t, urlOf(gateway, query));
    const node = client.frames[0]?.node;
    if (!byNode.has(node)) byNode.set(node, client);
    else {
      client.socket.close();
      await client.close();
    }
  }
  return [...byNode.values()];
}

describe("The calls of a supervisor with workers", () => {
  let cluster: Cluster;
  const cleanups: (() => unknown)[] = [];
  const suite = { after: (cleanup: () => unknown) => void cleanups.push(cleanup) };
  before(async () => {
    cluster = await startTestCluster(suite, {});
  });
  after(async () => {
    for (const cleanup of cleanups.reverse()) await cleanup();
  });
  callRules(() => ({
    doors: [cluster.gateway.calls],
    processes: workers,
    connectToEach: (t, query) => connectToWorkers(t, cluster, query),
  }));

  it("a worker that takes the place of a dead one knows what was revoked before", async (t) => {
    await cluster.gateway.calls.revoke({ tokens: ["lost"] });
    const lives = cluster.pids.length;
    for (const pid of cluster.pids.slice(-workers)) process.kill(pid, "SIGKILL");
    await eventually(() => cluster.pids.length === lives + workers, "the new workers");
    for (const client of await connectToWorkers(t, cluster, `?token=${token({ user_id: 1, jti: "lost" })}`))
      assert.equal(client.frames[0]!.auth_error, "invalid_token");
    assert.equal((await cluster.gateway.calls.info()).nodes.length, workers);
  });
});

describe("The calls of a supervisor with workers, and of a node beside it on the same Redis", () => {
  let cluster: Cluster;
  let node: TestGateway;
  const cleanups: (() => unknown)[] = [];
  const suite = { after: (cleanup: () => unknown) => void cleanups.push(cleanup) } as unknown as TestContext;
  before(async () => {
    const redis = { enabled: true, url: (await startRedis(suite)).url };
    [cluster, node] = await Promise.all([
      startTestCluster(suite, redis),
      startTestGateway(suite, { ...ruleSettings, redis }),
    ]);
    await eventually(async () => (await fetch(`http://127.0.0.1:${node.port}/readyz`)).ok, "ready");
  });
  after(async () => {
    for (const cleanup of cleanups.reverse()) await cleanup();
  });
  callRules(() => ({
    doors: [cluster.gateway.calls, node.calls],
    processes: workers + 1,
    connectToEach: async (t, query) => [
      ...(await connectToWorkers(t, cluster, query)),
      await connect(t, urlOf(node, query)),
    ],
  }));
});
