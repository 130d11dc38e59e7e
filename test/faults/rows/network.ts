/** The network between nodes and Redis, and what it does to what is on its way: nothing is missing, nothing comes twice. */
import type { NodeProcess } from "../../support/node-process.ts";
import { eventually, type TestProxy } from "../../support/redis.ts";
import type { Row } from "../row.ts";
import { stream } from "../stage.ts";

const allProxied = { proxied: [0, 1, 2] };

export const networkRows: readonly Row[] = [
  {
    name: "cut-with-fin",
    title: "connections to Redis reset, then ended and refused for 3 s",
    isQuick: true,
    keepsConnections: true,
    stage: allProxied,
    async run(stage) {
      await stage.strike(() => each(stage.proxies, (proxy) => proxy.reset()));
      await stage.pause(500);
      await stage.strike(() => each(stage.proxies, (proxy) => proxy.cut()));
      await stage.notReadyFor();
      await stage.pause(3000);
      each(stage.proxies, (proxy) => proxy.restore());
    },
  },
  {
    name: "cut-without-fin",
    title:
      "connections to Redis dead for 6 s, and nobody says so: they are given up, and what was on its way is sent again",
    isQuick: true,
    keepsConnections: true,
    stage: { ...allProxied, traffic: { keys: false } },
    proofs: ["sending again"],
    async run(stage) {
      const before = stage.proxies.map(({ connections }) => connections);
      await stage.strike(() => each(stage.proxies, (proxy) => proxy.silence()));
      await stage.notReadyFor();
      await stage.pause(1500);
      each(stage.proxies, (proxy) => proxy.restore());
      await stage.traffic.moreAcknowledged(50);
      await stage.fired(
        stage.proxies.every(({ connections }, i) => connections > before[i]!),
        "there are new connections",
      );
    },
  },
  {
    name: "one-node-cut-off",
    title: "one node cut off from Redis for 8 s: it waits, the others go on",
    keepsConnections: true,
    stage: { proxied: [1] },
    async run(stage) {
      const [first, cut] = stage.nodes as [NodeProcess, NodeProcess];
      await stage.strike(() => stage.proxy(1).cut());
      await stage.notReadyFor(undefined, [cut]);
      await stage.traffic.moreAcknowledged(100);
      await stage.ready([first], 100);
      await stage.pause(8000);
      stage.proxy(1).restore();
    },
  },
  {
    name: "moved-to-a-node-behind",
    title:
      "clients that move to a node which is cut off from Redis: they get nothing twice there, and are told of no break",
    isQuick: true,
    stage: { proxied: [1] },
    async run(stage) {
      const { traffic } = stage;
      const cut = stage.nodes[1]!;
      await stage.strike(() => stage.proxy(1).cut());
      await stage.notReady([cut]);
      await traffic.moreAcknowledged(50);
      const turn = traffic.clients.filter((_, i) => Math.floor(i / traffic.channels) % 3 === 0); // those of the first node
      for (const client of turn) client.drop(); // and to the second one
      await stage.pause(8000);
      stage.proxy(1).restore();
      await eventually(() => turn.every(({ isSubscribed, closes }) => isSubscribed && closes > 0), "all back");
    },
  },
  {
    name: "answers-swallowed",
    title: "answers of Redis swallowed for 5 s: what is doubtful is sent again, and appears once",
    isQuick: true,
    keepsConnections: true,
    stage: { ...allProxied, traffic: { keys: false } },
    proofs: ["sequences of writers, against doubles"],
    async run(stage) {
      const { redis, proxies } = stage;
      await stage.strike(() => each(proxies, (proxy) => proxy.swallowReplies()));
      await stage.pause(5000);
      each(proxies, (proxy) => {
        proxy.swallowReplies("xread"); // writers are back before readers, who would know what was appended
        proxy.reset();
      });
      await stage.pause(1000);
      each(proxies, (proxy) => {
        proxy.reset();
        proxy.restore();
      });
      await stage.fired(
        proxies.every(({ swallowed }) => swallowed > 0),
        "answers were swallowed",
      );
      await stage.traffic.moreAcknowledged(50);
      const entries = await redis.client.xrangeBuffer(stream, "-", "+");
      const bodies = entries.map(([, [, bytes]]) => (bytes as Buffer).toString("latin1"));
      await stage.fired(new Set(bodies).size < bodies.length, "an entry was really appended twice");
    },
  },
  slow(50, 4000, true),
  slow(1000, 12_000), // each way
];

/** Every packet takes `ms` longer, each way, for a while. */
function slow(ms: number, forMs: number, isQuick = false): Row {
  return {
    name: `redis-slow-${2 * ms}ms`,
    title: `every answer of Redis ${2 * ms} ms late`,
    isQuick,
    keepsConnections: true,
    stage: { ...allProxied, perSecond: 200 },
    async run(stage) {
      await stage.strike(() =>
        each(stage.proxies, (proxy) => {
          proxy.delayMs = ms;
        }),
      );
      await stage.pause(forMs);
      await stage.fired(stage.traffic.longestWaitMs > 2 * ms, "publications waited for it");
      each(stage.proxies, (proxy) => {
        proxy.delayMs = 0;
      });
    },
  };
}

function each(proxies: readonly TestProxy[], act: (proxy: TestProxy) => void): void {
  for (const proxy of proxies) act(proxy);
}
