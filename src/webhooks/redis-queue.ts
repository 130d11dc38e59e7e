/**
 * The queue of all nodes: a Redis stream, read through a consumer group by whichever node holds the right to send. When
 * that one dies, the next takes over what was under way and goes on behind it, in order.
 *
 * The rule: an event is known by its id. Offered by every node that noticed it, and again where Redis gave no answer, it
 * is added once.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { RedisClient, RedisConnection } from "../bus/redis-connection.ts";
import type { WebhookEvent } from "./event.ts";
import { batchOf, type Queue, type QueueFigures, type Waiting } from "./queue.ts";
import { addScript, lockScript, settleScript, unlockScript } from "./redis-scripts.ts";
import type { WebhookLimits } from "./webhook-options.ts";

export interface RedisQueueOptions extends WebhookLimits {
  /** What its keys begin with, a hash tag included. */
  readonly key: string;
  /** Who this process is among those that may send. */
  readonly holder: string;
  /** The right to send is renewed in time, also while a request takes its longest. */
  readonly lockMs: number;
}

export interface RedisQueueEvents {
  dropped(events: number): void;
  /** Redis cannot be used for one of the two, or can again. */
  failed(part: "add" | "take", error: Error): void;
  worked(part: "add" | "take"): void;
}

const group = "senders";
/** One name for all of them: what the last one had under way is the next one's. */
const consumer = "sender";
/** Events are collected for this long, less a random part of it: nodes that noticed the same do not offer it at once. */
const collectMs = 40;
const offeredMax = 500;
const offeredBytesMax = 512 * 1024;
/** How long an event's id is known. Nodes notice the same event within moments, or they were away. */
const knownSeconds = 120;
/** After its last event, a queue that nobody reads any more is kept for so much longer than an event may wait. */
const keptSeconds = 3600;
const troubleMs = 300;
const lockPauseMs = 500;
const tickMs = 1000;
const farewellMs = 3000;

export class RedisQueue implements Queue {
  readonly isLasting = true;
  readonly #options: RedisQueueOptions;
  readonly #connection: RedisConnection;
  readonly #events: RedisQueueEvents;
  readonly #keys: Readonly<Record<"stream" | "bytes" | "dead" | "lock", string>>;
  readonly #ticking: NodeJS.Timeout;
  #collected: WebhookEvent[] = []; // not yet in Redis, oldest first
  #collectedBytes = 0;
  #offering: Promise<void> | undefined;
  #lockedUntilMs = Number.NEGATIVE_INFINITY; // monotonic, as those below
  #lockTriedMs = Number.NEGATIVE_INFINITY;
  #isClaiming = true; // what a sender before left under way comes first
  #claimedMs = 0;
  #read: readonly Waiting[] = []; // this process' to send
  #settled: { readonly events: readonly Waiting[]; readonly reason: string }[] = []; // Redis is still to be told
  #inRedis: QueueFigures = { length: 0, oldestSinceMs: undefined, deadLetters: 0 };
  #isStopping = false;
  #isStopped = false;

  constructor(options: RedisQueueOptions, connection: RedisConnection, events: RedisQueueEvents) {
    const { key } = options;
    this.#options = options;
    this.#connection = connection;
    this.#events = events;
    this.#keys = { stream: `${key}:events`, bytes: `${key}:bytes`, dead: `${key}:dead`, lock: `${key}:sender` };
    this.#ticking = setInterval(() => void this.#tick(), Math.min(tickMs, options.lockMs / 4));
  }

