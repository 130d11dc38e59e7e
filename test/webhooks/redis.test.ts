/** Webhooks of several nodes with one Redis: each event once, whoever dies. */
import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { describe, it, type TestContext } from "node:test";
import { until } from "../support/child.ts";
import { connect, type TestClient } from "../support/client.ts";
import { startTestGateway, type TestGateway, testSecret } from "../support/gateway.ts";
import { type NodeProcess, startNodeProcess } from "../support/node-process.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";
import { startRedisCluster } from "../support/redis-cluster.ts";
import { token } from "../support/tokens.ts";
import { startReceiver, type TestReceiver, webhookFor } from "./receiver.ts";

const all = [
  ...["connected", "disconnected", "subscribed", "unsubscribed", "channel_occupied", "channel_vacated"],
  ...["member_joined", "member_left", "message"],
];
const away = (response: ServerResponse): void => void response.writeHead(503).end();

function settingsFor(receiver: TestReceiver, redis: TestRedis, webhook: object = {}): Record<string, unknown> {
  return {
    auth: { secret: testSecret },
    redis: { enabled: true, url: redis.url, leaseSeconds: 2 },
    presence: { leaveGraceSeconds: 0 },
    drain: { delaySeconds: 0, seconds: 0 },
    webhooks: [webhookFor(receiver, { events: all, timeoutMs: 1000, ...webhook })],
    webhookLimits: { retryMaxSeconds: 1 },
  };
}

const urlOf = ({ port }: { readonly port: number }): string => `ws://127.0.0.1:${port}`;
const userUrl = (node: { readonly port: number }, user: string): string =>
  `${urlOf(node)}?token=${token({ user_id: user })}`;

async function metricOf({ adminPort }: { readonly adminPort: number }, name: string): Promise<number> {
  const lines = (await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text()).split("\n");
  return Number(lines.find((line) => line.startsWith(`${name} `))?.slice(name.length + 1) ?? 0);
}

async function publish(client: TestClient, channel: string, from: number, count: number): Promise<void> {
  for (let i = from; i < from + count; i += 1) client.request("message", { channel, message: i }, i);
  await client.next({ action: "message_sent", id: from + count - 1 });
}

const messagesOf = (receiver: TestReceiver, channel: string): unknown[] =>
  receiver.events
    .filter((event) => event.event === "message" && event.channel === channel)
    .map(({ frame }) => (frame as { message: unknown }).message);

async function twoNodes(t: TestContext, receiver: TestReceiver, redis: TestRedis): Promise<TestGateway[]> {
  return Promise.all([0, 1].map(() => readyGateway(t, settingsFor(receiver, redis))));
}

async function readyGateway(t: TestContext, settings: Record<string, unknown>): Promise<TestGateway> {
  const gateway = await startTestGateway(t, settings);
  await until(
    async () => (await fetch(`http://127.0.0.1:${gateway.port}/readyz`)).ok,
    () => "not ready",
  );
  return gateway;
}

