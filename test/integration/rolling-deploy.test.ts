/**
 * A rolling deploy as Kubernetes does it with `maxSurge: 1` and `maxUnavailable: 0`: a new node starts and is ready, then
 * an old one gets preStop and SIGTERM; the next new one starts meanwhile, and only one node drains at a time. In front is
 * HAProxy by the file that is shipped, which knows of nodes what their readiness says.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { wrongsOf } from "../support/account.ts";
import { Child, freePort, temporaryFolder, until } from "../support/child.ts";
import { ensureCommand } from "../support/debian.ts";
import { typescript } from "../support/gateway-program.ts";
import { type NodeProcess, startNodeProcess } from "../support/node-process.ts";
import { startRedis } from "../support/redis.ts";
import type { CrowdOptions, CrowdReport } from "./crowd.ts";

const shipped = fileURLToPath(new URL("../../config/haproxy.cfg", import.meta.url));
const crowdProgram = fileURLToPath(new URL("crowd.ts", import.meta.url));

const replicas = 3;
const crowds = ["a", "b"]; // so that what is tested is the gateway, and not one process with 2,000 clients
const clientsPerCrowd = 1000;
/** HAProxy takes a node out within half of the delay. Members of channels with presence do not matter here. */
const drain = { delaySeconds: 2, seconds: 3 };
const checks = "inter 500ms fastinter 200ms downinter 500ms";
const preStop = ["sleep", "0.5"] as const;
/** Of a drain, see `drain.ts`. */
const stepMs = 50;

test("A rolling deploy over 3 nodes moves 2,000 clients: paced, none refused, nothing lost", async (t) => {
  const redis = await startRedis(t);
  const settings = { redis: { enabled: true, port: redis.port }, trustedProxies: ["127.0.0.1"], drain };
  const ports: number[] = [];
  while (ports.length < 2 * replicas) ports.push(await freePort());
  const start = (slot: number): Promise<NodeProcess> => startNodeProcess(t, { ...settings, port: ports[slot] });
  const [balancer, old] = await Promise.all([
    startHaproxy(t, ports),
    Promise.all(Array.from({ length: replicas }, (_, slot) => start(slot))),
  ]);
  for (const slot of ports.keys()) await balancer.sees(slot, slot < replicas ? "UP" : "DOWN");
  const crowd = crowds.map((name) => new Crowd(t, balancer.url, name));
  await Promise.all(crowd.map((one) => one.isReady()));

  const startedMs = performance.now();
  const fresh: NodeProcess[] = [];
  let starting = start(replicas);
  for (const [i, node] of old.entries()) {
    fresh.push(await starting);
    await balancer.sees(replicas + i, "UP");
    if (i + 1 < replicas) starting = start(replicas + i + 1);
    const [command, ...args] = preStop;
    await promisify(execFile)(command, args);
    await node.child.kill("SIGTERM");
    assert.equal(node.child.process.exitCode, 0);
  }
  const rolledMs = performance.now() - startedMs;
  const reports = await Promise.all(crowd.map((one) => one.report()));
  const moves = reports.flatMap((report) => report.moves);

  await t.test("no connection is refused, and none ends but by being sent elsewhere", () => {
    for (const { errors, ends } of reports) {
      assert.deepEqual(errors.slice(0, 5), []);
      assert.deepEqual(Object.keys(ends), ["1001"]);
    }
    for (const node of [...old, ...fresh]) assert.deepEqual(node.logLines("handshake refused"), []);
  });

  await t.test("every client is moved, by the drain of its node and within the window", () => {
    for (const { clientsByMoves } of reports) assert.equal(clientsByMoves[0], undefined, "some were not moved");
    let sentAway = 0;
    for (const node of old) {
      const [drained] = node.logLines("connections sent elsewhere") as unknown as Drained[];
      const { connections, tookMs, stillMs } = drained!;
      // By the clock, whatever the timers do; but nobody is sent away while the machine does not let a process run.
      assert.ok(tookMs <= drain.seconds * 1000 + 2 * stepMs + stillMs, `it took ${tookMs} ms, still for ${stillMs}`);
      t.diagnostic(`sent away within ${tookMs} ms, in which it stood still for ${stillMs}`);
      sentAway += connections;
    }
    assert.equal(moves.length, sentAway, "nobody was moved in another way");
    assert.ok(sentAway >= crowds.length * clientsPerCrowd);
  });

  await t.test("they come back at no more than twice the average rate", () => {
    const moveOf = new Map(moves.map((move) => [move.connection, move]));
    for (const node of old) {
      const sent = node.logLines("connection sent elsewhere") as {
        time: string;
        connection: number;
        retryInMs: number;
      }[];
      const average = sent.length / drain.seconds;
      // By the gateway's pacing: when each was sent away, and for when it was asked back. When a busy machine lets clients
      // come is not the gateway's doing: it is told here, and not judged.
      const peak = most(sent.map((line) => timeOf(line) + line.retryInMs));
      assert.ok(peak <= 2 * average, `${peak} in a second, on average ${average}`);
      const came = sent.map(({ connection }) => moveOf.get(connection)!);
      t.diagnostic(
        `${sent.length} sent away: on average ${average}/s, at most ${peak}/s asked back, ${most(came.map(({ atMs }) => atMs))}/s came`,
      );
      assert.deepEqual(
        came.map(({ retryInMs }) => retryInMs),
        sent.map(({ retryInMs }) => retryInMs),
      );
      assert.ok(most(sent.map(({ retryInMs }) => retryInMs)) > 2 * average, "the same count sees a herd");
    }
    const early = moves.filter((move) => move.waitedMs < move.retryInMs - timerEarlyMs);
    assert.deepEqual(early.slice(0, 5), [], "clients come when they were asked to, and not before");
  });

  await t.test("nothing is lost, doubled or out of order on channels with history", () => {
    for (const { account } of reports) {
      assert.deepEqual(wrongsOf(account, false), []);
      const { published, delivered, recovered } = account;
      assert.ok(published > clientsPerCrowd, `only ${published} messages were under way`);
      assert.ok(recovered > 0, "nothing was published while clients were away");
      t.diagnostic(`${published} published, ${delivered} delivered, ${recovered} of them by recovery`);
    }
    t.diagnostic(`the roll-out took ${Math.round(rolledMs)} ms`);
    t.diagnostic(`clients stood still for ${reports.map(({ stillMs }) => Math.round(stillMs))} ms at most`);
  });
});

