/**
 * How webhooks are tied to the other parts of a node, and of a supervisor. Where no webhook is configured nothing is
 * tied: no part is then slower by a call.
 */
import type { Apply, Bus } from "../bus/bus.ts";
import type { Idempotency } from "../channel/idempotency.ts";
import type { Members } from "../channel/presence.ts";
import { channelOf } from "../channel/topics.ts";
import type { Config } from "../config/config-schema.ts";
import type { Connection } from "../connection/connection.ts";
import type { Connections } from "../connection/connections.ts";
import type { Log } from "../log/log.ts";
import { ConnectionEvents } from "../webhooks/connection-events.ts";
import type { EventSink } from "../webhooks/event.ts";
import { LocalOccupancy } from "../webhooks/local-occupancy.ts";
import { LogEvents } from "../webhooks/log-events.ts";
import { type WebhookFigures, Webhooks } from "../webhooks/webhooks.ts";

/** Where the events of a node go. */
export interface NodeWebhooks {
  readonly sink: EventSink;
  /** Where this process holds the log. */
  readonly logEvents?: LogEvents;
  readonly figures?: () => WebhookFigures;
  /** Resolves once what waits is sent, or kept, or cannot be. */
  stop(): Promise<void>;
}

/** Those of a process that holds the log: it sends them. */
export interface WebhookHolder extends NodeWebhooks {
  readonly logEvents: LogEvents;
  readonly figures: () => WebhookFigures;
}

/** `undefined` where none is configured. `isOwn`: see `LogEventsOptions`. Throws where a secret cannot be read. */
export function createWebhooks(config: Config, log: Log, isOwn: (node: string) => boolean): WebhookHolder | undefined {
  if (config.webhooks.length === 0) return undefined;
  const { redis } = config;
  const webhooks = new Webhooks(config.webhooks, config.webhookLimits, redis.enabled ? redis : undefined, log);
  return {
    sink: webhooks,
    logEvents: new LogEvents(webhooks, { shards: redis.enabled ? redis.shards : 1, isOwn }),
    figures: () => webhooks.figures(),
    stop: () => webhooks.stop(),
  };
}

/** The nodes that have members, or subscribers that a webhook wants to know of: the dead among them are looked for. */
export function knownNodes(members: Pick<Members, "nodes">, webhooks: WebhookHolder | undefined): readonly string[] {
  return [...new Set([...members.nodes(), ...(webhooks?.logEvents.nodes() ?? [])])];
}

/** What the sockets and the subscriptions of a node are to call, and to be asked; empty where nobody wants to know. */
export interface ConnectionHooks {
  readonly subscriptionChanged?: (connection: Connection, topic: string, isSubscribed: boolean) => void;
  readonly occupied?: () => Iterable<string>;
}

export function watchConnections(sink: EventSink | undefined, connections: Connections, bus: Bus): ConnectionHooks {
  if (sink === undefined) return {};
  const events = new ConnectionEvents(sink, connections);
  const wantsOccupancy = sink.wants("channel_occupied") || sink.wants("channel_vacated");
  const occupancy = wantsOccupancy ? new LocalOccupancy(bus) : undefined;
  if (occupancy === undefined && !sink.wants("subscribed") && !sink.wants("unsubscribed")) return {};
  return {
    subscriptionChanged(connection, topic, isSubscribed) {
      const channel = channelOf(topic);
      if (channel === undefined) return;
      events.subscriptionChanged(connection, channel, isSubscribed);
      occupancy?.changed(channel, isSubscribed);
    },
    ...(occupancy && { occupied: () => occupancy.channels() }),
  };
}

/** The `apply` of `target`, with the log's events noticed on the way. */
export function watchLog(
  webhooks: NodeWebhooks | undefined,
  keys: Pick<Idempotency, "find">,
  target: { readonly apply: Apply },
): Apply {
  const logEvents = webhooks?.logEvents;
  if (logEvents === undefined) return (record, position, ageMs) => target.apply(record, position, ageMs);
  return (record, position, ageMs) => {
    logEvents.enter(record, position, ageMs, keys);
    target.apply(record, position, ageMs);
  };
}
