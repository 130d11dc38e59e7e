/** What must be the same on every node, whenever it started: who a connection is, and which publication came before. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "../support/client.ts";
import { startTestGateway } from "../support/gateway.ts";
import { startProxy, startRedis } from "../support/redis.ts";
import { countedSettings } from "../support/traffic.ts";
import { ready, startNodes } from "./redis-nodes.ts";

const channel = "chat.room";

describe("A connection's id", { concurrency: true }, () => {
  it("is nobody else's, also on a node that starts while Redis is away and all leases have ended", async (t) => {
    const redis = await startRedis(t);
    const lease = { leaseSeconds: 2 };
    const [first] = await startNodes(t, [redis.url], lease);
    const old = await connect(t, first!.url);
    await old.subscribe(channel);
    await redis.stop();
    await sleep(2500);
    const second = await startTestGateway(t, countedSettings(redis.url, lease));
    await redis.start();
    await ready(first!, second);
    const young = await connect(t, second.url);
    await young.subscribe(channel);
    assert.notEqual(young.connectionId, old.connectionId);
    await young.ask("message", { channel, message: "for the old one", connections: [old.connectionId] });
    await young.ask("message", { channel, message: "for all but me", echo: false });
    await young.ask("message", { channel, message: "end" });
    for (const [client, texts] of [
      [old, ["for the old one", "for all but me", "end"]],
      [young, ["end"]],
    ] as const) {
      await client.next({ message: "end" });
      assert.deepEqual(
        client.of("message").map(({ message }) => message),
        texts,
      );
    }
  });

  it("does not come again with a node that takes the place of another", async (t) => {
    const redis = await startRedis(t);
    const ids = new Set<number>();
    for (let life = 0; life < 3; life += 1) {
      const [node] = await startNodes(t, [redis.url]);
      ids.add((await connect(t, node!.url)).connectionId);
      await node!.stop({ delaySeconds: 0, seconds: 0 });
    }
    assert.equal(ids.size, 3);
  });
});

describe("An idempotency key", () => {
  it("that comes to two nodes at once is new to one and a duplicate to the other, also where that reads slowly", async (t) => {
    const redis = await startRedis(t);
    const proxy = await startProxy(t, redis);
    const nodes = await startNodes(t, [redis.url, proxy.url], {});
    const clients = await Promise.all(nodes.map((node) => connect(t, node.url)));
    for (const client of clients) await client.subscribe(channel);
    proxy.delayReplies("xread", 300);
    for (let n = 0; n < 5; n += 1) {
      const message = { channel, message: `once ${n}`, key: `k${n}` };
      const answers = await Promise.all(clients.map((client) => client.ask("message", message)));
      assert.deepEqual(answers.map(({ duplicate }) => duplicate === true).sort(), [false, true]);
      assert.equal(answers[0]!.offset, answers[1]!.offset);
    }
  });

  it("ends at the same publication on every node, also on one that started in the middle of its time", async (t) => {
    const redis = await startRedis(t);
    const settings = { idempotency: { seconds: 15 } }; // a node starts in them, also on a busy machine
    const [early] = await startNodes(t, [redis.url], {}, settings);
    const publisher = await connect(t, early!.url);
    await publisher.subscribe(channel);
    const publish = (message: string) => publisher.ask("message", { channel, message, key: "k" });
    const startedMs = performance.now();
    await publish("first");
    await sleep(500);
    const [late] = await startNodes(t, [redis.url], {}, settings);
    const reader = await connect(t, late!.url);
    const { offset, epoch } = await reader.subscribe(channel);
    assert.equal((await publish("repeated")).duplicate, true);
    await sleep(15_100 - (performance.now() - startedMs));
    assert.equal((await publish("anew")).duplicate, undefined);
    await publisher.next({ message: "anew" });
    await reader.next({ message: "anew" });
    const again = await connect(t, late!.url);
    assert.equal((await again.subscribe(channel, { since: { offset, epoch } })).recovered, true);
    await again.next({ message: "anew", replayed: true });
    assert.deepEqual(
      reader.of("message").map(({ message }) => message),
      ["anew"],
    );
  });
});
