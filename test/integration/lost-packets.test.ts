/** Peers whose packets vanish in both directions, without FIN or RST, and peers that take a few bytes at a time. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { Redis } from "ioredis";
import type { Child } from "../support/child.ts";
import { connect, type TestClient } from "../support/client.ts";
import { ensureCommand } from "../support/debian.ts";
import { FarHost } from "../support/far-host.ts";
import { startTestGateway } from "../support/gateway.ts";
import { typescript } from "../support/gateway-program.ts";
import { type NodeProcess, startNodeProcess } from "../support/node-process.ts";
import { eventually } from "../support/redis.ts";

const closedFor = (reason: string): string => `tidegate_connections_closed_total{reason="${reason}"}`;
const lobby = "presence.lobby";

describe("Clients whose packets vanish", () => {
  it("are closed by the idle time-out, leave presence, and leave nothing behind", async (t) => {
    const host = await FarHost.open(t);
    if (host === undefined) return;
    const settings = {
      host: host.here,
      heartbeatInterval: 1,
      connectionTimeout: 3,
      presence: { leaveGraceSeconds: 0 },
    };
    const gateway = await startTestGateway(t, settings);
    const url = `ws://${host.here}:${gateway.port}`;
    const watcher = await connect(t, url);
    await watcher.subscribe(lobby);
    await farClients(host, url, { count: 20, channel: lobby });
    assert.equal(await socketsTo(host.there), 20);
    await host.losePackets();
    // Something is on its way to each: it must not hold what is closed.
    for (let n = 0; n < 50; n += 1) watcher.request("message", { channel: lobby, message: "x".repeat(8000) });
    const left = (): number => watcher.of("presence").filter(({ event }) => event === "leave").length;
    await eventually(() => left() === 20, "20 leaves");
    assert.equal(await gateway.metric(closedFor("idle_timeout")), 20);
    assert.equal(await gateway.metric('tidegate_connections{format="json"}'), 1);
    assert.equal(await gateway.metric("tidegate_subscriptions"), 1);
    await eventually(async () => (await socketsTo(host.there)) === 0, "the end of their sockets");
    await watcher.settled();
  });
});

describe("A link to Redis whose packets vanish", () => {
  it("is given up, and what was published meanwhile is written once when they are found again", async (t) => {
    const host = await FarHost.open(t);
    if (host === undefined) return;
    const port = 6379;
    const redis = host.start(await ensureCommand("redis-server", "redis-server"), [
      ...["--port", `${port}`, "--bind", host.there, "--protected-mode", "no", "--save", "", "--appendonly", "no"],
    ]);
    await redis.printed(/Ready to accept connections/i);
    const url = `redis://${host.there}:${port}`;
    const gateway = await startTestGateway(t, { redis: { enabled: true, url } });
    const isReady = async (): Promise<boolean> => (await fetch(`http://127.0.0.1:${gateway.port}/readyz`)).ok;
    await eventually(isReady, "a node that is ready");
    const client = await connect(t, gateway.url);
    await client.subscribe("chat.a");
    await client.ask("message", { channel: "chat.a", message: "before" });
    const links = await socketsTo(host.there);
    const connections = await connectionsTo(url);
    await host.losePackets();
    const acknowledged = client.ask("message", { channel: "chat.a", message: "meanwhile" }).catch(() => undefined);
    await eventually(async () => !(await isReady()), "a node that says that it is not ready");
    assert.ok(gateway.logLines.some(({ msg }) => msg === "Redis is in trouble: publications wait"));
    await host.findPackets();
    await eventually(isReady, "a node that is ready again");
    await acknowledged;
    await client.next({ action: "message", message: "meanwhile" });
    await client.ask("message", { channel: "chat.a", message: "after" });
    await client.next({ action: "message", message: "after" });
    const messages = client.of("message").map(({ message }) => message);
    assert.deepEqual(messages, ["before", "meanwhile", "after"]);
    assert.ok((await connectionsTo(url)) > connections + 1, "it goes on over connections of before");
    await eventually(async () => (await socketsTo(host.there)) === links, "the end of the dead connections");
  });
});

describe("Clients with a receive window of a few hundred bytes", () => {
  it("have bounded queues, are closed and counted, whether they read or not, and others get everything", async (t) => {
    const host = await FarHost.open(t);
    if (host === undefined) return;
    await host.set("net.ipv4.tcp_rmem", "256 512 512");
    const [each, queueBytes] = [15, 1024 ** 2];
    const node = await startNodeProcess(t, {
      host: "0.0.0.0",
      sendQueueBytesMax: queueBytes,
      heartbeatsPerMinuteMax: 0,
    });
    const [publisher, witness] = [await connect(t, urlOf(node)), await connect(t, urlOf(node))];
    for (const client of [publisher, witness]) await client.subscribe("a");
    const url = `ws://${host.here}:${node.port}`;
    await Promise.all(["deaf", ""].map((manner) => farClients(host, url, { count: each, channel: "a", manner })));
    const muchBytes = 16 * queueBytes; // what each would have to hold without a limit
    const before = await peakBytes(node);
    const areCutOff = async (): Promise<boolean> => (await metric(node, "tidegate_subscriptions")) === 2;
    const published = await publishUntil(areCutOff, publisher, muchBytes / 8000);
    const areClosed = async (): Promise<boolean> => (await metric(node, closedFor("slow_consumer"))) === 2 * each;
    await eventually(areClosed, "the end of the slow ones");
    while (witness.of("message").length < published) await witness.next({ action: "message" });
    assert.deepEqual(
      witness.of("message").map(({ message }) => (message as { n: number }).n),
      Array.from({ length: published }, (_, n) => n),
    );
    // Four times, for the garbage of JavaScript beside it.
    const [grown, limit] = [(await peakBytes(node)) - before, 4 * 2 * each * queueBytes];
    assert.ok(grown < limit, `memory grew by ${grown} bytes, and should by ${2 * each * queueBytes}`);
    assert.equal(await metric(node, 'tidegate_connections{format="json"}'), 2);
  });
});

async function farClients(
  host: FarHost,
  url: string,
  { count, channel, manner = "" }: { count: number; channel: string; manner?: string },
): Promise<Child> {
  const program = fileURLToPath(new URL("far-clients.ts", import.meta.url));
  const child = host.start(process.execPath, [...typescript, program, url, `${count}`, channel, manner]);
  await child.printed(/all subscribed/);
  return child;
}

/** Publishes numbered messages of 8 KB until `isEnough`, and `atLeast` so many; resolves to how many. */
async function publishUntil(isEnough: () => Promise<boolean>, publisher: TestClient, atLeast: number): Promise<number> {
  const pad = "x".repeat(8000);
  let n = 0;
  for (; n < atLeast || !(await isEnough()); await publisher.settled())
    for (const end = n + 50; n < end; n += 1)
      publisher.request("message", { channel: "a", message: { n, pad }, echo: false });
  return n;
}

