import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { startNodes } from "../integration/redis-nodes.ts";
import { connect } from "../support/client.ts";
import { startNodeProcess } from "../support/node-process.ts";
import { eventually, startRedis } from "../support/redis.ts";
import { token } from "../support/tokens.ts";
import { ruleSettings } from "./rules.ts";

describe("Calls when something is missing", () => {
  it("a node that stands still makes a result partial; one that ended does not", async (t) => {
    const redis = await startRedis(t);
    const settings = {
      ...ruleSettings,
      redis: { enabled: true, url: redis.url },
      drain: { delaySeconds: 0, seconds: 0 },
    };
    const other = await startNodeProcess(t, settings);
    const [node] = await startNodes(t, [redis.url], {}, ruleSettings);
    const { calls } = node!;
    await eventually(async () => (await calls.info()).nodes.length === 2, "two nodes");
    const [here, there] = [await connect(t, node!.url), await connect(t, `ws://127.0.0.1:${other.port}`)];
    for (const client of [here, there]) await client.subscribe("open.room");
    const connections = [here.connectionId, there.connectionId];
    assert.deepEqual(await calls.subscribe({ channel: "open.hall", connections }), { connections: 2 });

    other.child.process.kill("SIGSTOP");
    t.after(() => other.child.process.kill("SIGCONT"));
    assert.equal((await calls.info()).isPartial, true);
    const call = { channel: "open.hall", connections };
    assert.deepEqual(await calls.unsubscribe(call), { connections: 1, isPartial: true });

    other.child.process.kill("SIGCONT");
    await there.next({ action: "unsubscribe", channel: "open.hall" }); // it was carried out all the same
    await eventually(async () => (await calls.info()).isPartial === undefined, "all answers");
    await other.child.kill("SIGTERM");
    const { nodes, isPartial } = await calls.info();
    assert.deepEqual([nodes.length, isPartial], [1, undefined]);
  });

  it("without Redis a call that changes or asks something is unavailable, and works again once it is back", async (t) => {
    const redis = await startRedis(t);
    const [node] = await startNodes(t, [redis.url], {}, ruleSettings);
    const { calls } = node!;
    await redis.stop();
    const answers = [calls.info(), calls.disconnect({ users: ["a"] }), calls.revoke({ tokens: ["a"] })];
    for (const answer of await Promise.allSettled(answers))
      assert.equal(answer.status === "rejected" && answer.reason.code, "unavailable");
    const { processes, ready, reason, log, isPartial } = await calls.stats(); // what is at hand, and what is the matter
    assert.deepEqual([processes.length, ready, isPartial], [1, false, true]);
    assert.match(reason, /^Redis: /);
    assert.ok(log!.failures > 0);
    await redis.start();
    await eventually(async () => (await calls.info().catch(() => ({ nodes: [] }))).nodes.length === 1, "an answer");
  });

  it("a revocation outlives all nodes and the log, and ends with its time", async (t) => {
    const redis = await startRedis(t);
    const [first] = await startNodes(t, [redis.url], {}, ruleSettings);
    const until = Math.floor(Date.now() / 1000) + 3600;
    await first!.calls.revoke({ tokens: ["lost"], users: [7], until });
    assert.equal(await first!.metric("tidegate_revocations"), 2);
    await first!.stop();
    await redis.client.del(...(await redis.client.keys("*stream:*")));
    const [second] = await startNodes(t, [redis.url], {}, ruleSettings);
    for (const [claims, error] of [
      [{ user_id: 1, jti: "lost" }, "invalid_token"],
      [{ user_id: 7 }, "invalid_token"],
      [{ user_id: 1, jti: "kept" }, undefined],
    ] as const) {
      const client = await connect(t, `${second!.url}/?token=${token(claims)}`);
      assert.equal(client.frames[0]!.auth_error, error);
    }
    const [key] = await redis.client.keys("*commands");
    assert.equal(await redis.client.zcount(key!, until, until), 1, "Redis forgets it when its time is over");
  });
});
