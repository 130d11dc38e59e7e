/**
 * config/haproxy.cfg as it is shipped, but for addresses and ports: a real HAProxy before two nodes with one real Redis.
 */
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { account, assertNothingLost } from "../support/account.ts";
import { Child, freePort, temporaryFolder, until } from "../support/child.ts";
import { connect } from "../support/client.ts";
import { CountingClient } from "../support/counting-client.ts";
import { ensureCommand } from "../support/debian.ts";
import { type NodeProcess, startNodeProcess } from "../support/node-process.ts";
import { startRedis } from "../support/redis.ts";
import { allDelivered } from "../support/traffic.ts";

const shipped = fileURLToPath(new URL("../../config/haproxy.cfg", import.meta.url));

test("Clients behind HAProxy, two nodes, one Redis", async (t) => {
  const redis = await startRedis(t);
  const settings = {
    redis: { enabled: true, port: redis.port },
    trustedProxies: ["127.0.0.1"],
    channels: { "chat.>": { history: { size: 5000, seconds: 60 } } },
    drain: { seconds: 3 }, // delaySeconds stays what it is by default
  };
  const nodes = await Promise.all([startNodeProcess(t, settings), startNodeProcess(t, settings)]);
  const balancer = await startHaproxy(t, nodes, (text) => text);
  const proxying = await startHaproxy(t, nodes, (text) =>
    text.replace(/^ *option forwardfor$/m, "").replace(/^( *server node.*)$/gm, "$1 send-proxy-v2"),
  );

  await t.test("chat across the nodes, which share the connections", async (t) => {
    const clients = await Promise.all(Array.from({ length: 6 }, () => connect(t, balancer.url)));
    for (const client of clients) await client.subscribe("chat.hall");
    for (const [index, client] of clients.entries())
      await client.ask("message", message("chat.hall", `hello ${index}`));
    const expected = clients.map((_, index) => `hello ${index}`);
    for (const client of clients) {
      await until(
        () => client.of("message").length >= expected.length,
        () => `came: ${JSON.stringify(client.frames)}`,
      );
      assert.deepEqual(
        client.of("message").map((frame) => frame.message),
        expected,
      );
    }
    for (const node of nodes) {
      await until(
        () => addressesIn(node).length === clients.length / 2,
        () => `leastconn gave a node ${addressesIn(node).length} of ${clients.length} connections`,
      );
    }
  });

  await t.test("are known to the node by their own address, whatever they claim to be", async (t) => {
    const headers = { "x-forwarded-for": "192.0.2.1" };
    await connect(t, balancer.url, { localAddress: "127.0.0.9", headers });
    await letIn(nodes, "127.0.0.9");
  });

  await t.test("are known by it over PROXY protocol as well", async (t) => {
    await connect(t, proxying.url, { localAddress: "127.0.0.10", headers: { "x-forwarded-for": "192.0.2.2" } });
    await letIn(nodes, "127.0.0.10");
  });

  await t.test("do not reach the nodes' health pages", async () => {
    for (const path of ["/healthz", "/readyz"])
      assert.equal((await fetch(`${balancer.url.replace("ws", "http")}${path}`)).status, 403);
  });

  await t.test("lose nothing while both nodes are restarted, one after the other, under load", async (t) => {
    const channels = ["chat.a", "chat.b", "chat.c", "chat.d"];
    const clientOn = (channel: string, name: string, recovers: boolean): CountingClient =>
      new CountingClient(t, [balancer.url], { channel, name }, { keys: true, recovers });
    const clients = Array.from({ length: 24 }, (_, i) => clientOn(channels[i % channels.length]!, `client${i}`, true));
    const forgetful = channels.map((channel, i) => clientOn(channel, `forgetful${i}`, false));
    const everybody = [...clients, ...forgetful];
    await Promise.all(everybody.map((client) => client.subscribed()));
    const load = setInterval(() => {
      for (const client of clients) client.publish();
    }, 60);
    t.after(() => clearInterval(load));
    for (const [index, node] of nodes.entries()) {
      await node.child.kill("SIGTERM");
      assert.equal(node.child.process.exitCode, 0);
      const logged = balancer.child.output.length;
      await node.start();
      await until(
        () => new RegExp(`node${index + 1} is UP`).test(balancer.child.output.slice(logged)),
        () => `HAProxy does not notice that node ${index + 1} is back: ${balancer.child.output}`,
      );
    }
    clearInterval(load);
    await Promise.all(clients.map((client) => client.settled()));
    const marks = clients.slice(0, channels.length);
    for (const client of marks) client.publish(); // the last word on every channel
    await allDelivered(clients);

    const { acknowledged } = assertNothingLost(clients);
    assert.ok(acknowledged > 2000, `only ${acknowledged} messages were under way`);
    assert.deepEqual(
      everybody.flatMap((client) => client.refused),
      [],
      "nobody was refused",
    );
    assert.match(proxying.child.output, /node1 is UP/, "health checks work over PROXY protocol as well");
    // What the test would have shown otherwise: everybody was sent away, and without `since` messages are missed.
    assert.ok(clients.every(({ closes }) => closes >= 1));
    assert.ok(account(everybody).silentLosses.length > 0, "clients that do not recover lose something");
  });
});

const message = (channel: string, text: string): object => ({ channel, message: text });

/** The addresses of the clients that the node has let in. */
const addressesIn = (node: NodeProcess): string[] =>
  node.logLines("connection opened").map(({ address }) => address as string);

/** Resolves once a node has logged that it let a client from `address` in. */
const letIn = (nodes: readonly NodeProcess[], address: string): Promise<void> =>
  until(
    () => nodes.some((node) => addressesIn(node).includes(address)),
    () => `no client came from ${address}, but from ${nodes.flatMap(addressesIn)}`,
  );

interface Balancer {
  readonly url: string;
  readonly child: Child;
}

/** Runs the shipped file, with the test's addresses in it, changed by `change`; resolves once it serves. */
async function startHaproxy(
  t: TestContext,
  nodes: readonly NodeProcess[],
  change: (text: string) => string,
): Promise<Balancer> {
  const port = await freePort();
  let text = await readFile(shipped, "utf8");
  const replace = (pattern: RegExp, by: string): void => {
    assert.match(text, pattern);
    text = text.replace(pattern, by);
  };
  replace(/^ {4}bind :80$/m, `    bind 127.0.0.1:${port}`);
  for (const [index, node] of nodes.entries())
    replace(new RegExp(`(?<=^ {4}server node${index + 1} )10\\.0\\.0\\.\\d+:9501$`, "m"), `127.0.0.1:${node.port}`);
  const file = join(await temporaryFolder(t), "haproxy.cfg");
  await writeFile(file, change(text));
  const child = new Child(t, await ensureCommand("haproxy", "haproxy"), ["-W", "-db", "-f", file]);
  const answers = (): Promise<boolean> =>
    fetch(`http://127.0.0.1:${port}/`).then(
      ({ status }) => status === 426,
      () => false,
    );
  await until(answers, () => `HAProxy does not serve: ${child.output}`);
  return { url: `ws://127.0.0.1:${port}`, child };
}
