/** A master of Redis that dies or stands still, and a replica that takes over: by real Sentinels, and in a real Cluster. */
import { eventually, type TestRedis } from "../../support/redis.ts";
import { redisCli } from "../../support/redis-cli.ts";
import { complete, inStep } from "../../support/redis-cluster.ts";
import { replication, startReplica } from "../../support/sentinel.ts";
import type { Row } from "../row.ts";
import { epochLine, stream } from "../stage.ts";

const byDurableSentinel = { nodes: 2, redis: "sentinel", bus: { durable: true } } as const;
const bySentinel = { nodes: 2, redis: "sentinel" } as const;
const backLine = "Redis is back: the log goes on";

export const failoverRows: readonly Row[] = [
  {
    name: "failover-durable",
    title: "a failover with redis.durable: no acknowledged message is lost, and nobody is told of anything",
    keepsConnections: true,
    allows: "breaks",
    stage: byDurableSentinel,
    async run(stage) {
      const { master, replica, failedOver } = stage.sentinel;
      await stage.strike(() => master.stop("SIGKILL"));
      await failedOver();
      await startReplica(stage.lifetime, replica); // WAIT needs one: the new master gets it
      await stage.traffic.moreAcknowledged(50);
      const isTold = (): boolean => stage.nodes.every((node) => node.logLines(backLine).length > 0);
      await eventually(isTold, "the log tells of it");
    },
  },
  {
    name: "failover-frozen-master",
    title: "a failover from a master that stands still, and comes back as a replica",
    keepsConnections: true,
    allows: "losses",
    stage: bySentinel,
    async run(stage) {
      const { master, failedOver } = stage.sentinel;
      await stage.strike(() => master.freeze());
      await failedOver();
      await stage.traffic.moreAcknowledged(50);
      master.resume();
      await eventually(
        async () => (await replication(master)).includes("role:slave"),
        "the old master becomes a replica",
      );
      await stage.traffic.moreAcknowledged(50);
    },
  },
  {
    name: "failover-lost-writes",
    title: "a failover to a replica that lags, from a master whose clock is ahead: everybody is told of a new epoch",
    isQuick: true,
    keepsConnections: true,
    allows: "losses",
    announces: true,
    proofs: ["the new epoch"],
    stage: bySentinel,
    async run(stage) {
      const { master, replica, cutReplication, failedOver } = stage.sentinel;
      await cutReplication();
      await master.wasAhead(stream);
      await stage.traffic.moreAcknowledged(50);
      await stage.fired((await entriesIn(replica)) < (await entriesIn(master)), "the replica lacks something");
      await stage.strike(() => master.stop("SIGKILL"));
      await failedOver();
      await stage.traffic.moreAcknowledged(50);
      const isTold = (): boolean => stage.traffic.clients.every(({ epochs }) => epochs.size > 1);
      await eventually(isTold, "a new epoch for everybody").catch(() =>
        stage.fired(false, "a new epoch for everybody"),
      );
    },
  },
  {
    name: "failover-lost-writes-durable",
    title: "a failover to a replica that lags, with redis.durable: what the replica lacks was never acknowledged",
    isQuick: true,
    keepsConnections: true,
    allows: "breaks",
    proofs: ["the wait for a replica"],
    stage: byDurableSentinel,
    async run(stage) {
      const { master, replica, cutReplication, joinReplication, failedOver } = stage.sentinel;
      const away = [0, 1, 2].map((n) => stage.client({ channel: `chat.${n}`, name: `away${n}`, turn: n }));
      await Promise.all(away.map((client) => client.subscribed()));
      const isBehind = async (): Promise<boolean> => (await entriesIn(master)) > (await entriesIn(replica));
      await cutReplication();
      // Writers wait for a replica before they go on: one that was cut off between an entry and its word may lack nothing.
      const lacksSomething = (): Promise<boolean> =>
        eventually(isBehind, "", 1000).then(
          () => true,
          () => false,
        );
      while (!(await lacksSomething())) {
        await joinReplication();
        await stage.traffic.moreAcknowledged(1);
        await cutReplication();
      }
      await stage.pause(1000); // all that the master has is with everybody
      for (const client of away) client.stop();
      await stage.nothingAcknowledged(1500);
      await stage.strike(() => master.stop("SIGKILL"));
      await failedOver();
      const isTold = (): boolean => stage.nodes.every((node) => node.logLines(epochLine).length > 0);
      await eventually(isTold, "a new epoch, without which nodes still know what the log has lost");
      // They miss whatever was acknowledged in between.
      for (const client of away) client.resume();
      await Promise.all(away.map((client) => client.subscribed()));
      await startReplica(stage.lifetime, replica);
      await stage.traffic.moreAcknowledged(50);
    },
  },
  {
    name: "cluster-master-killed",
    title: "a master of a Redis Cluster killed, with redis.durable: its replica takes over",
    keepsConnections: true,
    allows: "breaks",
    stage: { nodes: 2, redis: "cluster", bus: { durable: true } },
    async run(stage) {
      const { cluster } = stage;
      const master = await cluster.ownerOf(stream);
      const replica = await cluster.replicaOf(master);
      await stage.strike(() => master.stop("SIGKILL"));
      await eventually(async () => (await cluster.ownerOf(stream)) === replica, "the replica takes over");
      await master.start();
      await complete([master]);
      await inStep(master);
      await stage.traffic.moreAcknowledged(100);
    },
  },
  {
    name: "cluster-master-restarted",
    title: "a master of a Redis Cluster killed, and started again with its data: its shard waits, the others go on",
    keepsConnections: true,
    stage: { nodes: 2, redis: "cluster-without-replicas" },
    async run(stage) {
      const { cluster } = stage;
      const master = await cluster.ownerOf(stream);
      await stage.strike(() => master.stop("SIGKILL"));
      await stage.notReadyFor();
      await stage.pause(1000);
      await master.start();
      await complete(cluster.masters);
      await stage.traffic.moreAcknowledged(100);
    },
  },
];

/** How many entries the stream has there. */
const entriesIn = async (redis: TestRedis): Promise<number> => Number(await redisCli(redis.port, "XLEN", stream));
