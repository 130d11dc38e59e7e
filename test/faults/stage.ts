/**
 * What a fault happens to: real nodes as processes of their own, a real Redis, networks between them that can be hurt, and
 * traffic over all of it that counts itself. All of it goes with the run.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Lifetime } from "../support/child.ts";
import { CountingClient } from "../support/counting-client.ts";
import type { CountingOptions, CountingPlace } from "../support/counting-options.ts";
import { type NodeProcess, readyzOf, startNodeProcess } from "../support/node-process.ts";
import { eventually, startProxy, type TestProxy, type TestRedis } from "../support/redis.ts";
import type { RedisCluster } from "../support/redis-cluster.ts";
import type { SentinelSetup } from "../support/sentinel.ts";
import { countedSettings, Traffic, type TrafficOptions, type TrafficSize } from "../support/traffic.ts";
import { type Servers, startServers } from "./servers.ts";

export interface StageOptions {
  /** 3 where nothing else is said. */
  readonly nodes?: number;
  /** Nodes that reach Redis through a network of their own, which can be cut; a single Redis only. */
  readonly proxied?: readonly number[];
  /** True: the traffic reaches each node through a network of its own, which can be cut. */
  readonly proxiesClients?: boolean;
  /** Behind what Redis is; "none": nodes do not share a log, and there is one. */
  readonly redis?: "single" | "sentinel" | "cluster" | "cluster-without-replicas" | "none";
  readonly redisArgs?: readonly string[];
  /** The `redis` section of the nodes, over the defaults. */
  readonly bus?: object;
  /** Other settings of the nodes. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Over those, of one node. */
  readonly settingsOf?: (node: number) => Readonly<Record<string, unknown>>;
  /** Instead of the gateway as it is shipped, for some of the nodes. */
  readonly programOf?: (node: number) => string | undefined;
  readonly size?: TrafficSize;
  readonly perSecond?: number;
  readonly traffic?: TrafficOptions;
  /** Variables of the nodes' environment. */
  readonly env?: NodeJS.ProcessEnv;
}

export const sizes = {
  full: { clients: 300, channels: 30, publishersPerChannel: 3 },
  quick: { clients: 60, channels: 10, publishersPerChannel: 3 },
} as const satisfies Record<string, TrafficSize>;

/** A connection that a client takes for dead after this long; nodes ping every second. */
const silenceMaxMs = 4000;
export const stream = "websocket:stream:0";
/** What a node logs when it enters one of its own. */
export const epochLine = "the log has a new epoch: clients are told that they may have missed messages";

export class Stage {
  readonly lifetime: Lifetime;
  readonly nodes: readonly NodeProcess[];
  /** Networks between the clients and each node, where the options ask for them. */
  readonly clientProxies: readonly TestProxy[];
  /** Starts another node, as the others are; no traffic goes to it. */
  readonly addNode: () => Promise<NodeProcess>;
  readonly traffic: Traffic;
  readonly perSecond: number;
  /** Of the schedule: 0 up to 1, by the seed. */
  readonly random: () => number;
  /** Clients that are counted besides the traffic. */
  readonly others: CountingClient[] = [];
  /** What could not be believed about the run, in words: a fault that did not happen, or hit nothing. */
  readonly doubts: string[] = [];
  /** Publications on their way at each moment when something was done. */
  readonly inFlight: number[] = [];
  readonly #redis: TestRedis | undefined;
  readonly #proxies: ReadonlyMap<number, TestProxy>;
  readonly #sentinel: SentinelSetup | undefined;
  readonly #cluster: RedisCluster | undefined;

  constructor(parts: {
    options: StageOptions;
    lifetime: Lifetime;
    random: () => number;
    nodes: readonly NodeProcess[];
    clientProxies: readonly TestProxy[];
    addNode: () => Promise<NodeProcess>;
    size: TrafficSize;
    servers: Servers;
  }) {
    const { options, lifetime, random, nodes, clientProxies, servers } = parts;
    this.lifetime = lifetime;
    this.random = random;
    this.nodes = nodes;
    this.clientProxies = clientProxies;
    this.addNode = parts.addNode;
    this.perSecond = options.perSecond ?? parts.size.clients * 2;
    this.#redis = servers.redis;
    this.#proxies = servers.proxies;
    this.#sentinel = servers.sentinel;
    this.#cluster = servers.cluster;
    const urls = (clientProxies.length > 0 ? clientProxies : nodes).map(urlOf);
    this.traffic = new Traffic(lifetime, urls, parts.size, {
      keys: true,
      someForget: true,
      silenceMaxMs,
      ...options.traffic,
    });
  }