/** What a node logs of its drain. */
interface Drained {
  readonly connections: number;
  readonly tookMs: number;
  /** Of it, the time for which the process stood still beyond what a drain makes up for. */
  readonly stillMs: number;
}

/** Node.js' timers may fire so much before their time, by its finer clock. */
const timerEarlyMs = 2;

const timeOf = ({ time }: { readonly time?: unknown }): number => Date.parse(String(time));

/** The most of `times` (ms) within any one second. */
function most(times: readonly number[]): number {
  const sorted = [...times].sort((a, b) => a - b);
  let from = 0;
  let peak = 0;
  for (const [i, time] of sorted.entries()) {
    while (time - sorted[from]! >= 1000) from += 1;
    peak = Math.max(peak, i - from + 1);
  }
  return peak;
}

/** A process full of clients, see `crowd.ts`. */
class Crowd {
  readonly #child: Child;

  constructor(t: TestContext, url: string, name: string) {
    const options: CrowdOptions = {
      url,
      name,
      clients: clientsPerCrowd,
      clientsPerChannel: 10,
      publicationsPerSecond: 200,
    };
    this.#child = new Child(t, process.execPath, [...typescript, crowdProgram, JSON.stringify(options)]);
  }

  async isReady(): Promise<void> {
    await this.#child.printed(/"ready"/);
  }

  /** Ends the load; resolves to what came of it. */
  async report(): Promise<CrowdReport> {
    this.#child.process.kill("SIGUSR2");
    await until(
      () => !this.#child.isRunning,
      () => `no report: ${this.#child.output.slice(-2000)}`,
      90_000,
    );
    const line = this.#child.output.split("\n").find((text) => text.startsWith('{"account"'));
    assert.ok(line !== undefined, this.#child.output.slice(-2000));
    return JSON.parse(line) as CrowdReport;
  }
}

interface Balancer {
  readonly url: string;
  /** Resolves once it takes the node of this slot for `state`. */
  sees(slot: number, state: "UP" | "DOWN"): Promise<void>;
}

/** Runs the shipped file with a server for each of `ports`, most of whom need not be there yet. */
async function startHaproxy(t: TestContext, ports: readonly number[]): Promise<Balancer> {
  const port = await freePort();
  const folder = await temporaryFolder(t);
  const stats = join(folder, "stats");
  let text = await readFile(shipped, "utf8");
  const replace = (pattern: RegExp, by: string): void => {
    assert.match(text, pattern);
    text = text.replace(pattern, by);
  };
  replace(/^ {4}bind :80$/m, `    bind 127.0.0.1:${port}`);
  replace(/^ {4}log stdout/m, `    stats socket ${stats}\n$&`);
  replace(/inter 2s fastinter 500ms downinter 1s/, checks);
  const servers = ports.map((node, i) => `    server node${i + 1} 127.0.0.1:${node}`).join("\n");
  replace(/^ {4}server node1 .*\n {4}server node2 .*$/m, servers);
  const file = join(folder, "haproxy.cfg");
  await writeFile(file, text);
  const child = new Child(t, await ensureCommand("haproxy", "haproxy"), ["-W", "-db", "-f", file]);
  return {
    url: `ws://127.0.0.1:${port}`,
    sees: (slot, state) =>
      until(
        async () => (await statesOf(stats)).get(`node${slot + 1}`) === state,
        () => `HAProxy does not see that node ${slot + 1} is ${state}: ${child.output}`,
      ),
  };
}

/** What HAProxy says of its servers on its socket, by name. Empty where it does not answer. */
async function statesOf(socketPath: string): Promise<ReadonlyMap<string, string>> {
  let csv = "";
  try {
    const socket = connect(socketPath);
    socket.end("show stat\n");
    for await (const chunk of socket) csv += chunk;
  } catch {} // it starts
  const rows = csv.split("\n").map((line) => line.split(","));
  const [name, status] = [rows[0]!.indexOf("svname"), rows[0]!.indexOf("status")];
  return new Map(rows.filter(([proxy]) => proxy === "nodes").map((row) => [row[name]!, row[status]!]));
}