  add(event: WebhookEvent): void {
    const { queueMax, queueBytesMax } = this.#options;
    if (this.#collected.length >= queueMax || this.#collectedBytes + event.json.length > queueBytesMax)
      return this.#events.dropped(1);
    this.#collected.push(event);
    this.#collectedBytes += event.json.length;
    this.#offering ??= this.#offer();
  }

  get isSender(): boolean {
    return performance.now() < this.#lockedUntilMs;
  }

  async next(countMax: number): Promise<readonly Waiting[]> {
    await this.#tellSettled();
    if (!this.isSender) {
      if (performance.now() - this.#lockTriedMs < lockPauseMs || !(await this.#lock())) return [];
    }
    if (this.#read.length === 0) this.#read = await this.#take(countMax);
    return batchOf(this.#read, countMax);
  }

  async delivered(events: readonly Waiting[]): Promise<void> {
    await this.bury(events, "");
  }

  async bury(events: readonly Waiting[], reason: string): Promise<void> {
    this.#read = this.#read.slice(events.length); // they are the oldest
    this.#settled.push({ events, reason });
    await this.#tellSettled();
  }

  /** Of Redis a second ago at most; what this process has not handed over yet counts too. */
  get figures(): QueueFigures {
    const { length, oldestSinceMs, deadLetters } = this.#inRedis;
    return { length: length + this.#collected.length, oldestSinceMs, deadLetters };
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    clearInterval(this.#ticking);
    await Promise.race([this.#offering, sleep(farewellMs, undefined, { ref: false })]);
    this.#isStopped = true;
    if (this.#collected.length > 0) this.#events.dropped(this.#collected.length);
    await this.#run((client) => client.eval(unlockScript, 1, this.#keys.lock, this.#options.holder)).catch(() => {});
  }

  /** Until nothing is collected any more. */
  async #offer(): Promise<void> {
    while (this.#collected.length > 0 && !this.#isStopped) {
      if (!this.#isStopping && this.#collected.length < offeredMax) await sleep(collectMs * Math.random());
      const events = this.#firstCollected();
      try {
        await this.#addUnknown(events);
        this.#events.worked("add");
        this.#collected = this.#collected.slice(events.length);
        for (const { json } of events) this.#collectedBytes -= json.length;
      } catch (error) {
        this.#events.failed("add", error as Error);
        await sleep(troubleMs);
      }
    }
    this.#offering = undefined;
  }

  #firstCollected(): readonly WebhookEvent[] {
    let bytes = 0;
    let count = 0;
    while (count < Math.min(offeredMax, this.#collected.length) && bytes < offeredBytesMax) {
      bytes += this.#collected[count]!.json.length;
      count += 1;
    }
    return this.#collected.slice(0, count);
  }

  /** Asks first which of those that others notice too are known, for most are: their text need not be sent. */
  async #addUnknown(events: readonly WebhookEvent[]): Promise<void> {
    const { stream, bytes } = this.#keys;
    const { queueMax, queueBytesMax, maxAgeSeconds } = this.#options;
    const marks = events.map(({ id }) => `${this.#options.key}:known:${id}`);
    const known = events.some(({ isShared }) => isShared) ? await this.#run((client) => client.mget(marks)) : [];
    const unknown = [...events.keys()].filter((i) => (known[i] ?? null) === null);
    if (unknown.length === 0) return;
    const keys = [stream, bytes, ...unknown.map((i) => marks[i]!)];
    const limits = [queueMax, queueBytesMax, knownSeconds, maxAgeSeconds + keptSeconds];
    const texts = unknown.map((i) => events[i]!.json);
    const full = await this.#run((client) => client.eval(addScript, keys.length, ...keys, ...limits, ...texts));
    if (full !== 0) this.#events.dropped(full as number);
  }

  /** Entries that a sender before this one left unsettled, then new ones. */
  async #take(countMax: number): Promise<readonly Waiting[]> {
    try {
      if (this.#isClaiming) {
        const left = await this.#readFrom("0", countMax);
        if (left.length > 0) return left;
        this.#isClaiming = false;
        this.#claimedMs = performance.now();
      }
      const fresh = await this.#readFrom(">", countMax);
      this.#events.worked("take");
      // A sender that stood still may have read something after this one took over: looked for now and then.
      if (fresh.length === 0) this.#isClaiming = performance.now() - this.#claimedMs > this.#options.lockMs;
      return fresh;
    } catch (error) {
      this.#isClaiming = true; // what was read may not have arrived here
      if (/NOGROUP|no such key/i.test((error as Error).message)) return this.#createGroup();
      this.#events.failed("take", error as Error);
      throw error;
    }
  }

  /** `from`: ">" for entries that nobody has read, "0" for those that were read and not settled. */
  async #readFrom(from: ">" | "0", countMax: number): Promise<readonly Waiting[]> {
    const answer = (await this.#run((client) =>
      client.xreadgroup("GROUP", group, consumer, "COUNT", countMax, "STREAMS", this.#keys.stream, from),
    )) as [string, RawEntry[]][] | Record<string, RawEntry[]> | null; // the second in RESP3
    const entries = Array.isArray(answer) ? answer[0]?.[1] : Object.values(answer ?? {})[0];
    return (entries ?? []).flatMap(waitingOf);
  }

  /** Redis is new, or lost its data. */
  async #createGroup(): Promise<readonly Waiting[]> {
    await this.#run((client) => client.xgroup("CREATE", this.#keys.stream, group, "0", "MKSTREAM"));
    return [];
  }

  async #tellSettled(): Promise<void> {
    const { stream, bytes, dead } = this.#keys;
    for (let first = this.#settled[0]; first !== undefined; first = this.#settled[0]) {
      const { events, reason } = first;
      const args = [group, reason, this.#options.deadLettersMax, ...events.map(({ place }) => place)];
      await this.#run((client) => client.eval(settleScript, 3, stream, bytes, dead, ...args));
      this.#settled.shift();
    }
  }

  /** Takes the right to send, or keeps it. */
  async #lock(): Promise<boolean> {
    const { holder, lockMs } = this.#options;
    const askedMs = performance.now();
    this.#lockTriedMs = askedMs;
    const wasSender = this.isSender;
    const isTaken = await this.#run((client) => client.eval(lockScript, 1, this.#keys.lock, holder, lockMs));
    this.#lockedUntilMs = isTaken === 1 ? askedMs + lockMs : Number.NEGATIVE_INFINITY;
    if (!wasSender || isTaken !== 1) {
      this.#read = []; // another one may have sent it meanwhile
      this.#isClaiming = true;
    }
    return isTaken === 1;
  }

  async #tick(): Promise<void> {
    const { stream, dead } = this.#keys;
    try {
      if (this.isSender) await this.#lock();
      const [length, oldest, deadLetters] = await Promise.all([
        this.#run((client) => client.xlen(stream)),
        this.#run((client) => client.xrange(stream, "-", "+", "COUNT", 1)),
        this.#run((client) => client.xlen(dead)),
      ]);
      this.#inRedis = { length, oldestSinceMs: oldest[0] && sinceMsOf(oldest[0][0]), deadLetters };
    } catch {
      // The figures are those of before; what cannot be sent or added says so.
    }
  }

  #run<T>(command: (client: RedisClient) => Promise<T>): Promise<T> {
    return this.#connection.run(command);
  }
}

/** No fields: it was deleted by hand. */
type RawEntry = readonly [id: string, fields: readonly string[] | null];

function waitingOf([place, fields]: RawEntry): Waiting[] {
  const json = fields?.[1];
  return json === undefined ? [] : [{ place, json, sinceMs: sinceMsOf(place) }];
}

/** The id of a stream entry begins with the time of its server. */
const sinceMsOf = (id: string): number => Number(id.split("-", 1)[0]);
