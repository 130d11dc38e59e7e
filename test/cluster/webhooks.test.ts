/** Webhooks of a gateway of several workers: the supervisor sends for all of them. */
import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import type { Info } from "../../src/calls/calls.ts";
import { until } from "../support/child.ts";
import { testSecret } from "../support/gateway.ts";
import { startRedis } from "../support/redis.ts";
import { token } from "../support/tokens.ts";
import { startReceiver, type TestReceiver, webhookFor } from "../webhooks/receiver.ts";
import { connectToAll, startWorkerCluster } from "./worker-cluster.ts";

const all = [
  ...["connected", "disconnected", "subscribed", "unsubscribed", "channel_occupied", "channel_vacated"],
  ...["member_joined", "member_left", "message"],
];
const channel = "presence.room";
const member = { user_id: "anna", role: "user" };

async function eachOnce(t: TestContext, receiver: TestReceiver, settings: Record<string, unknown>): Promise<void> {
  const cluster = await startWorkerCluster(t, {
    auth: { secret: testSecret },
    presence: { leaveGraceSeconds: 0 },
    webhooks: [webhookFor(receiver, { events: all })],
    ...settings,
  });
  const clients = await connectToAll(t, cluster, 1, `?token=${token(member)}`);
  const [[a], [b]] = clients as [[(typeof clients)[0][0]], [(typeof clients)[0][0]]];
  for (const client of [a!, b!]) await client.subscribe(channel);
  await receiver.event({ event: "member_joined", channel, member });
  for (const [i, client] of [a!, b!, a!].entries()) {
    const message = { channel, message: i, key: i < 2 ? "the same" : undefined };
    assert.equal((await client.ask("message", message)).duplicate, i === 1 ? true : undefined);
  }
  await receiver.event({ event: "subscribed", connection_id: b!.connectionId });
  const info = await fetch(`http://127.0.0.1:${cluster.adminPort}/api/v1/info`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: "{}",
  });
  const { result } = (await info.json()) as { result: Info };
  assert.deepEqual([result.nodes.length, result.webhooks?.map(({ url }) => url)], [2, [receiver.url]]);
  const killed = cluster.workers().find(({ node }) => node === a!.frames[0]?.node)!;
  process.kill(killed.pid, "SIGKILL");
  await until(
    () => a!.closed !== undefined,
    () => "not killed",
  );
  await b!.ask("unsubscribe", { channel });
  await receiver.event({ event: "channel_vacated", channel });
  await receiver.event({ event: "member_left", channel, member });
  await cluster.child.kill("SIGTERM");
  const bye = { event: "disconnected", connection_id: b!.connectionId };
  if (settings.redis === undefined) await receiver.event(bye);
  const opened = clients.flat().length;
  const counted = all.map((event) => receiver.events.filter((e) => e.event === event).length);
  const gone = receiver.events.filter(({ event }) => event === "disconnected").length;
  assert.deepEqual(counted, [opened, gone, 2, 1, 1, 1, 1, 1, 2]);
}

describe("Webhooks of workers", () => {
  it("tell each event once, also of a worker that was killed", async (t) => {
    await eachOnce(t, await startReceiver(t), {});
  });

  it("do so with the log and the queue in Redis, where what was not sent stays", async (t) => {
    const redis = await startRedis(t);
    await eachOnce(t, await startReceiver(t), { redis: { enabled: true, url: redis.url, leaseSeconds: 2 } });
  });
});
