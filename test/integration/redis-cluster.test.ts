/** Two nodes on a real Redis Cluster of three masters: channels are spread over its streams, each in one order. */
import assert from "node:assert/strict";
import test from "node:test";
import { examineRedis } from "../../src/cli/doctor-redis.ts";
import { load } from "../config/faults.ts";
import { ChatClient } from "../support/chat-client.ts";
import { until } from "../support/child.ts";
import { connect } from "../support/client.ts";
import { startTestGateway, type TestGateway } from "../support/gateway.ts";
import { account } from "../support/ledger.ts";
import { redisCli } from "../support/redis-cli.ts";
import { complete, startRedisCluster } from "../support/redis-cluster.ts";
import { token } from "../support/tokens.ts";

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
    nodes.map((node, n) => new ChatClient(t, node.url, channel, `${channel.replace(".", "-")}-node${n}`)),
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
    await allSettled(clients);
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

  await t.test("lose nothing while one master is killed and started again with its data, under load", async (t) => {
    const load = setInterval(() => {
      for (const client of clients) client.publish();
    }, 20);
    t.after(() => clearInterval(load));
    const owner = await cluster.ownerOf(streams[0]!);
    await moreAcknowledged(clients);
    await owner.stop("SIGKILL");
    const waiting = (): number => clients.reduce((sum, client) => sum + client.waiting, 0);
    await until(
      () => waiting() > 100,
      () => "publications do not wait",
    );
    await owner.start();
    await complete(cluster.masters);
    await moreAcknowledged(clients);
    clearInterval(load);
    await allSettled(clients);
    assert.ok(
      clients.every((client) => client.connections === 1),
      "connections stay",
    );
    assertNothingLost(clients);
    for (const node of nodes) await ready(node);
  });
});

/** Resolves once `/readyz` says yes. */
const ready = (node: TestGateway): Promise<void> =>
  until(
    async () => (await fetch(`${node.adminUrl}/readyz`)).ok,
    () => `not ready: ${JSON.stringify(node.logLines.slice(-20))}`,
  );

/** Resolves once every client has `count` acknowledgements more. */
async function moreAcknowledged(clients: readonly ChatClient[], count = 20): Promise<void> {
  const before = clients.map(({ acknowledged }) => acknowledged.size);
  await until(
    () => clients.every(({ acknowledged }, i) => acknowledged.size >= before[i]! + count),
    () => "publishing does not go on",
    30_000,
  );
}

/** Resolves once all is acknowledged, and every client has got as much as the others of its channel published. */
async function allSettled(clients: readonly ChatClient[]): Promise<void> {
  await Promise.all(clients.map((client) => client.settled(30_000)));
  const published = (channel: string): number =>
    clients.filter((client) => client.channel === channel).reduce((sum, client) => sum + client.acknowledged.size, 0);
  await until(
    () => clients.every(({ channel, received }) => received.length >= published(channel)),
    () => "not everybody got everything",
  );
}

function assertNothingLost(clients: readonly ChatClient[]): void {
  const { silentLosses, announcedLosses, duplicates, forged, outOfOrder, disagreeing } = account(clients, clients);
  assert.deepEqual(
    { silentLosses, announcedLosses, duplicates },
    { silentLosses: [], announcedLosses: [], duplicates: [] },
  );
  assert.deepEqual({ forged, outOfOrder, disagreeing }, { forged: [], outOfOrder: [], disagreeing: [] });
}
