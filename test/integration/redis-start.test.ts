/** Redis that is not there, or not willing, when a node starts; and one that changes its mind later. */
import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { makeCertificate } from "../socket/certificate.ts";
import { Child, freePort, until } from "../support/child.ts";
import { connect } from "../support/client.ts";
import { startTestGateway } from "../support/gateway.ts";
import { gatewayProgram } from "../support/gateway-program.ts";
import { startNodeProcess } from "../support/node-process.ts";
import { secretOf } from "../support/printed.ts";
import { eventually, startProxy, startRedis, type TestRedis } from "../support/redis.ts";
import { startSentinel } from "../support/sentinel.ts";
import { countedSettings } from "../support/traffic.ts";
import { backLine, logged, readiness, ready, startNodes, troubleLine } from "./redis-nodes.ts";

describe("Redis in trouble at the start", { concurrency: 4 }, () => {
  const wrongPassword = async (t: TestContext): Promise<{ redis: TestRedis; url: string }> => {
    const redis = await startRedis(t, { password: "right" });
    return { redis, url: `redis://:wrong@127.0.0.1:${redis.port}` };
  };

  it("a wrong password: the node says so and waits, and is ready once it is the right one", async (t) => {
    const { redis, url } = await wrongPassword(t);
    const node = await startTestGateway(t, countedSettings(url));
    await eventually(async () => /WRONGPASS|invalid/i.test((await readiness(node)).text), "the reason");
    await sleep(3000);
    assert.equal(logged(node, troubleLine) <= 2, true, `${logged(node, troubleLine)} lines`);
    const attempts = (await redis.commandCounts()).hello ?? 0;
    assert.equal(attempts <= 20, true, `${attempts} attempts`);
    await redis.client.config("SET", "requirepass", "wrong");
    await ready(node);
    const client = await connect(t, node.url);
    await client.subscribe("chat.a");
    assert.equal((await client.ask("message", { channel: "chat.a", message: 1 })).success, true);
  });

  it("absent: the ports answer, handshakes are refused with 503, and the node is ready once it is there", async (t) => {
    const redis = await startRedis(t, { isStarted: false });
    const node = await startTestGateway(t, countedSettings(redis.url));
    await eventually(async () => /ECONNREFUSED/.test((await readiness(node)).text), "the reason");
    await sleep(2500);
    assert.equal(logged(node, troubleLine), 1);
    await redis.start();
    await ready(node);
    await connect(t, node.url);
    assert.equal(logged(node, backLine), 1);
  });

  it("absent: the admin port says that a node lives, alone or with workers, and why it is not ready", async (t) => {
    const redis = `redis://127.0.0.1:${await freePort()}`;
    const answers = async (workers: string): Promise<void> => {
      const [port, adminPort] = [await freePort(), await freePort()];
      const ports = ["--port", `${port}`, "--admin-port", `${adminPort}`];
      const args = [...gatewayProgram, "serve", "--host", "127.0.0.1", ...ports, "--redis", redis];
      const serve = new Child(t, process.execPath, [...args, "--workers", workers]);
      const ask = async (path: string): Promise<string> => {
        const answer = await fetch(`http://127.0.0.1:${adminPort}${path}`).catch(() => undefined); // it starts
        return `${answer?.status} ${await answer?.text()}`;
      };
      const says = async (path: string, pattern: RegExp): Promise<void> =>
        until(
          async () => pattern.test(await ask(path)),
          () => `${path} of ${workers} workers does not say ${pattern}: ${serve.output}`,
          20_000,
        );
      await says("/readyz", /^503 .*ECONNREFUSED/); // it has met the trouble
      await says("/healthz", /^200 ok/); // so a probe of life does not end it
    };
    await Promise.all(["0", "2"].map(answers));
  });

  it("absent, and the node stopped meanwhile: it stops", async (t) => {
    const redis = await startRedis(t, { isStarted: false });
    const node = await startTestGateway(t, countedSettings(redis.url));
    await sleep(300);
    await node.stop({ delaySeconds: 0, seconds: 0 });
    await sleep(500); // an unhandled rejection would fail the test
  });

  it("frozen: the node waits, and is ready once it thaws", async (t) => {
    const redis = await startRedis(t);
    redis.freeze();
    const node = await startTestGateway(t, countedSettings(redis.url));
    await sleep(1000);
    assert.equal((await readiness(node)).status, 503);
    redis.resume();
    await ready(node);
  });

  it("too old: the node says which version it needs, and is ready once there is one", async (t) => {
    const proxy = await startProxy(t, await startRedis(t));
    proxy.rewrite = (answer) => answer.replace(/redis_version:\d/, "redis_version:5");
    const node = await startTestGateway(t, countedSettings(proxy.url));
    await eventually(async () => /Redis 5.*must be 6\.2 or later/.test((await readiness(node)).text), "the reason");
    proxy.rewrite = (answer) => answer;
    await ready(node);
  });

  for (const way of ["url", "database"] as const) {
    it(`without the database of redis.${way}: the node says so and stays out, and begins no log in database 0`, async (t) => {
      const redis = await startRedis(t, { args: ["--databases", "4"] });
      const place = (number: number) =>
        way === "url" ? countedSettings(`${redis.url}/${number}`) : countedSettings(redis.url, { database: number });
      const node = await startTestGateway(t, place(99));
      await eventually(async () => /DB index is out of range/.test((await readiness(node)).text), "the reason");
      await sleep(2500);
      const { status, text } = await readiness(node);
      assert.equal(status, 503);
      assert.match(text, /DB index is out of range/);
      assert.deepEqual(await redis.client.keys("websocket:stream:*"), []);
      await startNodes(t, [way === "url" ? `${redis.url}/3` : redis.url], way === "url" ? {} : { database: 3 });
      assert.match(await redis.client.info("keyspace"), /^db3:/m);
    });
  }

  it("a memory policy that may evict: the node starts and warns, whichever it is", async (t) => {
    const redis = await startRedis(t);
    for (const policy of ["volatile-lru", "allkeys-lru", "noeviction"]) {
      await redis.client.config("SET", "maxmemory-policy", policy);
      const [node] = await startNodes(t, [redis.url]);
      const warned = node!.logLines.filter(({ msg }) => /set maxmemory-policy to noeviction/.test(String(msg)));
      assert.equal(warned.length, policy === "noeviction" ? 0 : 1, policy);
    }
  });

  it("with nodes of another number of shards: the node says what must change, and is ready once they are gone", async (t) => {
    const redis = await startRedis(t);
    const [other] = await startNodes(t, [redis.url], { shards: 3, leaseSeconds: 2 });
    const node = await startTestGateway(t, countedSettings(redis.url, { leaseSeconds: 2 }));
    await eventually(
      async () => /redis\.shards must be 3 as theirs, got 1/.test((await readiness(node)).text),
      "the reason",
    );
    await redis.stopAndForget(); // with what the nodes had agreed on
    await redis.start();
    await ready(other!);
    await sleep(4000);
    assert.deepEqual([(await readiness(other!)).status, (await readiness(node)).status], [200, 503]);
    await other!.stop({ delaySeconds: 0, seconds: 0 });
    await ready(node);
  });
});

