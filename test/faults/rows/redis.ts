/** Redis that is away, or cannot be used, and has its data afterwards: connections stay, publications wait, nothing is missing. */
import type { TestRedis } from "../../support/redis.ts";
import type { Row } from "../row.ts";

export const redisRows: readonly Row[] = [
  frozen(5, true),
  frozen(30),
  frozen(120),
  {
    name: "redis-killed",
    title: "Redis killed under load, and started again with its data",
    isQuick: true,
    keepsConnections: true,
    async run(stage) {
      await stage.pause(0, 500);
      await stage.strike(() => stage.redis.stop("SIGKILL"));
      await stage.notReadyFor();
      await stage.pause(1000, 2000);
      await stage.redis.start();
    },
  },
  {
    name: "redis-restarted",
    title: "Redis stopped in order three times, and started again with its data",
    keepsConnections: true,
    async run(stage) {
      for (let round = 0; round < 3; round += 1) {
        await stage.strike(() => stage.redis.stop());
        await stage.pause(200, 1000);
        await stage.redis.start();
        await stage.traffic.moreAcknowledged(50);
      }
      await stage.fired(stage.traffic.longestWaitMs > 200, "publications waited");
    },
  },
  {
    name: "redis-killed-with-node",
    title: "Redis and a node killed at once, and started again",
    isQuick: true,
    async run(stage) {
      const node = stage.any(stage.nodes);
      await stage.strike(() => Promise.all([node.child.kill("SIGKILL"), stage.redis.stop("SIGKILL")]));
      await stage.pause(500, 1500);
      await stage.redis.start();
      await node.start();
      await stage.traffic.subscribed();
      await stage.fired(stage.traffic.sum("closes") > 0, "connections ended");
    },
  },
  refusing({
    name: "redis-oom",
    title: "Redis out of memory, until it is given some",
    reason: /OOM/,
    begin: ({ client }) => client.config("SET", "maxmemory", "1mb"),
    end: ({ client }) => client.config("SET", "maxmemory", "0"),
  }),
  {
    name: "redis-oom-until-old-goes",
    title: "Redis out of memory, and nobody gives it more: what waits is written once old entries are past their time",
    keepsConnections: true,
    stage: { bus: { retentionSeconds: 10 }, perSecond: 2000 },
    async run(stage) {
      await stage.pause(2000);
      const used = Number(/used_memory:(\d+)/.exec(await stage.redis.client.info("memory"))?.[1]);
      await stage.strike(() => stage.redis.client.config("SET", "maxmemory", `${used - 300_000}`));
      await stage.fired(
        (await stage.notReady()).some((reason) => /OOM/.test(reason)),
        "a node says so",
      );
      stage.traffic.rest();
      await stage.traffic.settled();
    },
  },
  refusing({
    name: "redis-readonly",
    title: "Redis made a replica of nobody: it refuses writes with READONLY, until it is a master again",
    begin: ({ client }) => client.call("REPLICAOF", "127.0.0.1", "1"),
    end: ({ client }) => client.call("REPLICAOF", "NO", "ONE"),
  }),
  refusing({
    name: "redis-password-changed",
    title: "Redis' password changed under the nodes, and changed back",
    async begin({ client }) {
      await client.config("SET", "requirepass", "another");
      await client.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    },
    end: ({ client }) => client.config("SET", "requirepass", ""),
  }),
  {
    name: "redis-away-queue-full",
    title: "Redis away for longer than the queue holds: publishers are refused, and what was acknowledged arrives",
    keepsConnections: true,
    stage: { bus: { queueBytesMax: 65_536 }, perSecond: 2000 },
    async run(stage) {
      await stage.strike(() => stage.redis.freeze());
      await stage.pause(3000);
      stage.redis.resume();
      await stage.fired(stage.traffic.sum("refusals") > 0, "publications were refused");
    },
  },
];

function frozen(seconds: number, isQuick = false): Row {
  return {
    name: `redis-frozen-${seconds}`,
    title: `Redis frozen for ${seconds} s`,
    isQuick,
    keepsConnections: true,
    stage: seconds > 60 ? { perSecond: 100 } : {},
    async run(stage) {
      await stage.strike(() => stage.redis.freeze());
      await stage.nothingAcknowledged(seconds * 1000);
      stage.redis.resume();
    },
  };
}

interface Refusal {
  readonly name: string;
  readonly title: string;
  /** What the nodes say. */
  readonly reason?: RegExp;
  readonly begin: (redis: TestRedis) => Promise<unknown>;
  readonly end: (redis: TestRedis) => Promise<unknown>;
}

/** Redis is there, and does not do what it is asked, for a while. */
function refusing({ name, title, reason, begin, end }: Refusal): Row {
  return {
    name,
    title,
    isQuick: true,
    keepsConnections: true,
    async run(stage) {
      await stage.strike(() => begin(stage.redis));
      await stage.notReadyFor(reason);
      await stage.nothingAcknowledged(2000);
      await end(stage.redis);
    },
  };
}
