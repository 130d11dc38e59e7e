/**
 * The composition root: every part of a gateway is made here, once, and handed what it needs. Read it to see what a
 * node is made of; nothing else knows all the parts.
 */
import { setTimeout } from "node:timers/promises";
import { createTokenVerifier } from "../auth/jwt-verifier.ts";
import { type RevocableToken, Revocations, refusingRevoked } from "../auth/revocations.ts";
import type { Bus } from "../bus/bus.ts";
import type { Calls } from "../calls/calls.ts";
import { createNodeCalls, type NodeCalls } from "../calls/node-calls.ts";
import type { ProcessStats } from "../calls/stats.ts";
import { Channels } from "../channel/channels.ts";
import { FanOut } from "../channel/fan-out.ts";
import { History } from "../channel/history.ts";
import { Idempotency } from "../channel/idempotency.ts";
import { Policies } from "../channel/policy.ts";
import type { Members } from "../channel/presence.ts";
import { Subscriptions } from "../channel/subscriptions.ts";
import { systemClock } from "../clock/clock.ts";
import type { Config } from "../config/config-schema.ts";
import { Connections } from "../connection/connections.ts";
import { slotsMax } from "../connection/slots.ts";
import { SlowConsumers } from "../connection/slow-consumers.ts";
import { Sweep } from "../connection/sweep.ts";
import type { Hooks } from "../guard/hooks.ts";
import { createDispatch } from "../inbound/handlers.ts";
import { Limits } from "../inbound/limits.ts";
import { Receiver } from "../inbound/receive.ts";
import { AddressCounts } from "../limit/address-counts.ts";
import { limited } from "../log/limited-log.ts";
import type { Log } from "../log/log.ts";
import type { ApiCounters } from "../metrics/api-counters.ts";
import { Counters } from "../metrics/counters.ts";
import type { HookName } from "../metrics/guard-counters.ts";
import type { Health } from "../metrics/health.ts";
import { createRegistry, type Registry } from "../metrics/registry.ts";
import { TrustedProxies } from "../socket/client-address.ts";
import { Origins } from "../socket/origins.ts";
import { SocketServer } from "../socket/server.ts";
import { outsiders } from "./admin-port.ts";
import { drainConnections, returnSpreadMs } from "./drain.ts";
import { gaugesOf } from "./gauges.ts";
import { type NodeWebhooks, watchConnections, watchLog } from "./node-webhooks.ts";
import { startGuard } from "./start-guard.ts";
import { version } from "./version.ts";
import { createWelcome } from "./welcome.ts";

/** A running gateway. */
export interface Gateway {
  /** The ports that were opened. */
  readonly port: number;
  readonly adminPort: number;
  /** What a backend may ask, of all nodes and workers. */
  readonly calls: Calls;
  /** Reads certificate files again; throws, and keeps the old certificate, where they are bad. */
  reloadCertificate(): void;
  /**
   * Not ready at once, the listener open for `delaySeconds` more, then a paced drain over `seconds`; both as configured
   * where they are not given. Resolves when everything is closed.
   */
  stop(drain?: { readonly delaySeconds?: number; readonly seconds?: number }): Promise<void>;
}

/** A gateway without its admin port. */
export interface Node extends Omit<Gateway, "adminPort"> {
  /** Resolves once clients are let in: where Redis is away that may be long after the port is open. Or once it is stopped. */
  readonly ready: Promise<void>;
  /** What this process counts, and how it is. */
  stats(): ProcessStats;
  readonly metrics: Registry;
}

/** What a node does not make for itself. */
export interface NodeParts {
  /** The node starts it, and stops it. */
  readonly bus: Bus;
  readonly health: Health;
  readonly members: Members;
  /** Other processes listen on the same port. */
  readonly sharesPort: boolean;
  /** Those of the embedding program; without them the configuration may name a module. */
  readonly hooks?: Hooks | undefined;
  /** Is told which hook begins to run, and `undefined` once it has returned. */
  readonly hookRunning?: ((name: HookName | undefined) => void) | undefined;
  /** Where its events go; the node stops it, too. */
  readonly webhooks: NodeWebhooks | undefined;
  /** Where this process answers the server API. */
  readonly apiCounters?: ApiCounters | undefined;
}

const housekeepingMs = 1000;

