/**
 * The main counted run: three nodes as processes, clients and publishers on all of them, while nodes are killed and come
 * back and Redis is killed and comes back with its data. Nothing acknowledged may be missing, doubled or out of order.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { startNodeProcess } from "../support/node-process.ts";
import { eventually, startRedis } from "../support/redis.ts";
import { assertNothingLost, countedSettings, Traffic } from "./redis-traffic.ts";

const size = { clients: 300, channels: 60, publishersPerChannel: 3 };
const messages = 200_000;
const shards = 2;

describe("Three nodes on one Redis", () => {
  it("lose and double nothing while nodes and Redis are killed and come back", { timeout: 180_000 }, async (t) => {
    const redis = await startRedis(t);
    const settings = countedSettings(redis.url, { shards });
    const nodes = await Promise.all([0, 1, 2].map(() => startNodeProcess(t, settings)));
    const traffic = new Traffic(
      t,
      nodes.map(({ port }) => `ws://127.0.0.1:${port}`),
      size,
      { window: 50, keys: true },
    );
    await traffic.subscribed();
    traffic.publish(messages);
    const share = (part: number) => eventually(() => traffic.acknowledged > part * messages, `${part} of it`, 120_000);

    await share(0.1);
    await nodes[0]!.child.kill("SIGKILL");
    await share(0.25);
    await nodes[0]!.start();

    await share(0.4);
    await redis.stop("SIGKILL");
    const during = traffic.acknowledged;
    await sleep(1500);
    assert.equal(traffic.acknowledged < messages, true, "Redis was away in the middle of it");
    assert.equal(traffic.acknowledged - during <= size.clients * 50, true);
    await redis.start();

    await share(0.6);
    await nodes[1]!.child.kill("SIGKILL");
    await redis.stop("SIGKILL");
    await redis.start();
    await nodes[1]!.start();
    await share(0.8);
    await redis.stop("SIGTERM");
    await redis.start();

    await traffic.settled();
    const counted = assertNothingLost(traffic.clients);
    t.diagnostic(JSON.stringify({ ...counted, closes: traffic.closes, recoveries: traffic.recoveries }));
    assert.equal(counted.acknowledged >= messages, true);
    assert.equal(traffic.closes >= 150, true, `${traffic.closes} connections were lost on the way`);
    assert.equal(traffic.breaks, 0, "every recovery succeeded");
    for (const node of nodes) {
      const told = node.logLines("Redis is in trouble: publications wait").length;
      assert.equal(told <= 12, true, `${told} lines`);
    }
  });
});
