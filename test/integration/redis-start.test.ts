/** Redis that is not there, or not willing, when a node starts; and one that changes its mind later. */
import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "../support/client.ts";
import { startTestGateway } from "../support/gateway.ts";
import { eventually, startRedis, type TestRedis } from "../support/redis.ts";
import { backLine, logged, notReady, readiness, ready, startNodes, troubleLine, urlsOf } from "./redis-nodes.ts";
import { size } from "./redis-scene.ts";
import { assertNothingLost, countedSettings, Traffic } from "./redis-traffic.ts";

describe("Redis in trouble at the start", { timeout: 60_000 }, () => {
  const wrongPassword = async (t: TestContext): Promise<{ redis: TestRedis; url: string }> => {
    const redis = await startRedis(t, { password: "right" });
    return { redis, url: `redis://:wrong@127.0.0.1:${redis.port}` };
  };

  it("a wrong password: the node says so and waits, and is ready once it is the right one", async (t) => {
    const { redis, url } = await wrongPassword(t);
    const node = await startTestGateway(t, countedSettings(url));
    await eventually(async () => /WRONGPASS|invalid/i.test((await readiness(node)).text), "the reason");
    await sleep(3000);
    assert.equal(logged(node, troubleLine) <= 2, true, `${logged(node, troubleLine)} lines`);
    const attempts = (await redis.commandCounts()).hello ?? 0;
    assert.equal(attempts <= 20, true, `${attempts} attempts`);
    await redis.client.config("SET", "requirepass", "wrong");
    await ready(node);
    const client = await connect(t, node.url);
    await client.subscribe("chat.a");
    assert.equal((await client.ask("message", { channel: "chat.a", message: 1 })).success, true);
  });

  it("a password that is changed under load: connections stay", async (t) => {
    const redis = await startRedis(t, { password: "one" });
    const nodes = await startNodes(t, [redis.url, redis.url]);
    const traffic = new Traffic(t, urlsOf(nodes), size);
    await traffic.subscribed();
    traffic.flow(500);
    await sleep(500);
    const { client } = redis;
    await client.config("SET", "requirepass", "other");
    await client.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    assert.match(await notReady(nodes[0]!), /Redis: /);
    await sleep(1500);
    await client.config("SET", "requirepass", "one");
    await ready(...nodes);
    traffic.rest();
    await traffic.settled();
    assertNothingLost(traffic.clients);
    assert.equal(traffic.closes, 0);
  });

  it("absent: the ports answer, handshakes are refused with 503, and the node is ready once it is there", async (t) => {
    const redis = await startRedis(t, { isStarted: false });
    const node = await startTestGateway(t, countedSettings(redis.url));
    await eventually(async () => /ECONNREFUSED/.test((await readiness(node)).text), "the reason");
    await sleep(2500);
    assert.equal(logged(node, troubleLine), 1);
    await redis.start();
    await ready(node);
    await connect(t, node.url);
    assert.equal(logged(node, backLine), 1);
  });

  it("absent, and the node stopped meanwhile: it stops", async (t) => {
    const redis = await startRedis(t, { isStarted: false });
    const node = await startTestGateway(t, countedSettings(redis.url));
    await sleep(300);
    const startedMs = performance.now();
    await node.stop({ delaySeconds: 0, seconds: 0 });
    assert.equal(performance.now() - startedMs < 3000, true);
    await sleep(500); // an unhandled rejection would fail the test
  });

  it("frozen: the node waits, and is ready once it thaws", async (t) => {
    const redis = await startRedis(t);
    redis.freeze();
    const node = await startTestGateway(t, countedSettings(redis.url));
    await sleep(1000);
    assert.equal((await readiness(node)).status, 503);
    redis.resume();
    await ready(node);
  });
});
