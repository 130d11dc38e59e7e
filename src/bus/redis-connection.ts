/**
 * One connection to Redis that comes back by itself: a single server, the master behind Sentinels, or a Cluster.
 *
 * The rule: a command either answers, or fails within its time. ioredis' own resending is off, for a resent command may
 * be carried out twice and a pending one may never settle; every caller knows how to try again.
 */
import { EventEmitter } from "node:events";
import { createRequire } from "node:module";
import type { Cluster, Redis } from "ioredis";
import type { RedisOptions } from "./redis-options.ts";

export type RedisClient = Redis | Cluster;

/** A server that takes 2 s for each answer is slow, not gone. */
export const commandTimeoutMs = 4000;

export const isCluster = (client: RedisClient): client is Cluster => client.isCluster;

/** A command that failed for want of a connection, or took too long. */
export class RedisUnavailable extends Error {
  readonly code = "REDIS_UNAVAILABLE";
}

export class RedisConnection {
  readonly #client: RedisClient;
  readonly #events = new EventEmitter();
  #isReady = false;
  #isStopped = false;
  /** Rises with every new connection, in a Cluster with every one that ends: what was true of a server may not be now. */
  generation = 0;

  /** `onError` gets what goes wrong on the connection itself, as often as it is tried. */
  constructor(options: RedisOptions, onError: (error: Error) => void) {
    this.#client = createClient(options);
    this.#events.setMaxListeners(0);
    this.#client.on("ready", () => {
      this.#isReady = true;
      this.generation += 1;
      this.#events.emit("ready");
    });
    this.#client.on("close", () => {
      this.#isReady = false;
      this.#events.emit("lost");
    });
    this.#client.on("error", onError);
    // The Cluster as a whole stays ready while the connection to one of its servers is another one than before.
    if (isCluster(this.#client))
      this.#client.on("+node", (server: Redis) => {
        server.on("close", () => {
          this.generation += 1;
        });
      });
    const open = (): void => {
      if (!this.#isStopped) this.#client.connect().catch(onError); // it goes on trying
    };
    // But not for ever: ioredis ends for good where a Sentinel's +switch-master meets a connection that is being made.
    this.#client.on("end", () => setTimeout(open, endPauseMs));
    open();
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  /** Runs one command. Rejects with `RedisUnavailable` where there is no connection, or no answer within `timeoutMs`. */
  run<T>(command: (client: RedisClient) => Promise<T>, timeoutMs = commandTimeoutMs): Promise<T> {
    if (!this.#isReady) return Promise.reject(new RedisUnavailable("no connection to Redis"));
    const { generation } = this;
    return new Promise<T>((resolve, reject) => {
      const fail = (reason: string): void => {
        settle();
        reject(new RedisUnavailable(reason));
      };
      const onLost = (): void => fail("the connection to Redis was lost");
      const timer = setTimeout(() => {
        fail(`Redis did not answer within ${timeoutMs} ms`);
        // A frozen server or a half-open connection: only a new one gets out of it.
        if (this.generation === generation) this.reconnect();
      }, timeoutMs);
      const settle = (): void => {
        clearTimeout(timer);
        this.#events.off("lost", onLost);
      };
      this.#events.once("lost", onLost);
      command(this.#client).then(
        (value) => {
          settle();
          resolve(value);
        },
        (error: unknown) => {
          settle();
          reject(error instanceof Error ? error : new Error(String(error)));
        },
      );
    });
  }

  /** Resolves once connected, or stopped. */
  async ready(): Promise<void> {
    while (!this.#isReady && !this.#isStopped) await new Promise((resolve) => this.#events.once("ready", resolve));
  }

  /** Gives the connection up for a new one. */
  reconnect(): void {
    if (this.#isStopped || !this.#isReady) return;
    this.#isReady = false;
    this.#events.emit("lost");
    if (!isCluster(this.#client)) return this.#client.disconnect(true);
    for (const node of this.#client.nodes("all")) node.disconnect(true);
    setTimeout(() => this.#clusterIsBack(), clusterPauseMs).unref();
  }

  stop(): void {
    this.#isStopped = true;
    this.#isReady = false;
    this.#client.disconnect();
    this.#events.emit("lost");
    this.#events.emit("ready");
  }

  /** A Cluster client has no event for nodes that came back: it is asked anew, and fails anew where they have not. */
  #clusterIsBack(): void {
    if (this.#isStopped || this.#client.status !== "ready") return;
    this.#isReady = true;
    this.generation += 1;
    this.#events.emit("ready");
  }
}

const clusterPauseMs = 500;
const endPauseMs = 100;
const connectTimeoutMs = 3000;
/** A connection that was given up is closed without waiting for the other end, which may be frozen. */
const disconnectTimeoutMs = 100;
/** Longer than any command of ours may take: it ends a handshake that is never answered, which `run` does not see. */
const silenceMaxMs = 7000;

/** Always the same, because it is part of the text of ioredis' error, and a log line is written for each new text. */
const sentinelPauseMs = 200;

/** At most 1 s between attempts, with jitter: ioredis' own way backs off to 5 s. */
const retryDelayMs = (attempt: number): number => Math.min(1000, attempt * 100) * (0.5 + Math.random() / 2);

const require = createRequire(import.meta.url);

function createClient(options: RedisOptions): RedisClient {
  // Loaded here: a gateway without Redis starts in less time, and does without 55 modules.
  const { Cluster, Redis } = require("ioredis") as typeof import("ioredis");
  const common = {
    lazyConnect: true,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    connectTimeout: connectTimeoutMs,
    disconnectTimeout: disconnectTimeoutMs,
    socketTimeout: silenceMaxMs,
    // A master that became a replica refuses writes: the next connection finds the new one.
    reconnectOnError: (error: Error) => error.message.startsWith("READONLY"),
    username: options.username === "" ? undefined : options.username,
    password: options.password === "" ? undefined : options.password,
    tls: options.tls ? {} : undefined,
  };
  if (options.cluster.length > 0) {
    return new Cluster(options.cluster.map(hostAndPort), {
      lazyConnect: true,
      enableOfflineQueue: false,
      redisOptions: common,
      clusterRetryStrategy: retryDelayMs,
      retryDelayOnFailover: 0, // not sent again, maybe to another server, when a connection ends under a command
      slotsRefreshTimeout: connectTimeoutMs,
    });
  }
  const single = { ...common, enableOfflineQueue: false, retryStrategy: retryDelayMs, db: options.database };
  if (options.sentinels.length > 0) {
    return new Redis({
      ...single,
      sentinels: options.sentinels.map(hostAndPort),
      name: options.sentinelName,
      failoverDetector: true,
      enableTLSForSentinelMode: true, // or `tls` would be passed over, and what is secret go in the clear
      sentinelTLS: common.tls,
      sentinelRetryStrategy: () => sentinelPauseMs,
      sentinelPassword: options.sentinelPassword === "" ? undefined : options.sentinelPassword,
    });
  }
  if (options.url !== "") {
    // What the URL has counts. ioredis would take its empty user beside a password, or the reverse, for given.
    const url = new URL(options.url);
    url.username ||= encodeURIComponent(url.searchParams.get("username") ?? options.username);
    url.password ||= encodeURIComponent(url.searchParams.get("password") ?? options.password);
    return new Redis(url.href, single);
  }
  return new Redis({ ...single, host: options.host, port: options.port });
}

function hostAndPort(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(":");
  return { host: address.slice(0, colon), port: Number(address.slice(colon + 1)) };
}
