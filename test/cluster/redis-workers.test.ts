import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Stats } from "../../src/calls/stats.ts";
import { assertNothingLost } from "../support/account.ts";
import { until } from "../support/child.ts";
import { connect } from "../support/client.ts";
import { CountingClient } from "../support/counting-client.ts";
import { startNodeProcess } from "../support/node-process.ts";
import { startRedis } from "../support/redis.ts";
import { allDelivered } from "../support/traffic.ts";
import { connectToAll, startWorkerCluster } from "./worker-cluster.ts";

const channels = { "chat.>": { history: { size: 5000, seconds: 300 } } };

describe("Two workers that share the log with another node through Redis", () => {
  it("lose nothing when a worker is killed, nor when Redis is started again with its data", async (t) => {
    const redis = await startRedis(t);
    const settings = { channels, redis: { enabled: true, url: redis.url } };
    const cluster = await startWorkerCluster(t, settings);
    const node = await startNodeProcess(t, settings);
    const clients = Array.from({ length: 30 }, (_, n) => {
      const url = n % 3 === 0 ? `ws://127.0.0.1:${node.port}` : cluster.url;
      return new CountingClient(t, [url], { channel: `chat.${n % 2}`, name: `client${n}` }, { keys: true });
    });
    for (const client of clients) await client.subscribed();

    const publishing = setInterval(() => {
      for (const client of clients) client.publish();
    }, 20);
    t.after(() => clearInterval(publishing));
    for (const victim of [0, 1]) {
      await new Promise((resolve) => setTimeout(resolve, 500));
      process.kill(cluster.workers()[victim]!.pid, "SIGKILL");
      await cluster.becameReady(3 + victim);
    }
    await redis.stop();
    await until(
      async () => (await fetch(`http://127.0.0.1:${cluster.port}/readyz`)).status === 503,
      () => "the workers' port says that it is ready",
    );
    const headers = { "Content-Type": "application/json" };
    const asked = await fetch(`http://127.0.0.1:${cluster.adminPort}/api/v1/stats`, {
      method: "POST",
      headers,
      body: "{}",
    });
    const { result } = (await asked.json()) as { readonly result: Stats };
    assert.deepEqual([result.ready, result.isPartial], [false, true]);
    assert.deepEqual(
      result.processes.map(({ node }) => node).sort(),
      cluster
        .workers()
        .map(({ node }) => node)
        .sort(), // what they said last
    );
    await redis.start();
    await until(
      async () => (await fetch(`http://127.0.0.1:${cluster.port}/readyz`)).ok,
      () => "the workers' port says that it is not ready",
    );
    await new Promise((resolve) => setTimeout(resolve, 500));
    clearInterval(publishing);
    await allDelivered(clients);
    const { acknowledged, delivered } = assertNothingLost(clients);
    assert.equal(delivered, acknowledged * 15);
  });

  it("have numbers of their own, and their members leave everywhere when all of them are killed", async (t) => {
    const redis = await startRedis(t);
    const settings = { channels, redis: { enabled: true, url: redis.url, leaseSeconds: 3 } };
    const node = await startNodeProcess(t, settings);
    const cluster = await startWorkerCluster(t, settings);
    const watcher = await connect(t, `ws://127.0.0.1:${node.port}`);
    await watcher.subscribe("presence.lobby");
    const clients = (await connectToAll(t, cluster, 3)).flat();
    for (const client of clients) await client.subscribe("presence.lobby");
    const ids = [watcher, ...clients].map(({ connectionId }) => connectionId);
    assert.equal(new Set(ids).size, ids.length);
    await until(
      () => new Set(watcher.of("presence").map(({ member }) => JSON.stringify(member))).size === ids.length,
      () => `joined: ${JSON.stringify(watcher.of("presence"))}`,
    ); // those of two workers come in any order
    await cluster.child.kill("SIGKILL");
    await until(
      () => watcher.of("presence").filter(({ event }) => event === "leave").length === clients.length,
      () => `left: ${watcher.of("presence").filter(({ event }) => event === "leave").length} of ${clients.length}`,
    );
    const { count } = await watcher.ask("presence", { channel: "presence.lobby" });
    assert.equal(count, 1);
  });
});