  get redis(): TestRedis {
    return found(this.#redis, "Redis of its own");
  }

  /** The network between a node and Redis. */
  proxy(node: number): TestProxy {
    return found(this.#proxies.get(node), `network before node ${node}`);
  }

  get proxies(): readonly TestProxy[] {
    return [...this.#proxies.values()];
  }

  get sentinel(): SentinelSetup {
    return found(this.#sentinel, "Sentinels");
  }

  get cluster(): RedisCluster {
    return found(this.#cluster, "Cluster");
  }

  /** One more client that counts, apart from the traffic. */
  client(place: CountingPlace, options: CountingOptions = {}): CountingClient {
    const client = new CountingClient(this.lifetime, this.nodes.map(urlOf), place, { keys: true, ...options });
    this.others.push(client);
    return client;
  }

  /** Does what the row is about, at a moment when publications are on their way. */
  async strike<T>(act: () => T | Promise<T>): Promise<T> {
    await this.traffic.onTheWay();
    this.inFlight.push(this.traffic.sum("inFlight"));
    return act();
  }

  /** What shows that the fault was there. */
  async fired(happened: boolean | Promise<boolean>, what: string): Promise<void> {
    if (!(await happened)) this.doubts.push(`it did not happen: ${what}`);
  }

  /** Shows that nothing can be published: after what was on its way, no acknowledgement comes for `ms`. */
  async nothingAcknowledged(ms: number): Promise<void> {
    await sleep(300);
    const before = this.traffic.acknowledged;
    await sleep(ms);
    await this.fired(this.traffic.acknowledged === before, `nothing is acknowledged for ${ms} ms`);
  }

  /** Waits `ms`, or by the seed something between `ms` and `toMs`. */
  pause(ms: number, toMs = ms): Promise<void> {
    return sleep(ms + this.random() * (toMs - ms));
  }

  /** One of them, by the seed. */
  any<T>(list: readonly T[]): T {
    return list[Math.floor(this.random() * list.length)]!;
  }

  /** Resolves once `/readyz` of the nodes says so. */
  async ready(nodes = this.nodes, withinMs = 60_000): Promise<void> {
    for (const node of nodes)
      await eventually(async () => (await readiness(node)).isReady, `node on port ${node.port} ready`, withinMs);
  }

  /** Resolves once each of them says that it is not ready; to why. */
  async notReady(nodes = this.nodes): Promise<string[]> {
    for (const node of nodes) await eventually(async () => !(await readiness(node)).isReady, "not ready");
    return Promise.all(nodes.map(async (node) => (await readiness(node)).text));
  }

  /** The same, and each of them names Redis, or what is wrong with it, as the reason. */
  async notReadyFor(reason = /Redis: /, nodes = this.nodes): Promise<void> {
    const reasons = await this.notReady(nodes);
    await this.fired(
      reasons.every((text) => reason.test(text)),
      "every node says so",
    );
  }

  /** One metric of a node, by its full name with labels. */
  async metric(node: NodeProcess, name: string): Promise<number> {
    const lines = (await (await fetch(`http://127.0.0.1:${node.adminPort}/metrics`)).text()).split("\n");
    return Number(lines.find((line) => line.startsWith(`${name} `))?.slice(name.length + 1) ?? 0);
  }
}

/** Starts all of it; resolves once every client is subscribed and publications flow. */
export async function startStage(
  t: Lifetime,
  options: StageOptions,
  { program, random, size }: { program: string; random: () => number; size: TrafficSize },
): Promise<Stage> {
  const servers = await startServers(t, options);
  const { nodes: count = options.redis === "none" ? 1 : 3 } = options;
  const startNode = (n: number): Promise<NodeProcess> =>
    startNodeProcess(
      t,
      settingsFor(options, servers, n),
      { ...options.env, NODE_ENV: "production" },
      options.programOf?.(n) ?? program,
    );
  const nodes = await Promise.all(Array.from({ length: count }, (_, n) => startNode(n)));
  const clientProxies = options.proxiesClients ? await Promise.all(nodes.map((node) => startProxy(t, node))) : [];
  const addNode = (): Promise<NodeProcess> => startNode(count);
  const parts = { options, lifetime: t, random, nodes, clientProxies, addNode, servers };
  const stage = new Stage({ ...parts, size: options.size ?? size });
  await stage.traffic.subscribed();
  stage.traffic.flow(stage.perSecond);
  await eventually(() => stage.traffic.acknowledged > stage.perSecond / 4, "publications that flow");
  return stage;
}

function settingsFor(
  { bus, settings, settingsOf }: StageOptions,
  servers: Servers,
  node: number,
): Record<string, unknown> {
  const { redis, proxies, sentinel, cluster } = servers;
  const where = sentinel ? { sentinels: sentinel.sentinels } : cluster ? { cluster: cluster.addresses, shards: 3 } : {};
  const url = proxies.get(node)?.url ?? redis?.url ?? "";
  const isShared = redis !== undefined || sentinel !== undefined || cluster !== undefined;
  return {
    ...countedSettings(url, { leaseSeconds: 4, ...where, ...bus, enabled: isShared }),
    heartbeatInterval: 1,
    connectionTimeout: 10,
    log: { level: "info", format: "json" },
    drain: { delaySeconds: 0, seconds: 1 },
    ...settings,
    ...settingsOf?.(node),
  };
}

export const urlOf = ({ port, isTls = false }: { readonly port: number; readonly isTls?: boolean }): string =>
  `${isTls ? "wss" : "ws"}://127.0.0.1:${port}`;

async function readiness(node: NodeProcess): Promise<{ isReady: boolean; text: string }> {
  try {
    const response = await fetch(readyzOf(node));
    return { isReady: response.ok, text: await response.text() };
  } catch (error) {
    return { isReady: false, text: (error as Error).message };
  }
}

function found<T>(part: T | undefined, what: string): T {
  if (part === undefined) throw new Error(`this stage has no ${what}`);
  return part;
}
