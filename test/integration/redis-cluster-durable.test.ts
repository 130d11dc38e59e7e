/**
 * `redis.durable` in a real Redis Cluster: what is acknowledged is in the replica of the master that has the channel's
 * stream, whatever becomes of connections and masters; and a replica that is gone holds up its master's shards alone.
 */
import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { LogRecord } from "../../src/bus/bus.ts";
import type { BusLog, BusStatus } from "../../src/bus/bus-status.ts";
import { decodeEntry } from "../../src/bus/entry-codec.ts";
import { RedisBus } from "../../src/bus/redis-bus.ts";
import { RedisConnection } from "../../src/bus/redis-connection.ts";
import { shardOf } from "../../src/bus/shard-of.ts";
import { loadConfig } from "../../src/config/load-config.ts";
import { assertNothingLost } from "../support/account.ts";
import { refusedHandshake } from "../support/client.ts";
import { CountingClient } from "../support/counting-client.ts";
import { startTestGateway, type TestGateway } from "../support/gateway.ts";
import { eventually, startRedis, type TestRedis } from "../support/redis.ts";
import { redisCli } from "../support/redis-cli.ts";
import { complete, inStep, type RedisCluster, startRedisCluster } from "../support/redis-cluster.ts";
import { startReplica } from "../support/sentinel.ts";
import { notReady, ready } from "./redis-nodes.ts";

const shardCount = 3;
const why = /no replica has confirmed the entry \(redis\.durable\)/;
const writeFailures = 'tidegate_bus_failures_total{operation="write"}';

const settingsFor = ({ addresses }: RedisCluster) => ({
  redis: { enabled: true, cluster: addresses, shards: shardCount, durable: true },
  channels: { "chat.>": { history: { size: 5000, seconds: 300 } } },
});

test("Two nodes with redis.durable on a Redis Cluster with replicas", async (t) => {
  const cluster = await startRedisCluster(t, { replicasPerMaster: 1 });
  const nodes = [await startTestGateway(t, settingsFor(cluster)), await startTestGateway(t, settingsFor(cluster))];
  await ready(...nodes);
  const shards = await startTraffic(t, nodes);
  const [held, ...others] = shards as [ShardTraffic, ...ShardTraffic[]];

  await t.test("acknowledge what is published to any shard once its replica has it", async () => {
    const owners = await Promise.all(shards.map(({ stream }) => cluster.ownerOf(stream)));
    assert.equal(new Set(owners).size, shardCount, "each stream has a master of its own");
    for (const { publisher } of shards) publisher.publish(200);
    for (const shard of shards) await shard.settled();
    for (const [index, shard] of shards.entries())
      await assertHolds(await cluster.replicaOf(owners[index]!), shard, "the replica");
    for (const shard of shards) shard.assertOnceInOrder();
    for (const node of nodes) assert.equal(await node.metric(writeFailures), 0);
  });

  await t.test("acknowledge nothing of one shard while its replica is frozen, and go on with the others", async () => {
    const replica = await cluster.replicaOf(await cluster.ownerOf(held.stream));
    const { acknowledged } = held;
    replica.freeze();
    for (const { publisher } of shards) publisher.publish(20);
    for (const shard of others) await shard.settled();
    assert.match(await notReady(nodes[0]!), why);
    await assertHeldUp(nodes[0]!, held);
    for (const { publisher } of others) publisher.publish(200);
    for (const shard of others) await shard.settled();
    assert.equal(held.acknowledged, acknowledged);
    replica.resume();
    await held.settled();
    await ready(...nodes);
    for (const shard of shards) shard.assertOnceInOrder();
  });

  await t.test("acknowledge nothing for the reason that the connection is another one now", async () => {
    const master = await cluster.ownerOf(held.stream);
    const replica = await cluster.replicaOf(master);
    const { acknowledged } = held;
    replica.freeze();
    held.publisher.publish(20);
    for (let round = 0; round < 3; round += 1) {
      await eventually(async () => (await waiting(master)) === nodes.length, "a WAIT of each node");
      await killConnections(master);
    }
    await assertHeldUp(nodes[0]!, held);
    assert.equal(held.acknowledged, acknowledged);
    replica.resume();
    await held.settled();
    await ready(...nodes);
    for (const shard of shards) shard.assertOnceInOrder();
  });

  await t.test("acknowledge nothing while no master has a replica, and say so", async () => {
    const acknowledged = shards.map((shard) => shard.acknowledged);
    for (const replica of cluster.replicas) await replica.stop();
    for (const { publisher } of shards) publisher.publish(20);
    for (const node of nodes) assert.match(await notReady(node), why);
    await assertHeldUp(nodes[0]!, ...shards);
    assert.deepEqual(
      shards.map((shard) => shard.acknowledged),
      acknowledged,
    );
    for (const replica of cluster.replicas) await replica.start();
    for (const shard of shards) await shard.settled();
    await ready(...nodes);
    for (const shard of shards) shard.assertOnceInOrder();
  });

  await t.test(
    "lose nothing with a master that is killed under load, and go on once the new one has a replica",
    async (t) => {
      const master = await cluster.ownerOf(held.stream);
      const replica = await cluster.replicaOf(master);
      const load = setInterval(() => {
        for (const { publisher } of shards) publisher.publish(2);
      }, 10);
      t.after(() => clearInterval(load));
      await held.moreAcknowledged();
      await master.stop("SIGKILL");
      await eventually(async () => (await cluster.ownerOf(held.stream)) === replica, "the replica takes over");
      await assertHeldUp(nodes[0]!, held); // it has no replica of its own
      await master.start();
      await complete([master]);
      await inStep(master);
      await held.moreAcknowledged();
      clearInterval(load);
      for (const shard of shards) await shard.settled();
      await ready(...nodes);
      const clients = shards.flatMap(({ clients }) => clients);
      assertNothingLost(clients);
      for (const { closes } of clients) assert.equal(closes, 0, "connections stay");
    },
  );
});

