/**
 * A failover by real Sentinels, under load. The replica may lack what the master acknowledged: with `redis.durable` no
 * publisher has an acknowledgement for that, without it every client is told.
 */
import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { ChatClient } from "../support/chat-client.ts";
import { until } from "../support/child.ts";
import { startTestGateway, type TestGateway } from "../support/gateway.ts";
import { account } from "../support/ledger.ts";
import type { TestRedis } from "../support/redis.ts";
import { redisCli } from "../support/redis-cli.ts";
import { replication, type SentinelSetup, startReplica, startSentinels } from "../support/sentinel.ts";

// At the same time, because they spend it waiting for Sentinels.
describe("A failover by Sentinel", { concurrency: true }, () => {
  it("keeps connections, loses no acknowledged message with redis.durable, and publishing goes on", async (t) => {
    const { setup, nodes, clients } = await start(t, { durable: true });
    const stopLoad = publishAll(t, clients, 20);
    await someAcknowledged(clients);
    await setup.master.stop("SIGKILL");
    await setup.failedOver();
    // WAIT needs a replica: the new master gets one.
    await startReplica(t, setup.replica);
    await moreAcknowledged(clients);
    await stopLoad();

    assert.ok(
      clients.every((client) => client.connections === 1),
      "connections stay",
    );
    assertNothingSilent(clients);
    for (const node of nodes) assert.ok(said(node, "Redis is back"), "the log tells that it is over");
  });

  it("goes on by itself, also where the old master was frozen and comes back", async (t) => {
    const { setup, clients } = await start(t, { durable: false });
    const stopLoad = publishAll(t, clients, 20);
    await someAcknowledged(clients);
    setup.master.freeze();
    await setup.failedOver();
    await moreAcknowledged(clients);
    setup.master.resume();
    await until(
      async () => (await replication(setup.master)).includes("role:slave"),
      () => "the old master does not become a replica",
    );
    await moreAcknowledged(clients);
    await stopLoad();
    assert.ok(
      clients.every((client) => client.connections === 1),
      "connections stay",
    );
    assertNothingSilent(clients);
  });

  it("to a replica that lags is told to everybody: a new epoch, and recovered:false for who comes back", async (t) => {
    const { setup, nodes, clients } = await start(t, { durable: false });
    for (let round = 0; round < 10; round += 1) for (const client of clients) client.publish();
    await allSettled(clients);
    const epochBefore = clients[0]!.received.at(-1)!.epoch;
    const away = new ChatClient(t, nodes[1]!.url, clients[0]!.channel, "away");
    await away.subscribed();
    away.stop();
    await setup.cutReplication();
    for (let round = 0; round < 10; round += 1) for (const client of clients) client.publish();
    await allSettled(clients);
    assert.ok((await entriesIn(setup.replica)) < (await entriesIn(setup.master)), "the replica lacks something");
    await setup.master.stop("SIGKILL");
    await setup.failedOver();
    for (const client of clients) client.publish();
    await allSettled(clients);
    await until(
      () => clients.every((client) => client.received.at(-1)!.epoch > epochBefore),
      () => "the epoch of the messages did not change",
    );
    for (const node of nodes) assert.ok(said(node, "the log has a new epoch"), "every node says so");
    away.resume();
    await until(
      () => away.breaks.length === 1,
      () => "who came back with an old position was not told recovered:false",
    );
    assertNothingSilent(clients);
  });

  it("to a replica that lags loses nothing acknowledged with redis.durable: what the replica lacks was never acknowledged", async (t) => {
    const { setup, clients } = await start(t, { durable: true });
    for (const client of clients) client.publish();
    await allSettled(clients);
    await setup.cutReplication();
    for (const client of clients) client.publish();
    await until(
      async () => (await entriesIn(setup.master)) > (await entriesIn(setup.replica)),
      () => "the master got nothing that the replica lacks",
    );
    assert.ok(
      clients.every((client) => client.acknowledged.size === 1),
      "nothing was acknowledged without the replica",
    );
    await setup.master.stop("SIGKILL");
    await setup.failedOver();
    await startReplica(t, setup.replica);
    await allSettled(clients);
    assertNothingSilent(clients);
  });
});

/** How many entries the stream has there. */
const entriesIn = async (redis: TestRedis): Promise<number> =>
  Number(await redisCli(redis.port, "XLEN", "websocket:stream:0"));

interface Running {
  readonly setup: SentinelSetup;
  readonly nodes: readonly TestGateway[];
  readonly clients: readonly ChatClient[];
}

/** Two nodes on one Sentinel setup, three subscribed clients on each. */
async function start(t: TestContext, { durable }: { durable: boolean }): Promise<Running> {
  const setup = await startSentinels(t);
  const settings = {
    redis: { enabled: true, sentinels: setup.sentinels, durable },
    channels: { "chat.>": { history: { size: 5000, seconds: 300 } } },
  };
  const nodes = [await startTestGateway(t, settings), await startTestGateway(t, settings)];
  for (const node of nodes) await ready(node);
  const clients = nodes.flatMap((node, n) =>
    [0, 1, 2].map((i) => new ChatClient(t, node.url, "chat.room", `node${n}client${i}`)),
  );
  await Promise.all(clients.map((client) => client.subscribed()));
  return { setup, nodes, clients };
}

/** Resolves once `/readyz` says yes. */
const ready = (node: TestGateway): Promise<void> =>
  until(
    async () => (await fetch(`${node.adminUrl}/readyz`)).ok,
    () => `not ready: ${JSON.stringify(node.logLines)}`,
  );

/** Every client publishes every `everyMs`; the function that comes back ends that and waits for what is on its way. */
function publishAll(t: TestContext, clients: readonly ChatClient[], everyMs: number): () => Promise<void> {
  const timer = setInterval(() => {
    for (const client of clients) client.publish();
  }, everyMs);
  t.after(() => clearInterval(timer));
  return async () => {
    clearInterval(timer);
    await allSettled(clients);
  };
}

/** Resolves once all is acknowledged, and every client has the last message of every other. */
async function allSettled(clients: readonly ChatClient[]): Promise<void> {
  await Promise.all(clients.map((client) => client.settled(30_000)));
  const last = clients.map((client) => [...client.acknowledged].at(-1)!);
  await until(
    () => clients.every(({ received }) => last.every((text) => received.some((delivery) => delivery.text === text))),
    () => "not everybody got the last messages",
  );
}

const someAcknowledged = (clients: readonly ChatClient[]): Promise<void> => moreAcknowledged(clients, 30);

/** Resolves once every client has `count` acknowledgements more. */
async function moreAcknowledged(clients: readonly ChatClient[], count = 20): Promise<void> {
  const before = clients.map(({ acknowledged }) => acknowledged.size);
  await until(
    () => clients.every(({ acknowledged }, i) => acknowledged.size >= before[i]! + count),
    () => "publishing does not go on",
    30_000,
  );
}

function assertNothingSilent(clients: readonly ChatClient[]): void {
  const { silentLosses, duplicates, forged, outOfOrder, disagreeing } = account(clients, clients);
  assert.deepEqual(
    { silentLosses, duplicates, forged, outOfOrder, disagreeing },
    { silentLosses: [], duplicates: [], forged: [], outOfOrder: [], disagreeing: [] },
  );
}

const said = (node: TestGateway, text: string): boolean =>
  node.logLines.some(({ msg }) => typeof msg === "string" && msg.startsWith(text));
