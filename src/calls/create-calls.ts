/**
 * The calls of one process, from the parts that it has: a node's, with connections of its own, or a supervisor's.
 *
 * The rule: nothing is known here that the log does not bring. What needs other processes goes through `Gathering`; what
 * every process knows (members, history) is answered from here.
 */
import type { AnswerRecord, Bus, CommandRecord } from "../bus/bus.ts";
import type { History } from "../channel/history.ts";
import type { Policies, Policy } from "../channel/policy.ts";
import type { Members } from "../channel/presence.ts";
import { isChannelName, isPattern } from "../protocol/names.ts";
import { reasonBytesMax } from "./call-schemas.ts";
import {
  type Affected,
  CallError,
  type Calls,
  type ConnectionInfo,
  type HistoryCall,
  type HistoryPage,
  type Json,
  type PageCall,
  type Published,
  type Selection,
  targetOf,
  type WebhookInfo,
} from "./calls.ts";
import type { CommandName, CommandOf } from "./commands.ts";
import { gatheredStats, type StatsParts } from "./gathered-stats.ts";
import { type Gathered, Gathering, type GatheringParts } from "./gathering.ts";
import { mergedPage } from "./pages.ts";
import { invalidChannel, Publisher, type PublisherParts } from "./publisher.ts";

export interface CallParts extends PublisherParts, GatheringParts, StatsParts {
  readonly bus: Pick<Bus, "append" | "incarnation" | "processes">;
  readonly policies: Pick<Policies, "of">;
  readonly members: Pick<Members, "list" | "countIn" | "connectionsIn">;
  readonly history: Pick<History, "position" | "since" | "latest">;
  readonly version: string;
  /** Where this process sends webhooks. */
  readonly webhooks?: (() => { readonly receivers: readonly WebhookInfo[] }) | undefined;
  /** Puts what is pending into its history. */
  flush(): void;
}

/** The calls, and where the log's commands and answers are to go. */
export interface RunningCalls extends Calls {
  apply(record: CommandRecord | AnswerRecord, ageMs: number): void;
}

const pageSize = 100;
const pageSizeMax = 1000;
const rememberedSeconds = 86_400;
const disconnected = { code: 4503, reason: "disconnected by an operator" };

export function createCalls(parts: CallParts): RunningCalls {
  const { policies, members, clock, version, webhooks } = parts;
  const publisher = new Publisher(parts);
  const gathering = new Gathering(parts);

  const onConnections = async <N extends "subscribe" | "unsubscribe" | "disconnect" | "revoke">(
    command: CommandOf<N>,
    channel?: string,
    keptUntil?: number,
  ): Promise<Affected> => {
    const gathered = await gathering.ask<N>(command, channel, keptUntil);
    const connections = sum(gathered.results as readonly Affected[], (result) => result.connections);
    return { connections, ...partial(gathered) };
  };

  return {
    apply: (record, ageMs) => gathering.apply(record, ageMs),

    publish(call) {
      return new Promise((resolve, reject) => {
        publisher.append(call.channel, publisher.encode(call.message), targetOf(call), call.key, (outcome) => {
          if (outcome instanceof CallError) reject(outcome);
          else resolve(outcome);
        });
      });
    },

    publishNow(call, done) {
      let json: string;
      try {
        json = publisher.encode(call.message);
      } catch (error) {
        return done(error as CallError);
      }
      publisher.append(call.channel, json, targetOf(call), call.key, done);
    },

    async broadcast({ channels, message, key }) {
      const json = publisher.encode(message);
      const one = (channel: string): Promise<Published | CallError> =>
        new Promise((resolve) => publisher.append(channel, json, undefined, key, resolve));
      return Promise.all(channels.map(one));
    },

    async subscribe(call) {
      checkChannel(call.channel);
      return onConnections({ name: "subscribe", channel: call.channel, ...selected(call, "subscribe") }, call.channel);
    },

    async unsubscribe(call) {
      checkChannel(call.channel);
      const selection = selected(call, "unsubscribe");
      return onConnections({ name: "unsubscribe", channel: call.channel, ...selection }, call.channel);
    },

    async disconnect({ code = disconnected.code, reason = disconnected.reason, ...selection }) {
      if (!Number.isInteger(code) || code < 4000 || code > 4999)
        throw new CallError("invalid_call", `cannot disconnect: code must be 4000 to 4999, got ${code}`);
      if (Buffer.byteLength(reason) > reasonBytesMax)
        throw new CallError("invalid_call", `cannot disconnect: reason must be at most ${reasonBytesMax} bytes`);
      return onConnections({ name: "disconnect", code, reason, ...selected(selection, "disconnect") });
    },

    async revoke({ tokens = [], users = [], until }) {
      const before = clock.unixSeconds();
      const end = until ?? before + rememberedSeconds;
      if (tokens.length + users.length === 0) throw nobody("revoke", "tokens or users");
      if (!(end > before))
        throw new CallError("invalid_call", `cannot revoke: until must be in the future, got ${until}`);
      const command: CommandOf<"revoke"> = {
        name: "revoke",
        tokens: [...tokens],
        users: users.map(String),
        before,
        until: end,
      };
      return onConnections(command, "", end);
    },

    async presence({ channel }) {
      withPresence(channel, policies);
      return { members: members.list(channel) };
    },

    async presenceStats({ channel }) {
      withPresence(channel, policies);
      return { members: members.countIn(channel), connections: members.connectionsIn(channel) };
    },

    async history(call) {
      return historyPage(call, parts);
    },

    async channels({ pattern = ">", cursor = "", ...page }) {
      if (!isPattern(pattern))
        throw new CallError(
          "invalid_call",
          `cannot list channels: pattern must be words, * and a last >, got ${pattern}`,
        );
      if (cursor !== "" && !isChannelName(cursor)) throw badCursor("channels", cursor);
      const limit = limitOf(page, "channels");
      const gathered = await gathering.ask({ name: "channels", pattern, after: cursor, limit });
      const { items, next } = mergedPage(
        gathered.results,
        limit,
        ({ channel }) => channel,
        (a, b) => ({ channel: a.channel, subscribers: a.subscribers + b.subscribers }),
      );
      const described = items.map(({ channel, subscribers }) => ({
        channel,
        subscribers,
        ...(policies.of(channel).presence && { members: members.countIn(channel) }),
      }));
      return { items: described, ...(next !== undefined && { next }), ...partial(gathered) };
    },

    async connections({ user, connection, cursor = "0", ...page }) {
      const after = Number(cursor);
      if (!/^\d+$/.test(cursor) || !Number.isSafeInteger(after)) throw badCursor("connections", cursor);
      const limit = limitOf(page, "connections");
      const named = {
        ...(user !== undefined && { user: String(user) }),
        ...(connection !== undefined && { connection }),
      };
      const gathered = await gathering.ask({ name: "connections", after, limit, ...named });
      const { items, next } = mergedPage<ConnectionInfo, number>(
        gathered.results as readonly { items: ConnectionInfo[]; more: boolean }[],
        limit,
        (info) => info.connection,
        (known) => known,
      );
      return { items, ...(next !== undefined && { next: String(next) }), ...partial(gathered) };
    },

    async info() {
      const gathered = await gathering.ask({ name: "info" });
      const nodes = gathered.results.toSorted((a, b) => (a.node < b.node ? -1 : 1));
      return {
        version,
        nodes,
        connections: sum(nodes, ({ connections }) => connections),
        subscriptions: sum(nodes, ({ subscriptions }) => subscriptions),
        ...(webhooks !== undefined && { webhooks: webhooks().receivers }),
        ...partial(gathered),
      };
    },

    stats: () => gatheredStats(gathering, parts),
  };
}

