import { after, before, describe, type TestContext } from "node:test";
import { startNodes } from "../integration/redis-nodes.ts";
import { connect } from "../support/client.ts";
import type { TestGateway } from "../support/gateway.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";
import { callRules, ruleSettings } from "./rules.ts";

for (const shards of [1, 3])
  describe(`The calls of two nodes that share a Redis, shards: ${shards}`, () => {
    let redis: TestRedis;
    let nodes: readonly TestGateway[];
    const cleanups: (() => unknown)[] = [];
    const suite = { after: (cleanup: () => unknown) => void cleanups.push(cleanup) } as unknown as TestContext;
    before(async () => {
      redis = await startRedis(suite);
      nodes = await startNodes(suite, [redis.url, redis.url], { shards }, ruleSettings);
    });
    after(async () => {
      for (const cleanup of cleanups.reverse()) await cleanup();
    });
    callRules(() => ({
      doors: nodes.map(({ calls }) => calls),
      processes: 2,
      connectToEach: (t, query = "") => Promise.all(nodes.map(({ url }) => connect(t, `${url}/${query}`))),
    }));
  });