test("A node with redis.durable writes again what a master that takes over lacks, before it acknowledges it", async (t) => {
  const cluster = await startRedisCluster(t, { replicasPerMaster: 1 });
  const node = await startTestGateway(t, settingsFor(cluster));
  await ready(node);
  const shards = await startTraffic(t, [node, node]);

  /** Has publications in the master alone, and leaves the node in the pause between two attempts to have them confirmed. */
  async function fallBehind({ stream, publisher }: ShardTraffic): Promise<{ old: TestRedis; next: TestRedis }> {
    const old = await cluster.ownerOf(stream);
    const next = await cluster.replicaOf(old);
    const load = setInterval(() => publisher.publish(1), 5); // or what waits for the replica might be a probe
    t.after(() => clearInterval(load));
    await cutOff(next, old);
    await eventually(() => publisher.unacknowledged > 50, "publications that wait");
    clearInterval(load);
    await next.client.ping(); // connected: the pause is short
    await eventually(async () => (await waiting(old)) > 0, "an attempt");
    await eventually(async () => (await waiting(old)) === 0, "the end of the attempt");
    return { old, next };
  }

  await t.test("where connections to the old one stay", async () => {
    const shard = shards[0]!;
    const { next } = await fallBehind(shard);
    await next.client.call("CLUSTER", "FAILOVER", "TAKEOVER");
    await shard.settled();
    await assertHolds(next, shard, "the new master");
    assertNothingLost(shard.clients);
    await ready(node);
  });

  await t.test("where the old one was frozen, and connections to it end under the attempt", async () => {
    const shard = shards[1]!;
    const { old, next } = await fallBehind(shard);
    old.freeze();
    const killing = killConnections(old); // the first thing that it will do, before it looks at the attempt
    await sleep(300);
    await next.client.call("CLUSTER", "FAILOVER", "TAKEOVER");
    old.resume();
    await killing;
    await shard.settled();
    await assertHolds(next, shard, "the new master");
    assertNothingLost(shard.clients);
    await ready(node);
  });
});

test("A node with redis.durable on a Redis Cluster without replicas does not become ready, and says why", async (t) => {
  const cluster = await startRedisCluster(t);
  const node = await startTestGateway(t, settingsFor(cluster));
  await eventually(async () => why.test(await notReady(node)), "the reason");
  await moreFailures(node, 3);
  assert.match(await notReady(node), why);
  assert.equal((await refusedHandshake(node.url)).status, 503);
  assert.equal(await node.metric("tidegate_bus_records_written_total"), 0);

  await t.test("A command whose connection ends fails, and is not sent again", async (t) => {
    const { config } = loadConfig({ env: {}, flags: settingsFor(cluster) });
    const connection = new RedisConnection(config.redis, () => {});
    t.after(() => connection.stop());
    const increment = (): Promise<number> => connection.run((client) => client.incr("counter"), 4000);
    await connection.ready();
    assert.equal(await increment(), 1);
    const master = await cluster.ownerOf("counter");
    await master.client.ping();
    master.freeze();
    const killing = killConnections(master);
    await sleep(100);
    const failing = assert.rejects(increment());
    await sleep(100);
    master.resume();
    await Promise.all([killing, failing]);
    await eventually(() => increment().then(Boolean, () => false), "the connection is back");
    assert.equal(await increment(), 3);
  });
});

test("A log with redis.durable that is stopped refuses what no replica has confirmed, also what is in the stream", async (t) => {
  const redis = await startRedis(t);
  const replica = await startReplica(t, redis);
  const { config } = loadConfig({ env: {}, flags: { redis: { enabled: true, url: redis.url, durable: true } } });
  const bus = new RedisBus(config.redis, silent, silent, () => []);
  t.after(() => bus.stop());
  let applied = 0;
  await bus.start(({ kind }) => {
    if (kind === "publication") applied += 1;
  });
  const outcomes: unknown[] = [];
  const append = (): void => bus.append(publication, (outcome) => outcomes.push(outcome));
  append();
  await eventually(() => outcomes.length === 1, "an acknowledgement");
  replica.freeze();
  let appended = 1;
  while (applied === outcomes.length || outcomes.length === appended) {
    append();
    appended += 1;
    await sleep(5);
  }
  const acknowledged = outcomes.length;
  await bus.stop();
  await eventually(() => outcomes.length === appended, "all answers");
  assert.deepEqual(new Set(outcomes.slice(acknowledged)), new Set(["unavailable"]));
});

