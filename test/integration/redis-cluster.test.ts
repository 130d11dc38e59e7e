/** Two nodes on a real Redis Cluster of three masters: channels are spread over its streams, each in one order. */
import assert from "node:assert/strict";
import test from "node:test";
import { examineRedis } from "../../src/cli/doctor-redis.ts";
import { load } from "../config/faults.ts";
import { assertNothingLost } from "../support/account.ts";
import { until } from "../support/child.ts";
import { connect } from "../support/client.ts";
import { CountingClient } from "../support/counting-client.ts";
import { startTestGateway, type TestGateway } from "../support/gateway.ts";
import { redisCli } from "../support/redis-cli.ts";
import { startRedisCluster } from "../support/redis-cluster.ts";
import { token } from "../support/tokens.ts";
import { allDelivered } from "../support/traffic.ts";

const channels = Array.from({ length: 12 }, (_, i) => `chat.room${i}`);
const streams = [0, 1, 2].map((number) => `websocket:stream:${number}`);

test("Two nodes on a Redis Cluster of three masters, three shards", async (t) => {
  const cluster = await startRedisCluster(t);
  const settings = {
    redis: { enabled: true, cluster: cluster.addresses, shards: 3 },
    channels: { "chat.>": { history: { size: 5000, seconds: 300 } } },
  };
  const nodes = [await startTestGateway(t, settings), await startTestGateway(t, settings)];
  for (const node of nodes) await ready(node);
  const clients = channels.flatMap((channel) =>
    nodes.map((node, n) => new CountingClient(t, [node.url], { channel, name: `${channel}-node${n}` })),
  );
  await Promise.all(clients.map((client) => client.subscribed()));

  await t.test("the doctor looks at every master", async () => {
    const findings = await examineRedis(load({ flags: settings }).config.redis);
    assert.deepEqual(
      findings
        .filter(({ subject }) => subject === "redis")
        .map(({ text }) => text.split(" ")[0])
        .toSorted(),
      cluster.addresses.toSorted(),
    );
    for (const subject of ["redis policy", "clock"])
      assert.equal(findings.filter((found) => found.subject === subject && found.status === "ok").length, 3);
  });

  await t.test("hand on what is published on either, in one order for a channel", async () => {
    for (let round = 0; round < 50; round += 1) {
      for (const client of clients) client.publish();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await allDelivered(clients);
    assertNothingLost(clients);
    const owners = await Promise.all(streams.map((stream) => cluster.ownerOf(stream)));
    assert.ok(new Set(owners).size > 1, "the streams are spread over the masters");
    for (const [index, stream] of streams.entries())
      assert.ok(Number(await redisCli(owners[index]!.port, "XLEN", stream)) > 0, `${stream} carried something`);
  });

  await t.test("keep members, targets, keys and node numbers across it", async (t) => {
    const [a, b] = await Promise.all(
      nodes.map((node, n) => connect(t, `${node.url}/?token=${token({ user_id: `user${n}` })}`)),
    );
    assert.notEqual(a!.connectionId, b!.connectionId);
    await a!.subscribe("presence.lobby");
    await b!.subscribe("presence.lobby");
    await a!.next({ action: "presence", event: "join", member: { user_id: "user1", role: b!.frames[0]?.role } });
    await a!.ask("message", { channel: "presence.lobby", message: "for you", users: ["user1"], key: "once" });
    await a!.ask("message", { channel: "presence.lobby", message: "for you", users: ["user1"], key: "once" });
    await b!.next({ message: "for you" });
    await b!.ask("message", { channel: "presence.lobby", message: "the end" });
    await b!.next({ message: "the end" });
    assert.equal(b!.of("message").length, 2);
  });
});

/** Resolves once `/readyz` says yes. */
const ready = (node: TestGateway): Promise<void> =>
  until(
    async () => (await fetch(`${node.adminUrl}/readyz`)).ok,
    () => `not ready: ${JSON.stringify(node.logLines.slice(-20))}`,
  );
