/** What backends do through the server API, as webhooks tell of it; and what the API tells of webhooks. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Info } from "../../src/calls/calls.ts";
import { until } from "../support/child.ts";
import { connect } from "../support/client.ts";
import { startTestGateway, type TestGateway } from "../support/gateway.ts";
import { startReceiver, webhookFor } from "./receiver.ts";

const all = [
  ...["connected", "disconnected", "subscribed", "unsubscribed", "channel_occupied", "channel_vacated"],
  ...["member_joined", "member_left", "message"],
];

async function post<T>(gateway: TestGateway, call: string, params: object): Promise<T> {
  const response = await fetch(`${gateway.adminUrl}/api/v1/${call}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(params),
  });
  const text = await response.text();
  assert.equal(response.status, 200, text);
  return (JSON.parse(text) as { result: T }).result;
}

describe("A webhook and the server API", () => {
  it("subscribe, publish, unsubscribe and disconnect have the events that a client's own doing has", async (t) => {
    const receiver = await startReceiver(t);
    const gateway = await startTestGateway(t, { webhooks: [webhookFor(receiver, { events: all })] });
    const client = await connect(t, gateway.url);
    const connections = [client.connectionId];
    const who = { connection_id: client.connectionId };
    const affected = { connections: 1 };
    assert.deepEqual(await post(gateway, "subscribe", { channel: "chat.a", connections }), affected);
    await receiver.event({ event: "subscribed", channel: "chat.a", ...who });
    await receiver.event({ event: "channel_occupied", channel: "chat.a" });
    await post(gateway, "publish", { channel: "chat.a", message: "from a backend" });
    const { frame } = await receiver.event({ event: "message", channel: "chat.a" });
    assert.equal((frame as Record<string, unknown>).message, "from a backend");
    assert.deepEqual(await post(gateway, "unsubscribe", { channel: "chat.a", connections }), affected);
    await receiver.event({ event: "unsubscribed", channel: "chat.a", ...who });
    await receiver.event({ event: "channel_vacated", channel: "chat.a" });
    await post(gateway, "subscribe", { channel: "chat.b", connections });
    assert.deepEqual(await post(gateway, "disconnect", { connections, reason: "enough" }), affected);
    await receiver.event({ event: "disconnected", ...who, code: 4503, reason: "enough" });
    await receiver.event({ event: "unsubscribed", channel: "chat.b", ...who });
    await receiver.event({ event: "channel_vacated", channel: "chat.b" });
    const names = receiver.events.map(({ event }) => event);
    assert.deepEqual(
      all.map((event) => names.filter((name) => name === event).length),
      [1, 1, 2, 2, 2, 2, 0, 0, 1],
    );
  });

  it("know nothing of the topic that replies to a connection go through: it is no channel", async (t) => {
    const receiver = await startReceiver(t);
    const gateway = await startTestGateway(t, { webhooks: [webhookFor(receiver, { events: all })] });
    const clients = [await connect(t, gateway.url), await connect(t, `${gateway.url}?format=msgpack`)];
    for (const client of clients) {
      await client.subscribe("chat.a");
      await client.ask("message", { channel: "chat.a", message: 1 }); // its answer is a reply by that topic
    }
    const { items } = await post<{ items: readonly object[] }>(gateway, "channels", {});
    assert.deepEqual(items, [{ channel: "chat.a", subscribers: 2 }]);
    for (const client of clients) client.socket.terminate();
    for (const { connectionId } of clients)
      await receiver.event({ event: "disconnected", connection_id: connectionId });
    await receiver.event({ event: "channel_vacated" });
    const channels = new Set(receiver.events.map(({ channel }) => channel));
    assert.deepEqual(channels, new Set([undefined, "chat.a"]));
    const counted = (event: string): number => receiver.events.filter((received) => received.event === event).length;
    assert.deepEqual(["subscribed", "unsubscribed", "channel_occupied", "channel_vacated"].map(counted), [2, 2, 1, 1]);
    const log = JSON.stringify(gateway.logLines);
    assert.doesNotMatch(log, /handler failed/);
  });

  it("info tells what waits for each receiver, and what was given up; nothing where there is none", async (t) => {
    const receiver = await startReceiver(t);
    const events = ["connected"];
    const gateway = await startTestGateway(t, { webhooks: [webhookFor(receiver, { events })] });
    const webhooks = async () => (await post<Info>(gateway, "info", {})).webhooks;
    const idle = { url: receiver.url, queued: 0, oldestSeconds: 0, deadLetters: 0 };
    assert.deepEqual(await webhooks(), [idle]);
    receiver.answer = () => {}; // leaves it waiting
    await connect(t, gateway.url);
    await until(
      () => receiver.requests.length === 1,
      () => "no request",
    );
    const [waiting] = (await webhooks())!;
    assert.equal(waiting!.queued, 1);
    assert.ok(waiting!.oldestSeconds > 0);
    const bare = await startTestGateway(t);
    assert.equal("webhooks" in (await post<Info>(bare, "info", {})), false);
  });

  it("info counts what a receiver refused for good", async (t) => {
    const receiver = await startReceiver(t);
    receiver.answer = (response) => void response.writeHead(422).end();
    const gateway = await startTestGateway(t, { webhooks: [webhookFor(receiver, { events: ["connected"] })] });
    await connect(t, gateway.url);
    let last: Info["webhooks"];
    while (last?.[0]?.deadLetters !== 1) last = (await post<Info>(gateway, "info", {})).webhooks;
    assert.deepEqual(last, [{ url: receiver.url, queued: 0, oldestSeconds: 0, deadLetters: 1 }]);
  });
});
