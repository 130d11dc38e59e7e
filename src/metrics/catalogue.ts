/**
 * Every metric of the gateway, with its name, its meaning and where its number comes from. The label sets are closed:
 * a channel or a user never becomes a label, so the number of series is the same with ten channels and a million. A
 * node's name does where members are counted by node: as many as there are nodes.
 */
import { type ApiCounters, apiCatalogue } from "./api-counters.ts";
import { type BusSource, busCatalogue } from "./bus-catalogue.ts";
import type { Counters } from "./counters.ts";
import { guardCatalogue } from "./guard-catalogue.ts";
import { counter, gauge, histogram, type LiveMetric, labelled } from "./metric.ts";
import { type WebhookSource, webhookCatalogue } from "./webhook-catalogue.ts";

/** What the gateway is at this moment, read at each scrape: cheap, synchronous, and never throwing. */
export interface Gauges {
  /** Open connections of this process by encoding. */
  connections(): { readonly json: number; readonly msgpack: number };
  /** Pairs of a connection and a channel in this process. */
  subscriptions(): number;
  /** Channels that this process keeps messages of, those messages, and the memory that they take. */
  historyChannels(): number;
  historyMessages(): number;
  historyBytes(): number;
  /** Members of all presence channels of the whole cluster, as this process knows them. */
  presenceMembers(): number;
  /** Their connections to those channels by the node that holds them: its incarnation. Only nodes that have some. */
  presenceConnections(): Readonly<Record<string, number>>;
  /** Authorisation backends by the state of their circuit breaker. */
  calloutBreakers(): Readonly<Record<"closed" | "open" | "half_open", number>>;
  /** Tokens and users whose revocation is remembered. */
  revocations(): number;
  draining(): 0 | 1;
  ready(): 0 | 1;
}

export interface MetricSources {
  readonly counters: Counters;
  readonly gauges: Gauges;
  /** Tidegate's version, and the name of this node. */
  readonly version: string;
  readonly node: string;
  /** Where the log is in Redis. */
  readonly bus?: (() => BusSource) | undefined;
  /** Where this process answers the server API. */
  readonly api?: ApiCounters | undefined;
  /** Where this process sends webhooks. */
  readonly webhooks?: (() => WebhookSource) | undefined;
}

export function catalogue(sources: MetricSources): readonly LiveMetric[] {
  const { counters, gauges, version, node, bus, api, webhooks } = sources;
  return [
    gauge("tidegate_info", "Always 1; the labels name the version and the node.", "first", () => [
      { value: 1, labels: { version, node } },
    ]),
    gauge("tidegate_ready", "1 while the node accepts new clients, as /readyz says.", "min", () => gauges.ready()),
    gauge("tidegate_draining", "1 while the node sends its clients elsewhere.", "max", () => gauges.draining()),

    gauge("tidegate_connections", "Open connections by encoding.", "sum", () =>
      labelled("format", { ...gauges.connections() }),
    ),
    counter("tidegate_connections_opened_total", "Connections opened.", () => counters.connectionsOpened),
    counter("tidegate_connections_closed_total", "Connections closed, by the reason of the gateway or client.", () =>
      labelled("reason", counters.closed),
    ),
    counter("tidegate_handshakes_total", "Answered WebSocket handshakes by HTTP status.", () =>
      labelled("status", counters.handshakes),
    ),
    counter("tidegate_authentications_total", "Verified tokens by result.", () =>
      labelled("result", counters.authentications),
    ),

    gauge("tidegate_subscriptions", "Subscriptions of open connections to channels.", "sum", () =>
      gauges.subscriptions(),
    ),
    counter("tidegate_frames_received_total", "Frames received from clients.", () => counters.framesIn),
    counter("tidegate_received_bytes_total", "Payload bytes of the frames received.", () => counters.bytesIn),
    counter(
      "tidegate_frames_sent_total",
      "Frames handed to client sockets; an array of publications is one.",
      () => counters.framesOut,
    ),
    counter(
      "tidegate_sent_bytes_total",
      "Payload bytes of the frames handed to client sockets.",
      () => counters.bytesOut,
    ),
    counter("tidegate_messages_total", "Client messages handled by action.", () =>
      labelled("action", counters.messages),
    ),
    counter("tidegate_refusals_total", "Error frames answered by code.", () => labelled("code", counters.refusals)),
    counter("tidegate_rate_limited_total", "Frames over a rate limit, answered or not.", () => counters.rateLimited),

    counter("tidegate_publications_total", "Publications accepted into the log.", () => counters.publications),
    counter(
      "tidegate_deliveries_total",
      "Publications handed to subscribers, once for each.",
      () => counters.deliveries,
    ),
    counter("tidegate_duplicates_total", "Publications refused as repeats of a key.", () => counters.duplicates),
    counter("tidegate_dropped_messages_total", "Frames that a full send queue did not take.", () => counters.dropped),
    histogram(
      "tidegate_publish_to_delivery_seconds",
      "From the arrival of a publication until it is handed to its subscribers.",
      counters.deliveryLatency,
    ),
    histogram(
      "tidegate_bus_append_seconds",
      "From the append of a publication until the log has it.",
      counters.appendLatency,
    ),

    counter("tidegate_recoveries_total", "Subscriptions that asked to recover by result.", () =>
      labelled("result", counters.recoveries),
    ),
    counter("tidegate_replayed_messages_total", "Messages replayed from history.", () => counters.replayed),
    gauge("tidegate_history_channels", "Channels with kept messages.", "sum", () => gauges.historyChannels()),
    gauge("tidegate_history_messages", "Messages kept for recovery.", "sum", () => gauges.historyMessages()),
    gauge("tidegate_history_bytes", "Memory taken by messages kept for recovery.", "sum", () => gauges.historyBytes()),
    // Each worker knows the members of the whole cluster: adding them up would count everyone several times.
    gauge("tidegate_presence_members", "Members of presence channels in the cluster.", "max", () =>
      gauges.presenceMembers(),
    ),
    gauge("tidegate_presence_connections", "Connections in presence channels by node, of all nodes.", "max", () =>
      labelled("node", gauges.presenceConnections()),
    ),
    ...guardCatalogue(counters.guard, () => gauges.calloutBreakers()),
    gauge(
      "tidegate_revocations",
      "Tokens and users whose tokens were ended before their time, remembered.",
      "max",
      () => gauges.revocations(),
    ),
    ...(bus === undefined ? [] : busCatalogue(bus)),
    ...(api === undefined ? [] : apiCatalogue(api)),
    ...(webhooks === undefined ? [] : webhookCatalogue(webhooks)),
  ];
}
