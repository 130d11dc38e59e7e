import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import type { CommandRecord } from "../../src/bus/bus.ts";
import { CommandStore } from "../../src/bus/command-store.ts";
import { Control } from "../../src/bus/control.ts";
import { RedisConnection } from "../../src/bus/redis-connection.ts";
import { Troubles } from "../../src/bus/troubles.ts";
import { loadConfig } from "../../src/config/load-config.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";

const silent = { info() {}, warn() {}, block() {}, clear() {} };
const now = (): number => Math.floor(Date.now() / 1000);
const command = (id: number, seconds: number): CommandRecord => ({
  kind: "command",
  channel: "",
  node: "node",
  id,
  body: `{"name":"revoke","users":["日本 ${id}"]}`,
  keptUntil: now() + seconds,
});

/** The store of a node that has just started. */
async function createStore(t: TestContext, redis: TestRedis): Promise<CommandStore> {
  const { config } = loadConfig({ env: {}, flags: { redis: { enabled: true, url: redis.url } } });
  const connection = new RedisConnection(config.redis, () => {});
  t.after(() => connection.stop());
  await connection.ready();
  return new CommandStore("test:", new Control(connection, new Troubles(silent, silent, () => 0)));
}

describe("The kept commands in Redis", () => {
  it("are there for a node that starts, until their time is over", async (t) => {
    const redis = await startRedis(t);
    const store = await createStore(t, redis);
    const [lasting, longer, past] = [command(1, 3600), command(2, 7200), command(3, -1)];
    for (const record of [lasting, longer, past]) await store.add(record);
    assert.deepEqual(await (await createStore(t, redis)).load(), [lasting, longer]);
    assert.equal(await redis.client.zcard("test:commands"), 3);
    await store.tidy();
    assert.equal(await redis.client.zcard("test:commands"), 2);
  });

  it("are told anew, by a node that knows them, to a Redis that lost its data", async (t) => {
    const redis = await startRedis(t);
    const store = await createStore(t, redis);
    const records = Array.from({ length: 1200 }, (_, n) => command(n, 3600 + n));
    for (const record of records) store.note(record);
    store.note(command(5000, -1));
    await redis.client.flushall();
    await store.tidy();
    assert.deepEqual(await (await createStore(t, redis)).load(), records);
  });

  it("that are no commands of ours are passed over", async (t) => {
    const redis = await startRedis(t);
    const store = await createStore(t, redis);
    for (const text of ["", "{", "[]", "7", "null", '[7,"a"]', "[99]", '[0,"a"]'])
      await redis.client.zadd("test:commands", now() + 60, text);
    await store.add(command(1, 60));
    assert.deepEqual(await store.load(), [command(1, 60)]);
  });
});
