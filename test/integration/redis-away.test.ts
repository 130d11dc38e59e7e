/** Redis that keeps its data and cannot be reached, or not used, for a while: connections stay and nothing is missing. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "../support/client.ts";
import { eventually } from "../support/redis.ts";
import { notReady, readiness } from "./redis-nodes.ts";
import { countUp, countWithoutBreak, underLoad } from "./redis-scene.ts";

describe("Redis under load", { timeout: 118_000 }, () => {
  it("cut off with FIN for 3 s, and reset: the nodes behind the cut wait, and nothing is missing", async (t) => {
    const scene = await underLoad(t);
    scene.proxy.reset();
    await sleep(500);
    scene.proxy.cut();
    assert.match(await notReady(scene.nodes[1]!), /Redis: /);
    await sleep(3000);
    assert.equal((await readiness(scene.nodes[0]!)).status, 200, "the other node goes on");
    scene.proxy.restore();
    await countWithoutBreak(t, scene);
  });

  it("cut off without FIN for 6 s: dead connections are given up, and nothing is missing", async (t) => {
    const scene = await underLoad(t);
    const { connections } = scene.proxy;
    scene.proxy.silence();
    assert.match(await notReady(scene.nodes[1]!), /Redis: /);
    await sleep(6000);
    scene.proxy.restore();
    await countWithoutBreak(t, scene);
    assert.equal(scene.proxy.connections > connections, true);
  });

  it("answers swallowed for 5 s: what is doubtful is sent again and appears once", async (t) => {
    const scene = await underLoad(t);
    const { redis, proxy } = scene;
    await redis.client.config("RESETSTAT");
    proxy.swallowReplies();
    await sleep(5000);
    proxy.swallowReplies("xread"); // the writers are back before the readers, who would know what was appended
    proxy.reset();
    await sleep(1000);
    proxy.reset();
    proxy.restore();
    await countWithoutBreak(t, scene);
    assert.equal(proxy.swallowed > 0, true);
    const entries = await redis.client.xrangeBuffer("websocket:stream:0", "-", "+");
    const bodies = entries.map(([, [, bytes]]) => (bytes as Buffer).toString("latin1"));
    assert.equal(new Set(bodies).size < bodies.length, true, "some entry was really appended twice");
  });

  it("slow by 300 ms a packet: everything arrives", async (t) => {
    const scene = await underLoad(t);
    scene.proxy.delayMs = 300;
    await sleep(3000);
    scene.proxy.delayMs = 0;
    await countWithoutBreak(t, scene);
  });

  it("out of memory: publications wait, and go on once there is some again", async (t) => {
    const scene = await underLoad(t);
    const { redis, traffic, nodes } = scene;
    await redis.client.config("SET", "maxmemory", "1mb");
    assert.match(await notReady(nodes[2]!), /OOM/);
    await sleep(300);
    const before = traffic.acknowledged;
    await sleep(2000);
    assert.equal(traffic.acknowledged, before);
    await redis.client.config("SET", "maxmemory", "0");
    await countWithoutBreak(t, scene);
  });

  it("out of memory, and nobody gives it more: what waits is written once old entries are past their time", async (t) => {
    const scene = await underLoad(t, { retentionSeconds: 10 });
    const { redis, traffic, nodes } = scene;
    await sleep(2000);
    const used = Number(/used_memory:(\d+)/.exec(await redis.client.info("memory"))?.[1]);
    await redis.client.config("SET", "maxmemory", `${used - 500_000}`);
    assert.match(await notReady(nodes[2]!), /OOM/);
    traffic.rest();
    await sleep(300);
    const before = traffic.acknowledged;
    await sleep(2000);
    assert.equal(traffic.acknowledged, before);
    await traffic.settled();
    await countWithoutBreak(t, scene);
  });

  it("away for longer than the queue holds: then publishers are refused, and what was acknowledged arrives", async (t) => {
    const scene = await underLoad(t, { queueBytesMax: 65_536 });
    const { redis, traffic, nodes } = scene;
    const greedy = await connect(t, nodes[0]!.url);
    await greedy.subscribe("chat.greedy");
    redis.freeze();
    await sleep(100);
    for (let n = 0; n < 1000; n += 1) greedy.request("message", { channel: "chat.greedy", message: "x".repeat(200) });
    await eventually(() => greedy.of("error").length > 600, "refusals");
    assert.deepEqual(new Set(greedy.of("error").map(({ code }) => code)), new Set(["unavailable"]));
    await sleep(1000);
    redis.resume();
    await eventually(() => greedy.of("error").length + greedy.of("message_sent").length === 1000, "an answer to each");
    await eventually(() => greedy.of("message").length === greedy.of("message_sent").length, "what was acknowledged");
    await countUp(t, scene, false);
    assert.equal(traffic.breaks, 0);
  });
});
