import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { CallError, ConfigError, createGateway, createLog, type GatewayOptions } from "../../src/gateway/index.ts";
import { until } from "../support/child.ts";
import { connect, refusedHandshake } from "../support/client.ts";
import { testSecret } from "../support/gateway.ts";
import { startRedis } from "../support/redis.ts";
import { token } from "../support/tokens.ts";

const atOnce = { delaySeconds: 0, seconds: 0 };

async function start(t: TestContext, options: GatewayOptions = {}) {
  const gateway = createGateway({
    host: "127.0.0.1",
    port: 0,
    adminPort: 0,
    auth: { secret: testSecret },
    log: { level: "silent" },
    ...options,
  });
  await gateway.start();
  t.after(() => gateway.stop(atOnce));
  return { gateway, url: `ws://127.0.0.1:${gateway.port}` };
}

describe("A gateway in another program", () => {
  it("opens its ports at start, and closes them at stop; then it can start again", async (t) => {
    const { gateway, url } = await start(t);
    assert.equal((await fetch(`http://127.0.0.1:${gateway.adminPort}/readyz`)).status, 200);
    await (await connect(t, url)).settled();
    await assert.rejects(gateway.start(), /cannot start gateway: it is running already/);
    await gateway.stop(atOnce);
    assert.throws(() => gateway.port, /cannot tell port: the gateway is not running/);
    await assert.rejects(fetch(url.replace("ws", "http")));
    await gateway.start();
    await (await connect(t, `ws://127.0.0.1:${gateway.port}`)).settled();
  });

  it("publishes to a channel, to all of it or to some, once a key", async (t) => {
    const { gateway, url } = await start(t);
    const [ann, ben] = [await connect(t, `${url}/?token=${token({ user_id: 7 })}`), await connect(t, url)];
    for (const client of [ann, ben]) await client.subscribe("chat.a");
    const { offset, epoch } = await gateway.publish({ channel: "chat.a", message: { to: "all" }, key: "k" });
    await gateway.publish({ channel: "chat.a", message: { to: "all" }, key: "k" });
    await gateway.publish({ channel: "chat.a", message: { to: "ann" }, users: [7] });
    await gateway.publish({ channel: "chat.a", message: { to: "ben" }, connections: [ben.connectionId] });
    const frame = await ann.next({ action: "message" });
    assert.deepEqual([frame.sender, frame.message, frame.offset, frame.epoch], [0, { to: "all" }, offset, epoch]);
    assert.deepEqual((await ann.next({ action: "message" })).message, { to: "ann" });
    for (const to of ["all", "ben"]) assert.deepEqual((await ben.next({ action: "message" })).message, { to });
  });

  it("publishes a batch in its order, with a result for each: a bad one does not spoil the others", async (t) => {
    const { gateway, url } = await start(t);
    const client = await connect(t, url);
    await client.subscribe("chat.a");
    const results = await gateway.broadcastBatch([
      { channel: "chat.a", message: 1 },
      { channel: "no channel", message: 2 },
      { channel: "chat.a", message: 3 },
    ]);
    assert.deepEqual(
      results.map((result) => (result instanceof CallError ? result.code : typeof result.offset)),
      ["string", "invalid_channel", "string"],
    );
    for (const message of [1, 3]) assert.equal((await client.next({ action: "message" })).message, message);
    for (const batch of [undefined, "a", { channel: "chat.a", message: 4 }])
      await assert.rejects(gateway.broadcastBatch(batch as never), { name: "CallError", code: "invalid_call" });
  });

  it("lists connections, and ends those of a user", async (t) => {
    const { gateway, url } = await start(t);
    const [ann, ben] = [await connect(t, `${url}/?token=${token({ user_id: 7 })}`), await connect(t, url)];
    await ann.subscribe("chat.a");
    const { items } = await gateway.connections();
    assert.deepEqual(
      items.map(({ connection, user, channels }) => [connection, user, channels]),
      [
        [ann.connectionId, 7, ["chat.a"]],
        [ben.connectionId, undefined, []],
      ],
    );
    assert.equal((await gateway.connections({ user: 7 })).items.length, 1);
    assert.equal((await gateway.disconnect({ users: [7], reason: "bye" })).connections, 1);
    assert.deepEqual(await ann.close(), { code: 4503, reason: "bye" });
    await ben.settled();
  });

  it("is stopped by a stop that comes while it starts, and by whichever is called while it stops", async (t) => {
    const gateway = createGateway({ host: "127.0.0.1", port: 0, adminPort: 0, log: { level: "silent" } });
    t.after(() => gateway.stop(atOnce));
    const started = gateway.start();
    await gateway.stop(atOnce);
    await started;
    assert.throws(() => gateway.port, { code: "unavailable" });
    await gateway.start();
    const stopped = gateway.stop(atOnce);
    await assert.rejects(gateway.start(), /cannot start gateway: it is stopping; wait for stop\(\)/);
    await gateway.stop(atOnce);
    assert.throws(() => gateway.port, { code: "unavailable" });
    await gateway.start();
    await stopped;
    assert.ok(gateway.port > 0);
  });

  it("with Redis has started once clients and calls are let in, and waits for a Redis that is away", async (t) => {
    const redis = await startRedis(t, { isStarted: false });
    const { port } = redis;
    const options = { host: "127.0.0.1", port: 0, adminPort: 0, redis: { enabled: true, port } };
    const gateway = createGateway({ ...options, log: { level: "silent" } });
    t.after(() => gateway.stop(atOnce));
    const given = assert.rejects(gateway.start(), /cannot start gateway: it was stopped before/);
    await until(
      async () => isAnswered(() => gateway.adminPort),
      () => "its ports are not open",
    );
    await assert.rejects(gateway.publish({ channel: "chat.a", message: 1 }), { code: "unavailable" });
    await gateway.stop(atOnce);
    await given;
    const started = gateway.start();
    await redis.start();
    await started;
    const client = await connect(t, `ws://127.0.0.1:${gateway.port}`);
    await client.subscribe("chat.a");
    await gateway.publish({ channel: "chat.a", message: 2 });
    assert.equal((await client.next({ action: "message" })).message, 2);
  });

  it("answers no call while it is not running", async () => {
    const gateway = createGateway({ port: 0, adminPort: 0, log: { level: "silent" } });
    await assert.rejects(gateway.publish({ channel: "a", message: 1 }), { name: "CallError", code: "unavailable" });
    await assert.rejects(gateway.connections(), { message: "cannot list connections: the gateway is not running" });
    const [result] = await gateway.broadcastBatch([{ channel: "a", message: 1 }]);
    assert.ok(result instanceof CallError);
    await gateway.stop();
  });

  it("asks hooks that are methods of a class, with their object", async (t) => {
    class Door {
      readonly secret = "open sesame";
      onConnect({ query }: { query: URLSearchParams }) {
        if (query.get("word") !== this.secret) throw new Error("not a refusal: closed as a failure");
      }
    }
    const { url } = await start(t, { hooks: new Door() });
    assert.equal((await refusedHandshake(url)).status, 503);
    await connect(t, `${url}/?word=open%20sesame`);
  });

  it("writes into the program's own log", async (t) => {
    const lines: string[] = [];
    const log = createLog({ level: "debug", format: "json" }, { write: (line) => void lines.push(line) });
    const { url } = await start(t, { log });
    await connect(t, url);
    assert.ok(lines.some((line) => line.includes("connection opened")));
  });
});

