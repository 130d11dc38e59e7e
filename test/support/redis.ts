/**
 * Real Redis servers for tests, with everything that may happen to one: ended, killed, frozen, emptied, refused; and a
 * network before it that can be cut, slowed and made to swallow answers. Nothing of it outlives its test.
 */
import { access, mkdtemp, rm } from "node:fs/promises";
import { connect as connectTo, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";

import { Redis } from "ioredis";
import { Child, freePort, type Lifetime, patienceMs, until } from "./child.ts";
import { ensureCommand } from "./debian.ts";

export interface RedisSettings {
  /** `requirepass`. */
  readonly password?: string;
  /** Further settings, as on the command line: `["--maxmemory", "3mb"]`. */
  readonly args?: readonly string[];
  /** False: not started yet, see `start`. */
  readonly isStarted?: boolean;
}

export class TestRedis {
  readonly port: number;
  readonly folder: string;
  readonly #t: Lifetime;
  readonly #settings: RedisSettings;
  #child: Child | undefined;
  #client: Redis | undefined;

  constructor(t: Lifetime, port: number, folder: string, settings: RedisSettings) {
    this.port = port;
    this.folder = folder;
    this.#t = t;
    this.#settings = settings;
  }

  get url(): string {
    const { password } = this.#settings;
    return `redis://${password === undefined ? "" : `:${password}@`}127.0.0.1:${this.port}`;
  }

  /** Starts it with what its folder holds; resolves once it takes commands. */
  async start(): Promise<void> {
    const { password, args = [] } = this.#settings;
    const own = ["--port", `${this.port}`, "--bind", "127.0.0.1", "--dir", this.folder, "--save", ""];
    const prompt = ["--repl-diskless-sync-delay", "0"]; // else a replica waits for others, 5 s
    // What it acknowledged is written then: a killed server has it, and no test waits for a disk.
    const lasting = ["--appendonly", "yes", "--appendfsync", "no"];
    const secret = password === undefined ? [] : ["--requirepass", password];
    this.#child = new Child(this.#t, await serverCommand(), [...own, ...lasting, ...prompt, ...secret, ...args]);
    await this.#child.printed(/Ready to accept connections/i);
  }

  /** Ends it; what it acknowledged stays. */
  async stop(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
    this.#client?.disconnect();
    this.#client = undefined;
    this.resume();
    await this.#child?.kill(signal);
  }

  /** Ends it and removes its data. */
  async stopAndForget(): Promise<void> {
    await this.stop("SIGKILL");
    await rm(join(this.folder, "appendonlydir"), { recursive: true, force: true });
  }

  freeze(): void {
    this.#child?.process.kill("SIGSTOP");
  }

  resume(): void {
    this.#child?.process.kill("SIGCONT");
  }

  /** Gives a stream a last id of an hour from now: its clock was ahead, and that of whoever comes after it is not. */
  async wasAhead(stream: string): Promise<void> {
    await this.client.call("XSETID", stream, `${Date.now() + 3_600_000}-0`);
  }

  /** A client for the test's own questions. */
  get client(): Redis {
    if (this.#client === undefined) {
      const client = new Redis(this.url, { retryStrategy: () => 100 });
      client.on("error", () => {});
      this.#t.after(() => client.disconnect());
      this.#client = client;
    }
    return this.#client;
  }

  /** How often each command was run since the server's start, or the last `CONFIG RESETSTAT`. */
  async commandCounts(): Promise<Record<string, number>> {
    const info = await this.client.info("commandstats");
    return Object.fromEntries([...info.matchAll(/cmdstat_(\S+):calls=(\d+)/g)].map(([, name, n]) => [name, Number(n)]));
  }
}

export async function startRedis(t: Lifetime, settings: RedisSettings = {}): Promise<TestRedis> {
  const folder = await mkdtemp(join(tmpdir(), "tidegate-redis-"));
  const redis = new TestRedis(t, await freePort(), folder, settings);
  if (settings.isStarted !== false) await redis.start();
  t.after(async () => {
    await redis.stop("SIGKILL");
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  });
  return redis;
}

async function serverCommand(): Promise<string> {
  for (const name of ["redis-server", "valkey-server"]) {
    const path = (process.env.PATH ?? "").split(delimiter).map((folder) => join(folder, name));
    const found = await Promise.all(path.map((file) => isThere(file)));
    const index = found.indexOf(true);
    if (index !== -1) return path[index]!;
  }
  return ensureCommand("redis-server", "redis-server");
}

const isThere = (file: string): Promise<boolean> =>
  access(file).then(
    () => true,
    () => false,
  );

/** A stretch of network before a server; `url` is how to reach the server through it. */
export class TestProxy {
  readonly #target: number;
  readonly #server: Server;
  readonly #pairs = new Set<readonly [client: Socket, server: Socket]>();
  #isClosed = false; // refuses new connections
  #isSilent = false; // accepts, and passes nothing on
  #swallowed: string | undefined; // answers on connections on which this word was sent
  #late: { readonly command: string; readonly ms: number } | undefined;
  delayMs = 0;
  /** Changes answers; the length of each stays the same. */
  rewrite: (answer: string) => string = (answer) => answer;
  /** Connections that were made through it. */
  connections = 0;
  /** Bytes of answers that never arrived. */
  swallowed = 0;

  constructor(target: number) {
    this.#target = target;
    this.#server = createServer((client) => this.#accept(client));
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  listen(): Promise<void> {
    return new Promise((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
  }

  /** Ends all connections, with FIN, and refuses new ones until `restore`. */
  cut(): void {
    this.#isClosed = true;
    for (const pair of this.#pairs) for (const socket of pair) socket.end();
  }

  /** Resets all connections, once. */
  reset(): void {
    for (const pair of this.#pairs) for (const socket of pair) socket.resetAndDestroy();
  }

  /** Passes nothing on any more, in either direction, and tells nobody: a cable that was pulled. */
  silence(): void {
    this.#isSilent = true;
    for (const pair of this.#pairs) for (const socket of pair) socket.pause();
  }

  /** Requests arrive, answers do not; with `command`, on the connections that send it. */
  swallowReplies(command = ""): void {
    this.#swallowed = command;
  }

  /** Answers take longer on the connections that send `command`. */
  delayReplies(command: string, ms: number): void {
    this.#late = { command, ms };
  }

  /** As before; what was silenced stays lost, as after a router's restart: its connections are dead. */
  restore(): void {
    this.#isClosed = false;
    this.#isSilent = false;
    this.#swallowed = undefined;
    this.#late = undefined;
  }

  close(): void {
    this.#server.close();
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy();
  }

  #accept(client: Socket): void {
    client.on("error", () => {});
    if (this.#isClosed) return void client.destroy();
    this.connections += 1;
    const server = connectTo(this.#target, "127.0.0.1");
    const pair = [client, server] as const;
    this.#pairs.add(pair);
    for (const socket of pair) {
      socket.on("error", () => {});
      socket.on("close", () => {
        this.#pairs.delete(pair);
        if (this.#isSilent) return;
        client.destroy();
        server.destroy();
      });
    }
    let sent = "";
    client.on("data", (bytes) => {
      if (sent.length < 10_000) sent += bytes.toString("latin1").toLowerCase();
      this.#pass(server, bytes);
    });
    server.on("data", (bytes) => {
      if (this.#swallowed !== undefined && sent.includes(this.#swallowed)) this.swallowed += bytes.length;
      else {
        const isLate = this.#late !== undefined && sent.includes(this.#late.command);
        this.#pass(client, Buffer.from(this.rewrite(bytes.toString("latin1")), "latin1"), isLate ? this.#late?.ms : 0);
      }
    });
    if (this.#isSilent) for (const socket of pair) socket.pause();
  }

  #pass(to: Socket, bytes: Buffer, moreMs = 0): void {
    if (this.#isSilent) return;
    const delayMs = this.delayMs + moreMs;
    if (delayMs === 0) to.write(bytes);
    else setTimeout(() => to.writable && to.write(bytes), delayMs);
  }
}

/** Before anything that listens on a port of loopback. */
export async function startProxy(t: Lifetime, { port }: { readonly port: number }): Promise<TestProxy> {
  const proxy = new TestProxy(port);
  await proxy.listen();
  t.after(() => proxy.close());
  return proxy;
}

/** Resolves once `holds`; rejects with `wanted` after `withinMs`. */
export async function eventually(
  holds: () => boolean | Promise<boolean>,
  wanted: string,
  withinMs = patienceMs,
): Promise<void> {
  await until(holds, () => `waited in vain: ${wanted}`, withinMs);
}
