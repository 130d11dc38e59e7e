/** `redis.durable` and keys: what comes again with its key is acknowledged only once a replica has it, as the first time. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connect, type TestClient } from "../support/client.ts";
import type { TestGateway } from "../support/gateway.ts";
import { eventually, startRedis, type TestRedis } from "../support/redis.ts";
import { redisCli } from "../support/redis-cli.ts";
import { startReplica } from "../support/sentinel.ts";
import { startNodes } from "./redis-nodes.ts";

const message = { channel: "chat.room", message: "once", key: "k" };

/** Ways to publish it; each resolves to the acknowledgement. */
const ways: Readonly<Record<string, (node: TestGateway, client: TestClient) => Promise<Record<string, unknown>>>> = {
  "a client's": (_, client) => client.ask("message", message),
  "a backend's": async ({ adminUrl }) => {
    const headers = { "Content-Type": "application/json" };
    const body = JSON.stringify(message);
    const answer = await fetch(`${adminUrl}/api/v1/publish`, { method: "POST", headers, body });
    return ((await answer.json()) as { result: Record<string, unknown> }).result;
  },
};

/** A message would queue behind a probe of the log for which its node waits until the replica has it. */
async function freezeBetweenProbes(redis: TestRedis, replica: TestRedis): Promise<void> {
  const isProbed = async (): Promise<boolean> => {
    const clients = (await redisCli(redis.port, "CLIENT", "LIST")).split("\n");
    return clients.some((client) => / flags=\w*b/.test(client) && client.includes(" cmd=wait ")); // b: blocked
  };
  for (let tries = 1; ; tries += 1) {
    replica.freeze();
    if (!(await isProbed())) return;
    replica.resume();
    assert.ok(tries < 100, "the nodes wait for the replica all the time");
    await sleep(50);
  }
}

describe("A key that all nodes have read is no acknowledgement while no replica has its message", () => {
  for (const [whose, publish] of Object.entries(ways))
    it(whose, async (t) => {
      const redis = await startRedis(t);
      const replica = await startReplica(t, redis);
      const nodes = await startNodes(t, [redis.url, redis.url], { durable: true });
      const clients = await Promise.all(nodes.map((node) => connect(t, node.url)));
      for (const client of clients) await client.subscribe(message.channel);
      await freezeBetweenProbes(redis, replica);
      const answers: { readonly duplicate?: unknown; readonly offset?: unknown }[] = [];
      const publishing: Promise<unknown>[] = [];
      for (const [n, node] of nodes.entries()) {
        publishing.push(publish(node, clients[n]!).then((answer) => answers.push(answer)));
        await eventually(
          () => clients.every((client) => client.of("message").length === 1),
          "the message, on both nodes",
        );
      }
      await sleep(1000);
      assert.equal(answers.length, 0);
      replica.resume();
      await Promise.all(publishing);
      assert.deepEqual(answers.map(({ duplicate }) => duplicate === true).sort(), [false, true]);
      assert.equal(answers[0]?.offset, answers[1]?.offset);
      for (const client of clients) {
        await client.settled();
        assert.equal(client.of("message").length, 1);
      }
    });
});
