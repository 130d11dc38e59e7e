/** What a node is at this moment, for its metrics. */
import type { Revocations } from "../auth/revocations.ts";
import type { History } from "../channel/history.ts";
import type { Members } from "../channel/presence.ts";
import type { Subscriptions } from "../channel/subscriptions.ts";
import type { Connections } from "../connection/connections.ts";
import type { Gauges } from "../metrics/catalogue.ts";
import type { Health } from "../metrics/health.ts";
import type { RunningGuard } from "./start-guard.ts";

export interface GaugeSources {
  readonly connections: Connections;
  readonly subscriptions: Subscriptions;
  readonly history: History;
  readonly members: Members;
  readonly revocations: Revocations;
  readonly guard: RunningGuard;
  readonly health: Health;
}

export function gaugesOf(sources: GaugeSources, isDraining: () => boolean): Gauges {
  const { connections, subscriptions, history, members, revocations, guard, health } = sources;
  return {
    connections: () => formats(connections),
    subscriptions: () => subscriptions.count,
    historyChannels: () => history.channels,
    historyMessages: () => history.messages,
    historyBytes: () => history.bytes,
    presenceMembers: () => members.count,
    presenceConnections: () => members.connectionsByNode(),
    revocations: () => revocations.count,
    calloutBreakers: () => guard.breakers(),
    draining: () => (isDraining() ? 1 : 0),
    ready: () => (health.ready().ok ? 1 : 0),
  };
}

function formats(connections: Connections): { readonly json: number; readonly msgpack: number } {
  const sums = { json: 0, msgpack: 0 };
  for (const encoding of connections.encodingsInUse) sums[encoding.format] += connections.countOf(encoding);
  return sums;
}