describe("Webhooks of two nodes", { concurrency: true }, () => {
  it("tell of members and occupied channels once for the cluster, of connections once each, of messages once each", async (t) => {
    const [receiver, redis] = [await startReceiver(t), await startRedis(t)];
    const nodes = await twoNodes(t, receiver, redis);
    const channel = "presence.room";
    const clients = await Promise.all(nodes.map((node) => connect(t, userUrl(node, "anna"))));
    for (const client of clients) await client.subscribe(channel);
    await publish(clients[0]!, channel, 0, 50);
    await publish(clients[1]!, channel, 50, 50);
    await until(
      () => messagesOf(receiver, channel).length >= 100,
      () => `${messagesOf(receiver, channel).length} messages`,
    );
    assert.deepEqual(messagesOf(receiver, channel), [...Array(100).keys()], "once each, in the order of the log");
    const third = await readyGateway(t, settingsFor(receiver, redis)); // is told of all that is there: no news
    const late = await connect(t, userUrl(third, "anna"));
    await late.subscribe(channel);
    for (const client of [...clients, late]) {
      client.socket.close();
      await receiver.event({ event: "disconnected", connection_id: client.connectionId });
    }
    await receiver.event({ event: "channel_vacated", channel });
    await receiver.event({ event: "member_left", channel, member: { user_id: "anna", role: "user" } });
    const counts = Object.fromEntries(
      all.map((event) => [event, receiver.events.filter((e) => e.event === event).length]),
    );
    assert.deepEqual(counts, {
      ...{ connected: 3, disconnected: 3, subscribed: 3, unsubscribed: 3, channel_occupied: 1, channel_vacated: 1 },
      ...{ member_joined: 1, member_left: 1, message: 100 },
    });
    const indexOf = (event: string) => receiver.events.findIndex((e) => e.event === event);
    assert.ok(indexOf("member_joined") < indexOf("member_left"));
    assert.ok(indexOf("channel_occupied") < indexOf("channel_vacated"));
  });

  it("lose nothing when the node that sends is killed while the receiver hangs", async (t) => {
    const [receiver, redis] = [await startReceiver(t), await startRedis(t)];
    const take = receiver.answer;
    receiver.answer = () => {}; // hangs: the sender has a batch under way, and more waits
    const settings = settingsFor(receiver, redis, { batchMax: 10 });
    const doomed: NodeProcess = await startNodeProcess(t, settings);
    const survivor = await readyGateway(t, settings);
    const lost = await Promise.all([0, 1, 2].map((i) => connect(t, userUrl(doomed, `lost-${i}`))));
    await until(
      () => receiver.requests.length > 0,
      () => "no batch is under way",
    );
    const kept = await connect(t, userUrl(survivor, "kept"));
    for (const client of [...lost, kept]) await client.subscribe("presence.both");
    for (const client of lost) await client.subscribe("presence.lost");
    await publish(lost[0]!, "presence.both", 0, 40);
    await publish(kept, "presence.both", 40, 40);
    // 4 connections, 7 subscriptions, 2 channels, 7 members, 80 messages
    await until(
      async () => (await redis.client.xlen(await streamOf(redis))) === 100,
      () => "not all are in Redis",
    );
    await doomed.child.kill("SIGKILL");
    receiver.answer = take;
    await receiver.event({ event: "channel_vacated", channel: "presence.lost" });
    for (const i of [0, 1, 2])
      for (const channel of ["presence.both", "presence.lost"])
        await receiver.event({ event: "member_left", channel, member: { user_id: `lost-${i}`, role: "user" } });
    await until(
      () => messagesOf(receiver, "presence.both").length >= 80,
      () => `${messagesOf(receiver, "presence.both").length} messages`,
    );
    const once = (event: string, channel?: string): number => receiver.idsOf(event, channel).size;
    assert.deepEqual([...new Set(messagesOf(receiver, "presence.both"))], [...Array(80).keys()]);
    assert.deepEqual([once("connected"), once("subscribed"), once("member_joined"), once("message")], [4, 7, 7, 80]);
    assert.deepEqual([once("channel_occupied"), once("channel_vacated"), once("member_left")], [2, 1, 6]);
    await until(
      async () => (await redis.client.xlen(await streamOf(redis))) === 0,
      () => "something is left in Redis",
    );
    assert.equal(await redis.client.get((await streamOf(redis)).replace(/events$/, "bytes")), "0");
    await survivor.stop({ delaySeconds: 0, seconds: 0 }); // while Redis is there: it need not wait for it
  });

  it("lose nothing when Redis is killed and comes back with its data", async (t) => {
    const [receiver, redis] = [await startReceiver(t), await startRedis(t)];
    const take = receiver.answer;
    const nodes = await twoNodes(t, receiver, redis);
    const clients = await Promise.all(nodes.map((node) => connect(t, urlOf(node))));
    for (const client of clients) await client.subscribe("chat.room");
    receiver.answer = away;
    await publish(clients[0]!, "chat.room", 0, 50);
    await until(
      async () => (await redis.client.xlen(await streamOf(redis))) >= 50,
      () => "not all are in Redis",
    );
    await redis.stop("SIGKILL");
    const during = await Promise.all(nodes.map((node) => connect(t, urlOf(node)))); // noticed while Redis is away
    receiver.answer = take;
    await redis.start();
    await publish(clients[1]!, "chat.room", 50, 50);
    await until(
      () => new Set(messagesOf(receiver, "chat.room")).size === 100,
      () => `${messagesOf(receiver, "chat.room").length} messages`,
    );
    for (const { connectionId } of during) await receiver.event({ event: "connected", connection_id: connectionId });
    assert.deepEqual([...new Set(messagesOf(receiver, "chat.room"))], [...Array(100).keys()]);
    assert.equal(receiver.idsOf("message").size, 100);
    assert.equal(receiver.idsOf("connected").size, 4);
    assert.equal(receiver.idsOf("channel_occupied").size, 1);
  });

  it("go through a Redis Cluster too, which has each queue on one server", async (t) => {
    const [receiver, cluster] = [await startReceiver(t), await startRedisCluster(t)];
    const gateway = await readyGateway(t, {
      redis: { enabled: true, cluster: cluster.addresses, shards: 3 },
      webhooks: [webhookFor(receiver, { events: all, batchMax: 20 })],
    });
    const client = await connect(t, urlOf(gateway));
    for (const channel of ["chat.a", "chat.b", "chat.c"]) {
      await client.subscribe(channel);
      await publish(client, channel, 0, 30);
      await until(
        () => messagesOf(receiver, channel).length >= 30,
        () => `${receiver.events.length} events`,
      );
      assert.deepEqual(messagesOf(receiver, channel), [...Array(30).keys()]);
      await receiver.event({ event: "channel_occupied", channel });
    }
  });

  it("keep what is given up in Redis, with the reason", async (t) => {
    const [receiver, redis] = [await startReceiver(t), await startRedis(t)];
    receiver.answer = (response) => void response.writeHead(410).end();
    const settings = {
      ...settingsFor(receiver, redis, { events: ["connected"] }),
      webhookLimits: { deadLettersMax: 2 },
    };
    const gateway = await readyGateway(t, settings);
    for (let i = 0; i < 4; i += 1) await connect(t, urlOf(gateway));
    await until(
      async () => (await metricOf(gateway, "tidegate_webhook_dead_letters_total")) === 4,
      () => "not all are dead letters",
    );
    const stream = (await streamOf(redis)).replace(/events$/, "dead");
    const letters = await redis.client.xrange(stream, "-", "+");
    assert.deepEqual(
      letters.map(([, [, json = "", , reason]]) => [JSON.parse(json).event, reason]),
      [
        ["connected", "status 410"],
        ["connected", "status 410"],
      ],
    );
    await until(
      async () => (await metricOf(gateway, "tidegate_webhook_dead_letters_kept")) === 2,
      () => "they are not in the metrics",
    );
  });

  it("drop what finds no room in Redis, and count it", async (t) => {
    const [receiver, redis] = [await startReceiver(t), await startRedis(t)];
    const take = receiver.answer;
    receiver.answer = away;
    const settings = { ...settingsFor(receiver, redis, { events: ["message"] }), webhookLimits: { queueMax: 10 } };
    const gateway = await readyGateway(t, settings);
    const client = await connect(t, urlOf(gateway));
    await client.subscribe("chat.room");
    for (let i = 0; i < 15; i += 1) {
      await publish(client, "chat.room", i, 1);
      await until(
        async () => {
          const inRedis = await redis.client.xlen(await streamOf(redis));
          return inRedis + (await metricOf(gateway, "tidegate_webhook_dropped_events_total")) === i + 1;
        },
        () => "neither queued nor counted",
      );
    }
    assert.equal(await metricOf(gateway, "tidegate_webhook_dropped_events_total"), 5);
    receiver.answer = take;
    await until(
      () => receiver.events.length === 10,
      () => `${receiver.events.length} came`,
    );
  });
});

/** The key of the only queue. */
async function streamOf(redis: TestRedis): Promise<string> {
  const keys = await redis.client.keys("websocket:{webhooks}:*:events");
  return keys[0] ?? "none";
}