/** Starts a node. Rejects where a port, a key or a certificate cannot be had. */
export async function startNode(config: Config, log: Log, parts: NodeParts): Promise<Node> {
  const { bus, health, members, sharesPort, webhooks } = parts;
  const clock = systemClock;
  const counters = new Counters();
  const outsiderLog = limited(log, outsiders);
  const revocations = new Revocations();

  const server = new SocketServer({ ...config, sharesPort });
  const compress = config.compression !== "disabled";
  const connections = new Connections(bus, { counters, compress, flushReplies: () => fanOut.flushReplies() });
  const { slots } = connections;
  const { subscriptionChanged, occupied } = watchConnections(webhooks?.sink, connections, bus);
  const sweep = new Sweep(connections, { ...config, ...config.auth }, clock);
  const slowConsumers = new SlowConsumers(config.sendQueueBytesMax, counters);

  const policies = new Policies(config.channels, slots.capacity);
  const replayBytesMax = config.sendQueueBytesMax / 2; // half a queue of replay onto a queue at most half full
  const historyOptions = { bytesMax: config.history.bytesMax, channelBytesMax: replayBytesMax };
  const history = new History(historyOptions, bus, clock);
  const idempotency = new Idempotency(config.idempotency, config.redis.enabled && config.redis.durable);
  const fanOut = new FanOut(server, connections, slowConsumers, counters, clock, bus.isShared);
  const announce = (shard: number): void => subscriptions.announce(shard);
  const command = (...applied: Parameters<typeof calls.apply>): void => calls.apply(...applied);
  const { memberChanged } = webhooks?.logEvents ?? {};
  const state = { bus, policies, history, idempotency, members, counters, clock };
  const channels = new Channels({ ...state, fanOut, announce, command, memberChanged });
  const isRevoked = (token: RevocableToken): boolean => revocations.has(token);
  const subscriptions = new Subscriptions(
    { ...config, ...config.presence },
    { ...state, connections, fanOut, isRevoked, occupied },
  );
  const flush = (): void => fanOut.flush();
  const { messageBytesMax } = config;
  const own = { connections, subscriptions, revocations, flush, webhooks: webhooks?.figures };
  const figures = bus.figures?.bind(bus);
  const calls: NodeCalls = createNodeCalls({ ...state, ...own, health, figures, version, log, messageBytesMax });

  const guardNeeds = { ...state, connections, isRevoked, log: outsiderLog, hookRunning: parts.hookRunning };
  const guard = await startGuard(config, parts.hooks, guardNeeds);
  const keys = await createTokenVerifier(config.auth, log);
  const verifier = refusingRevoked(keys, revocations);

  const limits = new Limits(config, slots.capacity);
  for (const perSlot of [limits, policies]) {
    slots.onGrow((capacity) => perSlot.grow(capacity));
    connections.onOpen(({ slot }) => perSlot.reset(slot));
  }
  const dispatch = createDispatch({
    channels,
    subscriptions,
    connections,
    verifier,
    sweep,
    counters,
    clock,
    replayQueueBytesMax: replayBytesMax,
    guard,
  });
  const receiveOptions = { ...config, inboxBytesMax: config.sendQueueBytesMax };
  const receiver = new Receiver(receiveOptions, { limits, sweep, counters, clock, log: outsiderLog, dispatch });

  let isDraining = false;
  let isStarted = false;
  const closedFor = () => {
    if (!isStarted) return { status: "503", error: "This node is starting", retryAfterSeconds: 1 } as const;
    if (isDraining) return { status: "503", error: "This node is draining", retryAfterSeconds: 1 } as const;
    const isFull = connections.count >= (config.maxConnections || slotsMax - 1);
    return isFull ? ({ status: "503", error: "Connection limit reached", retryAfterSeconds: 10 } as const) : undefined;
  };

  const startBus = async (): Promise<void> => {
    await bus.start(watchLog(webhooks, idempotency, channels));
    webhooks?.logEvents?.start();
    isStarted = true;
    health.clear("start");
  };
  // Whoever shares a port takes a part of the new connections from the moment it listens: it must be ready for them.
  if (sharesPort) await startBus();
  const listening = server.listen({
    verifier,
    authRequired: config.auth.required,
    origins: new Origins(config.origins),
    proxies: new TrustedProxies(config.trustedProxies),
    addresses: new AddressCounts(config.connectionsPerAddressMax),
    counters,
    log: outsiderLog,
    closedFor,
    connect: guard.connect,
    connections,
    receiver,
    slowConsumers,
    clock,
    welcome: createWelcome(config, connections),
    health,
    subscriptionChanged,
  });
  const port = await listening.catch(async (error: unknown) => {
    server.closeAll();
    keys.stop();
    await guard.stop();
    throw error;
  });

  const metrics = createRegistry({
    counters,
    version,
    node: bus.incarnation,
    bus: figures,
    api: parts.apiCounters,
    webhooks: webhooks?.figures,
    gauges: gaugesOf({ connections, subscriptions, history, members, revocations, guard, health }, () => isDraining),
  });
  sweep.start();
  const housekeeping = setInterval(() => {
    history.sweep();
    subscriptions.endGrants(clock.unixSeconds());
    revocations.sweep(clock.unixSeconds());
  }, housekeepingMs);
  const ready = sharesPort ? Promise.resolve() : startBus();
  if (!bus.isShared) await ready; // Redis may be away for long: the port answers meanwhile, and says so

  const close = async (): Promise<void> => {
    sweep.stop();
    clearInterval(housekeeping);
    server.closeAll();
    keys.stop();
    await guard.stop();
    await bus.stop();
    await webhooks?.stop();
  };
  return {
    port,
    ready,
    metrics,
    calls,
    stats: () => calls.ownStats(),
    reloadCertificate: () => server.reloadCertificate(),
    async stop({ delaySeconds = config.drain.delaySeconds, seconds = config.drain.seconds } = {}) {
      health.block("drain", "draining");
      await setTimeout(delaySeconds * 1000);
      isDraining = true;
      server.closeListener();
      await drainConnections(connections, seconds, { clock, log });
      // Members who come back to another node in time were never gone.
      await setTimeout(bus.isShared && members.isHolding(bus.incarnation) ? returnMs : closingMs);
      await close();
    },
  };
}

/** For the sockets to send their last frames, after the drain. */
const closingMs = 100;
/** For clients to come back elsewhere: the longest `retry_in_ms`, and some time to connect. */
const returnMs = returnSpreadMs + 1000;
