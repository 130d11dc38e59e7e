/**
 * The webhooks of a gateway: what its receivers asked for is put into a queue for each of them and sent from there.
 *
 * The rule: there is one for each log. A process that holds its log has one; workers hand their events to their
 * supervisor's. Nothing here ever waits for a receiver but the sending itself.
 */
import { createHash, randomBytes } from "node:crypto";
import { RedisConnection } from "../bus/redis-connection.ts";
import type { RedisOptions } from "../bus/redis-options.ts";
import { limited } from "../log/limited-log.ts";
import type { Log } from "../log/log.ts";
import { zeros } from "../metrics/counters.ts";
import { matches } from "../protocol/names.ts";
import type { EventSink, WebhookEvent } from "./event.ts";
import { MemoryQueue } from "./memory-queue.ts";
import type { Queue } from "./queue.ts";
import { RedisQueue } from "./redis-queue.ts";
import type { Outcome } from "./request.ts";
import { Sender } from "./sender.ts";
import { type EventName, eventNames, type WebhookLimits, type WebhookOptions } from "./webhook-options.ts";
import { loadWebhookSecrets } from "./webhook-secrets.ts";

/** What webhooks have done and how they are, for the metrics and for people. */
export interface WebhookFigures {
  /** Events noticed that a receiver wants, by name. */
  readonly events: Readonly<Record<EventName, number>>;
  /** Requests by what became of them. */
  readonly deliveries: Readonly<Record<Outcome, number>>;
  readonly delivered: number;
  readonly dropped: number;
  readonly buried: number;
  readonly receivers: readonly ReceiverFigures[];
}

export interface ReceiverFigures {
  /** Without what may be secret in it. */
  readonly url: string;
  /** Events that wait. */
  readonly queued: number;
  /** For how long the oldest of them has waited. */
  readonly oldestSeconds: number;
  /** Dead letters that are kept; without Redis, that there have been. */
  readonly deadLetters: number;
}

interface Endpoint {
  /** Origin and path. */
  readonly name: string;
  readonly options: WebhookOptions;
  readonly events: ReadonlySet<EventName>;
  readonly queue: Queue;
  readonly sender: Sender;
}

/** For what waits in memory when the process is to end. */
const farewellMs = 3000;
/** A sender that dies is followed by another after this, and the time of a request. */
const lockGraceMs = 3000;

export class Webhooks implements EventSink {
  readonly #endpoints: readonly Endpoint[];
  readonly #connection: RedisConnection | undefined;
  readonly #log: Log;
  readonly #counts = {
    events: zeros(eventNames),
    deliveries: zeros<Outcome>(["delivered", "refused", "failed", "away"]),
    delivered: 0,
    dropped: 0,
    buried: 0,
  };
  #isFull = false; // said so
  #isStopped = false;
  readonly #failing = new Set<string>(); // what cannot be done in Redis

  /** Throws `AuthSetupError` where a secret cannot be had. `redis`: where the queues are; `undefined`: in this process. */
  constructor(webhooks: readonly WebhookOptions[], limits: WebhookLimits, redis: RedisOptions | undefined, log: Log) {
    this.#log = limited(log, { linesPerSecond: 5 });
    const secrets = loadWebhookSecrets(webhooks); // before anything is opened
    this.#connection = redis && new RedisConnection(redis, () => {}); // commands fail, and say so
    this.#endpoints = webhooks.map((options, i) => this.#createEndpoint(options, secrets[i]!, limits, redis));
  }

  wants(event: EventName): boolean {
    return this.#endpoints.some(({ events }) => events.has(event));
  }

  emit(event: WebhookEvent): void {
    let isWanted = false;
    for (const { options, events, queue } of this.#endpoints) {
      if (!events.has(event.event) || !concerns(options.channels, event.channel)) continue;
      isWanted = true;
      queue.add(event);
    }
    if (isWanted) this.#counts.events[event.event] += 1;
  }

  figures(): WebhookFigures {
    const receivers = this.#endpoints.map(({ name, queue }) => {
      const { length, oldestSinceMs, deadLetters } = queue.figures;
      const oldestSeconds = oldestSinceMs === undefined ? 0 : Math.max(0, Date.now() - oldestSinceMs) / 1000;
      return { url: name, queued: length, oldestSeconds, deadLetters };
    });
    return { ...this.#counts, receivers };
  }

  /** Sends or keeps what waits, for a few seconds at most. A second call does nothing. */
  async stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    await Promise.all(
      this.#endpoints.map(async ({ name, queue, sender }) => {
        await sender.stop(farewellMs);
        const { length } = queue.figures;
        if (!queue.isLasting && length > 0)
          this.#log.warn(
            { webhook: name, events: length },
            "webhook events are lost: their receiver did not take them",
          );
        await queue.stop();
      }),
    );
    this.#connection?.stop();
  }

  #createEndpoint(
    options: WebhookOptions,
    secret: Buffer,
    limits: WebhookLimits,
    redis: RedisOptions | undefined,
  ): Endpoint {
    const { url: text, timeoutMs, batchMax } = options;
    const url = new URL(text);
    const name = url.origin + url.pathname;
    const queue = this.#createQueue(text, name, timeoutMs, limits, redis);
    const receiver = { url, secret, timeoutMs };
    const sender = new Sender({ ...limits, batchMax }, queue, receiver, this.#log.child({ webhook: name }), {
      attempted: (outcome) => {
        this.#counts.deliveries[outcome] += 1;
      },
      delivered: (events) => {
        this.#counts.delivered += events;
        this.#isFull = false;
      },
      buried: (events) => {
        this.#counts.buried += events;
      },
    });
    return { name, options, events: new Set(options.events), queue, sender };
  }

  #createQueue(
    url: string,
    name: string,
    timeoutMs: number,
    limits: WebhookLimits,
    redis: RedisOptions | undefined,
  ): Queue {
    if (redis === undefined || this.#connection === undefined)
      return new MemoryQueue(limits, () => this.#dropped(name, 1));
    const key = `${redis.prefix}{webhooks}:${createHash("sha256").update(url).digest("hex").slice(0, 12)}`;
    const holder = randomBytes(6).toString("base64url");
    return new RedisQueue({ ...limits, key, holder, lockMs: timeoutMs + lockGraceMs }, this.#connection, {
      dropped: (events) => this.#dropped(name, events),
      failed: (part, error) => {
        if (this.#failing.size === 0)
          this.#log.warn({ reason: error.message }, "webhooks: Redis is in trouble, events wait in this process");
        this.#failing.add(`${part} ${name}`);
      },
      worked: (part) => {
        if (this.#failing.delete(`${part} ${name}`) && this.#failing.size === 0)
          this.#log.info({}, "webhooks: Redis is back");
      },
    });
  }

  #dropped(webhook: string, events: number): void {
    this.#counts.dropped += events;
    if (!this.#isFull) this.#log.warn({ webhook }, "webhook queue is full: events are dropped");
    this.#isFull = true;
  }
}

function concerns(patterns: readonly string[], channel: string | undefined): boolean {
  return channel === undefined || patterns.some((pattern) => pattern === ">" || matches(pattern, channel));
}