/** With `since`: what followed it, from its beginning; where that is not here, the latest messages. */
function historyPage({ channel, limit, since, reverse }: HistoryCall, parts: CallParts): HistoryPage {
  const { policies, history, flush } = parts;
  checkChannel(channel);
  const { size } = policies.of(channel).history;
  if (size === 0) throw new CallError("not_found", `cannot read history: channel ${channel} keeps none`);
  flush();
  const most = Math.min(limit ?? pageSize, size);
  const missed = since && history.since(channel, since);
  const found = missed ?? history.latest(channel, most);
  const entries = missed === undefined || reverse ? found.slice(-most) : found.slice(0, most);
  const messages = (most === 0 ? [] : entries).map(({ body }) => JSON.parse(`${body}}`) as Json);
  return {
    channel,
    messages: reverse ? messages.reverse() : messages,
    ...history.position(channel),
    ...(since !== undefined && { recovered: missed !== undefined && missed.length <= most }),
  };
}

function withPresence(channel: string, policies: Pick<Policies, "of">): Policy {
  checkChannel(channel);
  const policy = policies.of(channel);
  if (!policy.presence) throw new CallError("not_found", `cannot list members: channel ${channel} has no presence`);
  return policy;
}

function selected({ users, connections, sessions }: Selection, name: CommandName) {
  if (users === undefined && connections === undefined && sessions === undefined)
    throw nobody(name, "users, connections or sessions");
  return { users: (users ?? []).map(String), connections: [...(connections ?? [])], sessions: [...(sessions ?? [])] };
}

function limitOf({ limit = pageSize }: PageCall, what: string): number {
  if (Number.isInteger(limit) && limit >= 1 && limit <= pageSizeMax) return limit;
  throw new CallError("invalid_call", `cannot list ${what}: limit must be 1 to ${pageSizeMax}, got ${limit}`);
}

function checkChannel(channel: string): void {
  if (!isChannelName(channel)) throw invalidChannel(channel);
}

const nobody = (name: string, fields: string): CallError =>
  new CallError("invalid_call", `cannot ${name}: ${fields} must be given`);
const badCursor = (what: string, cursor: string): CallError =>
  new CallError("invalid_call", `cannot list ${what}: cursor must be the next of a page, got ${cursor.slice(0, 100)}`);
const partial = ({ isPartial }: Gathered<unknown>) => isPartial && ({ isPartial } as { isPartial: true });
const sum = <T>(items: readonly T[], of: (item: T) => number): number =>
  items.reduce((total, item) => total + of(item), 0);