describe("Settings beside redis.url", () => {
  it("give the user and password that it lacks, whatever their characters", async (t) => {
    const password = secretOf("p/w#?@:%25é");
    const redis = await startRedis(t, {
      args: ["--requirepass", password, "--user", "anna", "on", `>${password}`, "~*", "&*", "+@all"],
    });
    const { port } = redis;
    const escaped = encodeURIComponent(password);
    const ways: readonly (readonly [string, object])[] = [
      [`redis://127.0.0.1:${port}`, { password }],
      [`redis://127.0.0.1:${port}`, { username: "anna", password }],
      [`redis://anna@127.0.0.1:${port}`, { password }],
      [`redis://:${escaped}@127.0.0.1:${port}`, { username: "anna" }],
      [`redis://anna:${escaped}@127.0.0.1:${port}`, { username: "otto", password: "wrong" }],
      [`redis://anna@127.0.0.1:${port}?password=${escaped}`, { password: "wrong" }],
    ];
    for (const [url, settings] of ways) await startNodes(t, [url], settings);
  });
});

describe("Redis over TLS", () => {
  it("carries a message where its certificate is trusted, and is refused with the reason where it is not", async (t) => {
    const { certFile, keyFile } = await makeCertificate(t);
    const tlsPort = await freePort();
    const files = ["--tls-cert-file", certFile, "--tls-key-file", keyFile, "--tls-ca-cert-file", certFile];
    await startRedis(t, { args: ["--tls-port", `${tlsPort}`, "--tls-auth-clients", "no", ...files] });
    const settings = countedSettings(`rediss://127.0.0.1:${tlsPort}`);
    const node = await startNodeProcess(t, settings, { NODE_EXTRA_CA_CERTS: certFile });
    const client = await connect(t, `ws://127.0.0.1:${node.port}`);
    await client.subscribe("chat.a");
    await client.ask("message", { channel: "chat.a", message: "over TLS" });
    await client.next({ message: "over TLS" });
    const beside = countedSettings(`redis://127.0.0.1:${tlsPort}`, { tls: true });
    const other = await startNodeProcess(t, beside, { NODE_EXTRA_CA_CERTS: certFile });
    const reader = await connect(t, `ws://127.0.0.1:${other.port}`);
    await reader.subscribe("chat.a");
    await client.ask("message", { channel: "chat.a", message: "redis.tls beside a URL" });
    await reader.next({ message: "redis.tls beside a URL" });
    const stranger = await startTestGateway(t, settings);
    await eventually(async () => /self-signed certificate/.test((await readiness(stranger)).text), "the reason");
  });

  it("is spoken to Sentinels and to the master that they name", async (t) => {
    const { certFile, keyFile } = await makeCertificate(t);
    const tlsPort = await freePort();
    const tls = {
      "tls-cert-file": certFile,
      "tls-key-file": keyFile,
      "tls-ca-cert-file": certFile,
      "tls-auth-clients": "no",
    };
    const args = Object.entries({ ...tls, "tls-port": `${tlsPort}` }).flatMap(([key, value]) => [`--${key}`, value]);
    await startRedis(t, { args });
    const lines = Object.entries({ ...tls, "tls-replication": "yes" }).map((pair) => pair.join(" "));
    const sentinel = await startSentinel(t, tlsPort, (port) => ["port 0", `tls-port ${port}`, ...lines]);
    const settings = countedSettings("", { sentinels: [`127.0.0.1:${sentinel}`], tls: true });
    const node = await startNodeProcess(t, settings, { NODE_EXTRA_CA_CERTS: certFile });
    const client = await connect(t, `ws://127.0.0.1:${node.port}`);
    await client.subscribe("chat.a");
    await client.ask("message", { channel: "chat.a", message: "over TLS" });
    await client.next({ message: "over TLS" });
  });
});