const silent: BusLog & BusStatus = { info() {}, warn() {}, block() {}, clear() {} };

const publication: LogRecord = {
  kind: "publication",
  channel: "chat.a",
  head: '{"action":"message","message":"x"',
  sender: 1,
  echo: true,
  target: undefined,
  key: undefined,
  userId: undefined,
  acceptedAtMs: 0,
};

/** A channel of one shard, with a publisher on one node and a reader on the other. No keys: only the bus keeps doubles away. */
class ShardTraffic {
  readonly stream: string;
  readonly publisher: CountingClient;
  readonly reader: CountingClient;

  constructor(t: TestContext, [near, far]: readonly TestGateway[], shard: number) {
    this.stream = `websocket:stream:${shard}`;
    let n = 0;
    while (shardOf(`chat.${n}`, shardCount) !== shard) n += 1;
    this.publisher = new CountingClient(t, [near!.url], { channel: `chat.${n}`, name: `publisher${shard}` });
    this.reader = new CountingClient(t, [far!.url], { channel: `chat.${n}`, name: `reader${shard}` });
  }

  get clients(): CountingClient[] {
    return [this.publisher, this.reader];
  }

  get acknowledged(): number {
    return this.publisher.acknowledged.size;
  }

  async moreAcknowledged(): Promise<void> {
    const enough = this.acknowledged + 50;
    await eventually(() => this.acknowledged >= enough, `${this.stream}: more acknowledgements`);
  }

  /** Resolves once everything is acknowledged, and has reached both. */
  async settled(): Promise<void> {
    const { publisher, clients, stream } = this;
    await eventually(() => publisher.unacknowledged === 0, `${stream}: all acknowledgements`);
    await eventually(() => clients.every(({ messages }) => messages >= this.acknowledged), `${stream}: all messages`);
  }

  /** Each message once and in order, for both. */
  assertOnceInOrder(): void {
    const wanted = Array.from({ length: this.acknowledged }, (_, i) => i + 1);
    for (const { name, events } of this.clients) {
      const came = events.map((event) => (event === "break" ? event : event.n));
      assert.deepEqual(came, wanted, `what ${name} got`);
    }
  }
}

async function startTraffic(t: TestContext, nodes: readonly TestGateway[]): Promise<ShardTraffic[]> {
  const shards = Array.from({ length: shardCount }, (_, shard) => new ShardTraffic(t, nodes, shard));
  await eventually(() => shards.every(({ clients }) => clients.every((client) => client.isSubscribed)), "subscribed");
  return shards;
}

/** Resolves once `count` more attempts to write have failed on the node. */
async function moreFailures(node: TestGateway, count: number): Promise<void> {
  const before = await node.metric(writeFailures);
  await eventually(async () => (await node.metric(writeFailures)) >= before + count, "attempts that fail");
}

/** Sees the node try in vain for a while: nothing of `shards` is acknowledged meanwhile. */
async function assertHeldUp(node: TestGateway, ...shards: readonly ShardTraffic[]): Promise<void> {
  await moreFailures(node, 1); // what was acknowledged before has arrived
  const before = shards.map(({ acknowledged }) => acknowledged);
  await moreFailures(node, 2 * shards.length);
  assert.deepEqual(
    shards.map(({ acknowledged }) => acknowledged),
    before,
  );
}

/** Everything acknowledged is in this server's copy of the stream. */
async function assertHolds({ client }: TestRedis, { stream, publisher }: ShardTraffic, name: string): Promise<void> {
  await client.readonly(); // or a replica would refer to its master
  const entries = await client.xrangeBuffer(stream, "-", "+");
  const texts = entries
    .flatMap(([, fields]) => decodeEntry(fields[1]!, 0)!.records)
    .map((record) => (record?.kind === "publication" ? JSON.parse(`${record.head}}`).message : undefined));
  const lacking = [...publisher.acknowledged.keys()].filter((n) => !texts.includes(`${publisher.name}:${n}`));
  assert.deepEqual(lacking, [], `${name} lacks what is acknowledged`);
}

/** Connections to the server that wait for its replica at this moment. */
async function waiting({ client }: TestRedis): Promise<number> {
  const connections = String(await client.call("CLIENT", "LIST")).split("\n");
  return connections.filter((line) => / flags=b .* cmd=wait /.test(line)).length;
}

/** Ends all connections of clients but the test's own. */
const killConnections = ({ client }: TestRedis): Promise<unknown> =>
  client.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");

/** Cuts `replica` off from what `master` writes from now on; both stay in the Cluster. */
async function cutOff(replica: TestRedis, master: TestRedis): Promise<void> {
  await redisCli(master.port, "ACL", "SETUSER", "default", "-psync", "-sync");
  await redisCli(master.port, "CLIENT", "KILL", "TYPE", "replica");
  await eventually(async () => !(await redisCli(replica.port, "ROLE")).includes("connected"), "the replica is cut off");
}
