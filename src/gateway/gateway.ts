/**
 * The composition root: every part of a gateway is made here, once, and handed what it needs. Read it to see what a
 * node is made of; nothing else knows all the parts.
 */
import { setTimeout } from "node:timers/promises";
import { type AdminServer, startAdmin } from "../admin/admin-server.ts";
import { textReply, writeReply } from "../admin/reply.ts";
import { createTokenVerifier } from "../auth/jwt-verifier.ts";
import type { Bus } from "../bus/bus.ts";
import { MemoryBus } from "../bus/memory-bus.ts";
import { RedisBus } from "../bus/redis-bus.ts";
import { Channels } from "../channel/channels.ts";
import { FanOut } from "../channel/fan-out.ts";
import { History } from "../channel/history.ts";
import { Idempotency } from "../channel/idempotency.ts";
import { Policies } from "../channel/policy.ts";
import { Members } from "../channel/presence.ts";
import { Subscriptions } from "../channel/subscriptions.ts";
import { systemClock } from "../clock/clock.ts";
import type { Config } from "../config/config-schema.ts";
import type { Connection } from "../connection/connection.ts";
import { Connections } from "../connection/connections.ts";
import { slotsMax } from "../connection/slots.ts";
import { SlowConsumers } from "../connection/slow-consumers.ts";
import { Sweep } from "../connection/sweep.ts";
import { createDispatch } from "../inbound/handlers.ts";
import { Limits } from "../inbound/limits.ts";
import { Receiver } from "../inbound/receive.ts";
import { AddressCounts } from "../limit/address-counts.ts";
import { limited } from "../log/limited-log.ts";
import type { Log } from "../log/log.ts";
import { Counters } from "../metrics/counters.ts";
import { Health, healthAnswer } from "../metrics/health.ts";
import { createRegistry } from "../metrics/registry.ts";
import { TrustedProxies } from "../socket/client-address.ts";
import { Origins } from "../socket/origins.ts";
import { SocketServer } from "../socket/server.ts";
import { drainConnections } from "./drain.ts";
import { version } from "./version.ts";
import { welcomeFrame } from "./welcome.ts";

/** A running gateway. */
export interface Gateway {
  /** The ports that were opened. */
  readonly port: number;
  readonly adminPort: number;
  /** Reads certificate files again; throws, and keeps the old certificate, where they are bad. */
  reloadCertificate(): void;
  /**
   * Not ready at once, the listener open for `delaySeconds` more, then a paced drain over `seconds`; both as configured
   * where they are not given. Resolves when everything is closed.
   */
  stop(drain?: { readonly delaySeconds?: number; readonly seconds?: number }): Promise<void>;
}

const housekeepingMs = 1000;

/** Starts a gateway. Rejects where a port, a key or a certificate cannot be had; nothing is left open then. */
export async function startGateway(config: Config, log: Log): Promise<Gateway> {
  const clock = systemClock;
  const counters = new Counters();
  const health = new Health();
  const outsiderLog = limited(log, { linesPerSecond: 10 });
  const verifier = await createTokenVerifier(config.auth, log);

  const members = new Members();
  const bus = createBus(config, health, log, members);
  const server = new SocketServer(config);
  const connections = new Connections(bus, { counters, compress: config.compression !== "disabled" });
  const { slots } = connections;
  const sweep = new Sweep(connections, { ...config, ...config.auth }, clock);
  const slowConsumers = new SlowConsumers(config.sendQueueBytesMax, counters);

  const policies = new Policies(config.channels, slots.capacity);
  const replayBytesMax = config.sendQueueBytesMax / 2; // half a queue of replay onto a queue at most half full
  const historyOptions = { bytesMax: config.history.bytesMax, channelBytesMax: replayBytesMax };
  const history = new History(historyOptions, bus, clock);
  const idempotency = new Idempotency(config.idempotency, clock);
  const fanOut = new FanOut(server, connections, slowConsumers, counters, clock);
  const announce = (): void => subscriptions.announce();
  const channels = new Channels({ bus, policies, fanOut, history, idempotency, members, counters, clock, announce });
  const subscriptionOptions = { ...config, ...config.presence };
  const subscriptions = new Subscriptions(subscriptionOptions, {
    bus,
    connections,
    policies,
    fanOut,
    history,
    members,
    counters,
  });

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

  const port = await server.listen({
    verifier,
    authRequired: config.auth.required,
    origins: new Origins(config.origins),
    proxies: new TrustedProxies(config.trustedProxies),
    addresses: new AddressCounts(config.connectionsPerAddressMax),
    counters,
    log: outsiderLog,
    closedFor,
    connections,
    receiver,
    sweep,
    slowConsumers,
    clock,
    welcome: (connection: Connection, authError) =>
      welcomeFrame(config, connections, connection, authError, clock.unixSeconds()),
    answerHealth: (res, req) => {
      const { status, body } = healthAnswer(req.getUrl(), health) ?? { status: 503, body: "unknown" };
      writeReply(res, textReply(status, body), req.getMethod() === "head");
    },
  });

  const registry = createRegistry({
    counters,
    version,
    node: bus.incarnation,
    gauges: {
      connections: () => ({ json: connections.count - connections.msgpackCount, msgpack: connections.msgpackCount }),
      subscriptions: () => subscriptions.count,
      historyChannels: () => history.channels,
      historyMessages: () => history.messages,
      historyBytes: () => history.bytes,
      presenceMembers: () => members.count,
      draining: () => (isDraining ? 1 : 0),
      ready: () => (health.ready().ok ? 1 : 0),
    },
  });
  let admin: AdminServer;
  try {
    admin = await startAdmin({
      host: config.adminHost,
      port: config.adminPort,
      metrics: registry,
      health,
      publicPort: () => port,
      tls: config.tls.certFile !== "",
      version,
      log: outsiderLog,
    });
  } catch (error) {
    server.closeAll();
    verifier.stop();
    throw error;
  }
  sweep.start();
  const housekeeping = setInterval(() => {
    history.sweep((channel) => fanOut.countRecipients(channel) > 0);
    subscriptions.endGrants(clock.unixSeconds());
  }, housekeepingMs);
  const starting = bus
    .start((record, position, ageMs) => channels.apply(record, position, ageMs))
    .then(() => {
      isStarted = true;
      health.clear("start");
    });
  if (!bus.isShared) await starting; // Redis may be away for long: the ports answer meanwhile, and say so

  const close = async (): Promise<void> => {
    sweep.stop();
    clearInterval(housekeeping);
    server.closeAll();
    admin.stop();
    verifier.stop();
    await bus.stop();
  };
  return {
    port,
    adminPort: admin.port,
    reloadCertificate: () => server.reloadCertificate(),
    async stop({ delaySeconds = config.drain.delaySeconds, seconds = config.drain.seconds } = {}) {
      health.block("drain", "draining");
      await setTimeout(delaySeconds * 1000);
      isDraining = true;
      server.closeListener();
      await drainConnections(connections, seconds);
      await setTimeout(closingMs);
      await close();
    },
  };
}

function createBus(config: Config, health: Health, log: Log, members: Members): Bus {
  if (!config.redis.enabled) return new MemoryBus();
  const status = { block: (reason: string) => health.block("bus", reason), clear: () => health.clear("bus") };
  return new RedisBus(config.redis, status, log, () => members.nodes());
}

/** For the sockets to send their last frames, after the drain. */
const closingMs = 100;