/** Sockets of programs of this machine to a far address. */
async function socketsTo(address: string): Promise<number> {
  const remote = Buffer.from(address.split(".").map(Number)).reverse().toString("hex").toUpperCase();
  const lines = (await readFile("/proc/net/tcp", "utf8")).trim().split("\n").slice(1);
  const fields = lines.map((line) => line.trim().split(/\s+/));
  return fields.filter(([, , to, , , , , , , inode]) => to!.startsWith(remote) && inode !== "0").length;
}

/** Connections that a Redis has ever had, with the one of this question. */
async function connectionsTo(url: string): Promise<number> {
  const client = new Redis(url);
  const [, count] = /total_connections_received:(\d+)/.exec(await client.info("stats"))!;
  client.disconnect();
  return Number(count);
}

/** The most that it has held in memory. */
async function peakBytes({ child }: NodeProcess): Promise<number> {
  const status = await readFile(`/proc/${child.process.pid}/status`, "utf8");
  return Number(/VmHWM:\s+(\d+)/.exec(status)![1]) * 1024;
}

const urlOf = ({ port }: NodeProcess): string => `ws://127.0.0.1:${port}`;

async function metric({ adminPort }: NodeProcess, name: string): Promise<number> {
  const lines = (await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text()).split("\n");
  return Number(lines.find((line) => line.startsWith(`${name} `))?.slice(name.length + 1) ?? 0);
}
