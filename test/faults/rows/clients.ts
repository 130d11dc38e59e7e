/** Clients that lose their network, come back late, come and go, or come back all at once. */
import { eventually } from "../../support/redis.ts";
import { Crowd } from "../crowd.ts";
import type { Row } from "../row.ts";
import { urlOf } from "../stage.ts";
import { Visitors } from "../visitors.ts";

const edge = 50; // messages that the history of the rows about it holds
const shortHistory = {
  channels: {
    "chat.>": { history: { size: 50_000, seconds: 600 } },
    "chat.edge.>": { history: { size: edge, seconds: 600 } },
  },
};

export const clientRows: readonly Row[] = [
  {
    name: "acknowledgements-lost",
    title: "what nodes send lost for 1.5 s: publishers send again with their keys, and each message appears once",
    isQuick: true,
    stage: { proxiesClients: true },
    proofs: ["idempotency keys"],
    async run(stage) {
      const { clientProxies, traffic } = stage;
      await stage.strike(() => {
        for (const proxy of clientProxies) proxy.swallowReplies();
      });
      await stage.pause(1500);
      for (const proxy of clientProxies) {
        proxy.reset();
        proxy.restore();
      }
      await eventually(() => traffic.sum("closes") >= traffic.clients.length, "the end of all connections");
      await traffic.subscribed();
      await stage.fired(traffic.resent > 0, "publications were sent again");
      await stage.fired(traffic.sum("replayed") > 0, "messages were recovered");
    },
  },
  {
    name: "end-of-a-burst-lost",
    title:
      "the network goes silent in the middle of a burst, and nothing follows: everybody gets the rest all the same",
    isQuick: true,
    stage: { proxiesClients: true },
    async run(stage) {
      const { clientProxies, traffic } = stage;
      traffic.publish(500);
      await stage.strike(() => {
        traffic.rest();
        for (const proxy of clientProxies) proxy.silence();
      });
      await stage.pause(500);
      for (const proxy of clientProxies) proxy.restore();
      await eventually(
        () => traffic.clients.every(({ isSubscribed, closes }) => isSubscribed && closes > 0),
        "all back",
      );
      await stage.fired(traffic.sum("closes") >= traffic.clients.length, "connections were dead");
    },
  },
  {
    name: "away-at-the-edge",
    title: "a client away for exactly as many messages as are kept recovers all of them; for one more, it is told",
    isQuick: true,
    allows: "losses",
    stage: { settings: shortHistory },
    proofs: ["proof of a recovery"],
    async run(stage) {
      const writer = stage.client({ channel: "chat.edge.a", name: "writer", turn: 0 });
      const reader = stage.client({ channel: "chat.edge.a", name: "reader", turn: 1 });
      await Promise.all([writer.subscribed(), reader.subscribed()]);
      const publish = async (count: number): Promise<void> => {
        writer.publish(count);
        await writer.settled();
      };
      await publish(5);
      await eventually(() => reader.messages === 5, "the first messages");
      await stage.strike(() => reader.stop());
      await publish(edge);
      reader.resume();
      await eventually(() => reader.messages === 5 + edge, "all that were kept").catch(() => {});
      await stage.fired(reader.recoveries === 1 && reader.replayed === edge, "it recovered all of them");
      reader.stop();
      await publish(edge + 1);
      reader.resume();
      await reader.subscribed();
      await stage.fired(reader.breaks === 1 && reader.recoveries === 1, "it was told that something may be missing");
    },
  },
  {
    name: "many-subscribes",
    title:
      "10,000 subscribes and unsubscribes while others publish: each sees one stretch of the channel without a hole",
    keepsConnections: true,
    async run(stage) {
      const { traffic } = stage;
      const channels = [...new Set(traffic.clients.map(({ channel }) => channel))];
      const visitors = new Visitors(stage.lifetime, stage.nodes.map(urlOf), {
        connections: 50,
        channels,
        random: stage.random,
      });
      await stage.strike(() => visitors.visit(10_000));
      traffic.rest();
      await traffic.settled();
      await stage.fired(visitors.seen > 5000, `they saw ${visitors.seen} messages`);
      const wrongs = visitors.wrongs(traffic.clients);
      await stage.fired(wrongs.length === 0, `every visit whole: ${wrongs.length}: ${wrongs.slice(0, 3).join("; ")}`);
    },
  },
  {
    name: "all-back-at-once",
    title: "10,000 clients cut off and back at once: each recovers exactly what it missed",
    stage: { size: { clients: 60, channels: 10, publishersPerChannel: 3 } },
    async run(stage) {
      const crowd = new Crowd(stage.lifetime, stage.nodes.map(urlOf), { size: 10_000, channels: 100 });
      await crowd.arrive();
      await stage.strike(() => crowd.cutOff());
      await crowd.publish(urlOf(stage.nodes[0]!), 3);
      const tookMs = await crowd.comeBack();
      process.stdout.write(`  10,000 clients were back after ${Math.round(tookMs)} ms\n`);
      const { recovered, complete } = crowd;
      await stage.fired(recovered === 10_000, `${recovered} of 10,000 recovered`);
      await stage.fired(complete === 10_000, `${complete} of 10,000 have each message once`);
    },
  },
];
