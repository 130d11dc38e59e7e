/**
 * The log of all workers, held by their supervisor: the bus as configured, the hub that hands it on, what a new worker
 * is filled with, and the workers' numbers.
 */
import { type AnswerRecord, type Apply, type Bus, type CommandRecord, nodesMax } from "../bus/bus.ts";
import type { BusFigures, BusStatus } from "../bus/bus-status.ts";
import { MemoryBus } from "../bus/memory-bus.ts";
import { RedisBus } from "../bus/redis-bus.ts";
import type { WorkerBusOptions } from "../bus/worker-bus.ts";
import { type SourceLog, WorkerHub } from "../bus/worker-hub.ts";
import { type WorkerLease, WorkerLeases } from "../bus/worker-leases.ts";
import { Idempotency } from "../channel/idempotency.ts";
import { Policies } from "../channel/policy.ts";
import type { Members } from "../channel/presence.ts";
import { systemClock } from "../clock/clock.ts";
import type { Config } from "../config/config-schema.ts";
import { createWebhooks, knownNodes, type WebhookHolder, watchLog } from "../gateway/node-webhooks.ts";
import type { Log } from "../log/log.ts";
import { deferred } from "./deferred.ts";
import { Replay } from "./replay.ts";
import { ReplayHistory } from "./replay-history.ts";

export interface SharedLog {
  readonly hub: WorkerHub;
  /** What the log brought, for whoever answers from it. */
  readonly state: {
    readonly bus: Bus;
    readonly policies: Policies;
    readonly members: Members;
    readonly history: ReplayHistory;
    readonly idempotency: Idempotency;
  };
  readonly workerBus: Omit<WorkerBusOptions, "incarnation">;
  /** Publications that came in since this process is up to date. */
  readonly publications: number;
  /** Of the log in Redis; see `Bus`. */
  readonly figures: (() => BusFigures) | undefined;
  /** Of the whole machine. */
  readonly webhooks: WebhookHolder | undefined;
  /** Resolves once the past has been read. */
  start(): Promise<void>;
  /** A number for a worker, once the log has started. Rejects where it is stopped instead. */
  readonly lease: (incarnation: string) => Promise<WorkerLease>;
  /** A worker is no more: its members leave, on all nodes. */
  ended(incarnation: string): void;
  /** Resolves once what was under way is written, or cannot be. */
  stop(): Promise<void>;
}

/** Where Redis is away for good, stopping waits no longer. */
const farewellMs = 1000;
/** Runs of 10,000 positions each. */
const memoryRunsMax = 100_000;

/** `command`: takes the commands of the log, and the answers to them; must not throw. */
export function createSharedLog(
  config: Config,
  status: BusStatus,
  log: Log,
  command: (record: CommandRecord | AnswerRecord, ageMs: number) => void,
): SharedLog {
  const { redis } = config;
  const shards = redis.enabled ? redis.shards : 1;
  const policies = new Policies(config.channels, 1); // nobody publishes here: one slot's buckets are more than enough
  const replay = createReplay(config, policies, shards);
  const own = new Set<string>(); // incarnations of living workers
  const webhooks = createWebhooks(config, log, (node) => own.has(node));
  if (webhooks !== undefined) replay.memberChanged = webhooks.logEvents.memberChanged;
  const nodes = () => knownNodes(replay.members, webhooks);
  const bus = redis.enabled ? new RedisBus(redis, status, log, nodes) : new MemoryBus();
  const runsMax = redis.enabled ? 2 * redis.entriesMax : memoryRunsMax;
  const source: SourceLog = {
    shards,
    append: (record, done) => bus.append(record, done),
    standing: (shard) => {
      if (bus instanceof RedisBus) return bus.standing(shard);
      const { offset, epoch } = bus.tail();
      return { epoch, tail: offset, knownFrom: bus.knownFrom() };
    },
  };
  const hub = new WorkerHub(source, replay, runsMax);
  if (bus instanceof RedisBus) {
    bus.observer = {
      entered: (shard) => hub.entered(shard),
      moved: (shard, position) => hub.moved(shard, position),
    };
  }
  const idempotency = new Idempotency(config.idempotency, redis.enabled && redis.durable);
  const apply: Apply = (record, position, ageMs) => {
    hub.apply(record, position, ageMs);
    if (record.kind === "command" || record.kind === "answer") command(record, ageMs);
    else if (record.kind === "publication" && record.key !== undefined) {
      const { channel, userId, key, acceptedAtMs } = record;
      const keyed = { channel, userId, key, acceptedAtMs };
      if (idempotency.find(keyed) === undefined) idempotency.add(keyed, position);
    }
  };
  const history = new ReplayHistory(replay, bus, policies, systemClock);
  const leases = redis.enabled ? new WorkerLeases(redis) : undefined;
  const numbers = new LocalNumbers();
  const started = deferred();
  const goodbyes = new Set<Promise<void>>();
  return {
    hub,
    state: { bus, policies, members: replay.members, history, idempotency },
    workerBus: { holder: bus.incarnation, shards, runsMax, queueBytesMax: redis.queueBytesMax },
    get publications() {
      return replay.publications;
    },
    figures: bus instanceof RedisBus ? () => bus.figures() : undefined,
    webhooks,
    async start() {
      await bus.start(watchLog(webhooks, idempotency, { apply }));
      webhooks?.logEvents.start();
      started.resolve();
    },
    async lease(incarnation) {
      await started.promise;
      own.add(incarnation);
      return leases === undefined ? numbers.take() : leases.take(incarnation);
    },
    ended(incarnation) {
      own.delete(incarnation);
      const goodbye = new Promise<void>((resolve) => {
        bus.append({ kind: "node_ended", node: incarnation }, () => resolve());
      });
      goodbyes.add(goodbye);
      void goodbye.then(() => goodbyes.delete(goodbye));
    },
    async stop() {
      started.reject(new Error("the log was stopped"));
      const timeout = new Promise<void>((resolve) => setTimeout(resolve, farewellMs).unref());
      await Promise.race([Promise.all(goodbyes), timeout]);
      leases?.stop();
      await bus.stop();
      await webhooks?.stop();
    },
  };
}

function createReplay(config: Config, policies: Policies, shards: number): Replay {
  const seconds = Object.values(config.channels).map(({ history }) => history?.seconds ?? 0);
  const options = {
    bytesMax: config.history.bytesMax,
    secondsMax: Math.max(config.idempotency.seconds, ...seconds),
    keepsKeys: config.idempotency.seconds > 0,
    shards,
  };
  return new Replay(options, policies, systemClock);
}

/** Numbers of workers that are alone on their log; one is not used again soon, so that ids of a dead worker find nobody. */
class LocalNumbers {
  readonly #taken = new Set<number>();
  #next = 0;

  take(): WorkerLease {
    while (this.#taken.has(this.#next % nodesMax)) this.#next += 1;
    const number = this.#next % nodesMax;
    this.#next += 1;
    this.#taken.add(number);
    const giveBack = (): void => void this.#taken.delete(number);
    return { number, release: async () => giveBack(), lapse: giveBack };
  }
}
