/** The network between nodes and Redis, and what it does to what is on its way. */
import type { Row } from "../row.ts";
import { stream } from "../stage.ts";

const behindProxies = [0, 1, 2];

export const networkRows: readonly Row[] = [
  {
    name: "answers-swallowed",
    title: "answers of Redis swallowed for 5 s: what is doubtful is sent again, and appears once",
    isQuick: true,
    keepsConnections: true,
    stage: { proxied: behindProxies, traffic: { keys: false } },
    proofs: ["sequences of writers, against doubles"],
    async run(stage) {
      const { redis, proxies } = stage;
      await stage.strike(() => {
        for (const proxy of proxies) proxy.swallowReplies();
      });
      await stage.pause(5000);
      for (const proxy of proxies) {
        proxy.swallowReplies("xread"); // writers are back before readers, who would know what was appended
        proxy.reset();
      }
      await stage.pause(1000);
      for (const proxy of proxies) {
        proxy.reset();
        proxy.restore();
      }
      await stage.fired(
        proxies.every(({ swallowed }) => swallowed > 0),
        "answers were swallowed",
      );
      await stage.traffic.moreAcknowledged(100);
      const entries = await redis.client.xrangeBuffer(stream, "-", "+");
      const bodies = entries.map(([, [, bytes]]) => (bytes as Buffer).toString("latin1"));
      await stage.fired(new Set(bodies).size < bodies.length, "an entry was really appended twice");
    },
  },
];
