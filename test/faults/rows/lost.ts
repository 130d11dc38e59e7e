/** Redis that comes back without all of its data, or loses some of it: what is missing is announced, and nothing of before is called recovered. */
import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import { decodeEntry } from "../../../src/bus/entry-codec.ts";
import { connect } from "../../support/client.ts";
import type { NodeProcess } from "../../support/node-process.ts";
import { eventually } from "../../support/redis.ts";
import type { Row } from "../row.ts";
import { epochLine, type Stage, stream, urlOf } from "../stage.ts";

const announced = { allows: "losses", announces: true, keepsConnections: true } as const;

export const lostRows: readonly Row[] = [
  {
    name: "redis-empty",
    title: "Redis restarted empty, and an hour behind its clock of before",
    isQuick: true,
    ...announced,
    proofs: ["the new epoch"],
    async run(stage) {
      const comeBack = await away(stage);
      await stage.redis.wasAhead(stream);
      await stage.traffic.moreAcknowledged(50);
      await stage.strike(() => stage.redis.stopAndForget());
      await stage.notReady();
      await stage.redis.start();
      await stage.ready();
      await stage.traffic.moreAcknowledged(100);
      await stage.fired(comeBack(), "who was away before is told, on every node");
      await oneEpoch(stage);
    },
  },
  {
    name: "redis-rolled-back",
    title:
      "Redis restarted with data of a moment ago, as after a failover that lost writes, and an hour behind its clock",
    isQuick: true,
    ...announced,
    proofs: ["look at the cursor"],
    async run(stage) {
      const { redis } = stage;
      const data = join(redis.folder, "appendonlydir");
      const old = `${redis.folder}-old`;
      stage.lifetime.after(() => rm(old, { recursive: true, force: true }));
      await cp(data, old, { recursive: true });
      await redis.wasAhead(stream);
      await stage.traffic.moreAcknowledged(50);
      const comeBack = await away(stage);
      await stage.strike(() => redis.stopAndForget());
      await cp(old, data, { recursive: true });
      await redis.start();
      await stage.ready();
      await stage.traffic.moreAcknowledged(100);
      await stage.fired(comeBack(), "who was away before is told, on every node");
      await oneEpoch(stage);
    },
  },
  deleted("flushall", "FLUSHALL", ["flushall"]),
  deleted("stream-deleted", "the stream deleted", ["del", stream]),
  {
    name: "trimmed-past-a-node",
    title: "one node cut off while the stream is trimmed past it",
    isQuick: true,
    ...announced,
    async run(stage) {
      const cut = stage.nodes[1]!;
      await stage.strike(() => stage.proxy(1).cut());
      await stage.notReady([cut]);
      for (let round = 0; round < 2; round += 1) {
        await stage.traffic.moreAcknowledged(50);
        await stage.redis.client.xtrim(stream, "MAXLEN", 1);
      }
      stage.proxy(1).restore();
      await stage.ready();
      await oneEpoch(stage);
    },
    stage: { proxied: [1] },
  },
  {
    name: "last-of-a-burst-lost",
    title: "the last message of a burst gone from the log before one node has read it: noticed, though nothing follows",
    isQuick: true,
    ...announced,
    proofs: ["sequences of writers, against gaps"],
    stage: { proxied: [1] },
    async run(stage) {
      const [, cut] = stage.nodes as [NodeProcess, NodeProcess];
      const { client } = stage.redis;
      await stage.strike(() => stage.proxy(1).cut());
      await stage.notReady([cut]);
      await stage.traffic.moreAcknowledged(100);
      stage.traffic.rest();
      await stage.pause(300);
      const entries = await client.xrevrangeBuffer(stream, "+", "-");
      const last = entries.find(([, [, bytes]]) => decodeEntry(bytes as Buffer, 0)?.records.length)![0];
      await stage.fired((await client.xdel(stream, last)) === 1, "its entry was deleted");
      stage.proxy(1).restore();
      const isNoticed = (): boolean => cut.logLines(epochLine).length > 0;
      await eventually(isNoticed, "a new epoch without any traffic", 20_000).catch(() =>
        stage.fired(false, "a new epoch"),
      );
    },
  },
];

function deleted(name: string, what: string, command: readonly [string, ...string[]]): Row {
  return {
    name,
    title: `${what}: nothing is missing in silence, and a node that starts later recovers nothing from before`,
    isQuick: name === "flushall",
    allows: "losses",
    keepsConnections: true,
    async run(stage) {
      const [first] = stage.nodes as [NodeProcess];
      const watcher = await connect(stage.lifetime, urlOf(first));
      const since = positionOf(await watcher.subscribe("chat.quiet"));
      watcher.socket.terminate();
      const [name, ...args] = command;
      await stage.strike(() => stage.redis.client.call(name, ...args));
      await stage.pause(3000);
      const late = await stage.addNode();
      const again = await connect(stage.lifetime, urlOf(late));
      await stage.fired(
        (await again.subscribe("chat.quiet", { since })).recovered === false,
        "a late node knows nothing",
      );
    },
  };
}

const positionOf = ({ offset, epoch }: Record<string, unknown>): object => ({ offset, epoch });

/** A client that was subscribed and comes back later, to each node in turn: true where all of them say that it may have missed something. */
async function away(stage: Stage): Promise<() => Promise<boolean>> {
  const client = await connect(stage.lifetime, urlOf(stage.nodes[0]!));
  const since = positionOf(await client.subscribe("chat.quiet"));
  client.socket.terminate();
  return async () => {
    const answers: unknown[] = [];
    for (const node of stage.nodes) {
      const again = await connect(stage.lifetime, urlOf(node));
      answers.push((await again.subscribe("chat.quiet", { since })).recovered);
      again.socket.terminate();
    }
    return answers.every((recovered) => recovered === false);
  };
}

/** Everybody has seen the new epoch, and all nodes agree on it. */
async function oneEpoch(stage: Stage): Promise<void> {
  const { traffic } = stage;
  const latest = (): Set<string | undefined> => new Set(traffic.clients.map(({ epochs }) => [...epochs].at(-1)));
  const hasChanged = (): boolean => traffic.clients.every(({ epochs }) => epochs.size >= 2);
  await eventually(() => hasChanged() && latest().size === 1, "one new epoch for all").catch(() => {});
  await stage.fired(hasChanged(), "everybody has seen a new epoch");
  await stage.fired(latest().size === 1, "all nodes agree on one epoch");
}
