/** The calls of a node that has no others: what `Calls` does over all nodes, done on this one. */
import type { Bus } from "../bus/bus.ts";
import { CallError, type Calls, type ConnectionInfo, type Published, targetOf } from "../calls/calls.ts";
import { channelOf } from "../channel/fan-out.ts";
import type { Policies } from "../channel/policy.ts";
import type { Clock } from "../clock/clock.ts";
import type { Connection } from "../connection/connection.ts";
import type { Connections } from "../connection/connections.ts";
import { publicationHead } from "../protocol/encode.ts";
import { jsonFault } from "../protocol/json-value.ts";
import { isChannelName } from "../protocol/names.ts";

export type LocalCalls = Pick<Calls, "publish" | "disconnect" | "connections">;

export interface LocalCallParts {
  readonly bus: Bus;
  readonly connections: Connections;
  readonly policies: Policies;
  readonly clock: Clock;
  readonly depthMax: number;
}

const pageMax = 1000;

export function localCalls({ bus, connections, policies, clock, depthMax }: LocalCallParts): LocalCalls {
  const info = (connection: Connection): ConnectionInfo => {
    const { id, identity, address, format, queuedBytes, socket } = connection;
    const channels = (socket?.getTopics() ?? []).slice(0, pageMax).map(channelOf);
    const who = identity === undefined ? {} : { user: JSON.parse(identity.userIdJson), role: identity.role };
    const session = connections.session(connection);
    return { connection: id, session, node: connections.node, ...who, address, format, channels, queuedBytes };
  };
  return {
    async publish(call) {
      const { channel, message, key } = call;
      if (!isChannelName(channel))
        throw new CallError("invalid_channel", `cannot publish: channel must be a channel name, got ${channel}`);
      const fault = jsonFault(message, depthMax);
      if (fault !== undefined) throw new CallError("invalid_call", `cannot publish: message must be a ${fault}`);
      const target = targetOf(call);
      const head = publicationHead(channel, 0, JSON.stringify(message), clock.unixSeconds(), undefined);
      const isKept = policies.of(channel).history.size > 0 && target === undefined;
      return new Promise<Published>((resolve, reject) => {
        bus.append(
          {
            ...{ kind: "publication", channel, head, sender: 0, echo: true, target, key, userId: undefined },
            acceptedAtMs: clock.nowMs(),
          },
          (outcome) => {
            if (outcome === "unavailable") reject(new CallError("unavailable", "cannot publish: the log is away"));
            else resolve(isKept ? outcome : {});
          },
        );
      });
    },
    async disconnect({ users = [], connections: ids = [], sessions = [], reason = "disconnected" }) {
      const names = new Set(users.map(String));
      const meant = [...connections].filter(
        (connection) =>
          ids.includes(connection.id) ||
          (connection.identity !== undefined && names.has(connection.identity.userId)) ||
          sessions.includes(connections.session(connection)),
      );
      for (const connection of meant) connection.close("disconnected", reason);
      return { connections: meant.length };
    },
    async connections({ user, connection: id, limit = 100, cursor }) {
      const after = cursor === undefined ? 0 : Number(cursor);
      const meant = [...connections]
        .filter((connection) => connection.id > after && (id === undefined || connection.id === id))
        .filter(({ identity }) => user === undefined || identity?.userId === String(user))
        .sort((a, b) => a.id - b.id);
      const page = meant.slice(0, limit);
      const next = meant.length > limit ? { next: String(page.at(-1)?.id) } : {};
      return { items: page.map(info), ...next };
    },
  };
}