/** Whether the admin port says that it is not ready. Before there is one, `port` throws. */
async function isAnswered(port: () => number): Promise<boolean> {
  try {
    return (await fetch(`http://127.0.0.1:${port()}/readyz`)).status === 503;
  } catch {
    return false;
  }
}

describe("The options of createGateway", () => {
  it("are frozen in time, and the environment is not looked at", async (t) => {
    process.env.TIDEGATE_MAX_CONNECTIONS = "no number";
    t.after(() => delete process.env.TIDEGATE_MAX_CONNECTIONS);
    const channels = { "a.>": { subscribe: ["nobody"] } };
    const { url } = await start(t, { channels });
    channels["a.>"].subscribe[0] = "anyone";
    const client = await connect(t, url);
    assert.equal((await client.ask("subscribe", { channel: "a.b" })).code, "forbidden");
  });

  const faults: [string, unknown, string][] = [
    ["a value out of range", { port: 80_808 }, "port must be a whole number from 0 to 65535, got 80808"],
    ["a text where a number belongs", { port: "9501" }, 'port must be a whole number from 0 to 65535, got "9501"'],
    ["an unknown key", { prot: 1 }, "prot is not a known key; did you mean port?"],
    ["an unknown hook", { hooks: { onMesage() {} } }, "hooks.onMesage is not a known key"],
    ["a hook that is no function", { hooks: { onClose: 1 } }, "hooks.onClose must be a function, got a number"],
    ["hooks that are no object", { hooks: null }, "hooks must be an object, got null"],
    ["no object at all", null, "options must be an object, got null"],
    ["a list", [], "options must be an object, got a list"],
    ["several processes", { workers: 4 }, "workers must be 0 or 1 where a program embeds the gateway, got 4"],
    [
      "hooks beside a module",
      { hooks: { onClose() {}, module: "package.json" } },
      "hooks.module must be empty beside hooks that are functions",
    ],
    ["what contradicts itself", { port: 9000, adminPort: 9000 }, "adminPort must not be the same as port, got 9000"],
    [
      "a backend with a password in its URL",
      { callouts: { connect: { url: "http://a:hunter2@b/" } } },
      "callouts.connect.url must be an http:// or https:// URL without a user or password, or empty",
    ],
  ];
  for (const [what, options, text] of faults) {
    it(`are refused with ${what}, before anything is opened, in the words of the configuration`, () => {
      assert.throws(
        () => createGateway(options as GatewayOptions),
        (error: Error) => {
          assert.ok(error instanceof ConfigError);
          assert.ok(error.message.includes(`  createGateway: ${text}`), error.message);
          assert.doesNotMatch(error.message, /hunter2/);
          return true;
        },
      );
    });
  }

  it("are all told of at once where several are wrong", () => {
    assert.throws(
      () => createGateway({ port: -1, workers: "many" as "auto", log: { level: "loud" as "info" } }),
      (error: ConfigError) => error.faults.length === 3,
    );
  });
});
