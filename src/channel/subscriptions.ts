/**
 * Who may subscribe, what a new subscriber gets first, and what a lost subscription leaves behind.
 *
 * The rule of a subscription's first moments: reply, then replayed messages, then live ones; nothing between is missing
 * and nothing comes twice, because pending publications are flushed before the topic is joined.
 */
import type { RevocableToken } from "../auth/revocations.ts";
import type { SubscriptionGrant } from "../auth/token-verifier.ts";
import type { Bus } from "../bus/bus.ts";
import type { Connection, Grant } from "../connection/connection.ts";
import type { Connections } from "../connection/connections.ts";
import { grown } from "../limit/grown.ts";
import type { Counters } from "../metrics/counters.ts";
import type { ErrorCode } from "../protocol/codes.ts";
import { encodeJson } from "../protocol/encode.ts";
import type { Subscribe, Unsubscribe } from "../protocol/messages.ts";
import { type Refusal, refusal } from "../protocol/refusal.ts";
import type { FanOut } from "./fan-out.ts";
import { Grants, serverGrant } from "./grants.ts";
import type { History, HistoryEntry } from "./history.ts";
import { type MembershipParts, Memberships } from "./memberships.ts";
import { type Policies, type Policy, refuse } from "./policy.ts";
import type { Members } from "./presence.ts";
import { channelsOf, topicOf } from "./topics.ts";

export interface SubscriptionOptions {
  readonly channelsPerConnectionMax: number;
  readonly leaveGraceSeconds: number;
}

export interface SubscriptionParts {
  readonly bus: Bus;
  readonly connections: Connections;
  readonly policies: Policies;
  readonly fanOut: FanOut;
  readonly history: History;
  readonly members: Members;
  readonly counters: Counters;
  /** Whether a subscribe token ended before its time. */
  isRevoked(token: RevocableToken): boolean;
  /** See `MembershipParts`. */
  readonly occupied?: MembershipParts["occupied"];
}

export class Subscriptions {
  readonly #options: SubscriptionOptions;
  readonly #parts: SubscriptionParts;
  #counts: Uint32Array; // [slot] channels that the connection is subscribed to
  readonly #grants: Grants;
  readonly #memberships: Memberships;

  constructor(options: SubscriptionOptions, parts: SubscriptionParts) {
    this.#options = options;
    this.#parts = parts;
    this.#memberships = new Memberships(options.leaveGraceSeconds, parts);
    this.#grants = new Grants((token) => parts.isRevoked(token));
    const { connections } = parts;
    this.#counts = new Uint32Array(connections.slots.capacity);
    connections.slots.onGrow((capacity) => {
      this.#counts = grown(this.#counts, capacity);
    });
    connections.onOpen(({ slot }) => {
      this.#counts[slot] = 0;
    });
    connections.onClose((connection) => this.#closed(connection));
  }

  /** Subscriptions of all open connections. Linear in the slots. */
  get count(): number {
    let sum = 0;
    for (const { slot } of this.#parts.connections) sum += this.#counts[slot]!;
    return sum;
  }

  /** Subscribes and replies. `grant` is what the subscribe token of the request allows. */
  subscribe(connection: Connection, request: Subscribe, grant?: SubscriptionGrant): Refusal | undefined {
    if (grant !== undefined && this.#grants.isRevoked(grant)) return refusal("invalid_token"); // while it had to wait
    return this.refusalOf(connection, request, grant) ?? this.#subscribe(connection, request, grant);
  }

  /** By the server's will, whatever the rules say. True where the connection was not subscribed, and is now. */
  subscribeByServer(connection: Connection, channel: string): boolean {
    if (!connection.isOpen) return false;
    if (this.has(connection, channel)) {
      this.#grants.lend(connection, channel, serverGrant);
      return false;
    }
    const request = { ...bareSubscribe, channel };
    return this.#subscribe(connection, request, serverGrant) === undefined && this.has(connection, channel);
  }

  #subscribe(connection: Connection, request: Subscribe, grant: Grant | undefined): Refusal | undefined {
    const { connections, policies, fanOut, members } = this.#parts;
    const { slot, format, encoding } = connection;
    const { channel, id } = request;
    const policy = policies.of(channel);
    const topic = topicOf(channel, encoding);
    const isNew = connection.socket?.isSubscribed(topic) === false;
    const { channelsPerConnectionMax } = this.#options;
    if (isNew && this.#counts[slot]! >= channelsPerConnectionMax)
      return refusal("limit_reached", `Limit reached: at most ${channelsPerConnectionMax} channels for one connection`);
    fanOut.flush();
    if (!connection.isOpen || connections.byId(connection.id) !== connection) return undefined;
    if (grant !== undefined) this.#grants.lend(connection, channel, grant);
    if (isNew) {
      connection.socket?.subscribe(topic);
      this.#counts[slot]! += 1;
      if (policy.presence) this.#memberships.join(connection, channel);
    }
    const replay = this.#replay(request, policy);
    connection.send({
      success: true,
      action: "subscribe",
      channel,
      id,
      ...replay.position,
      recovered: replay.recovered,
      presence:
        request.presence && policy.presence
          ? { members: members.list(channel), count: members.countIn(channel) }
          : undefined,
    });
    for (const { body } of replay.entries) {
      connection.sendEncoded(encodeJson(`${body},"replayed":true}`, format));
    }
    return undefined;
  }

  /** Why `subscribe` would refuse by the rules of the channel. */
  refusalOf(connection: Connection, { channel }: Subscribe, grant?: SubscriptionGrant): Refusal | undefined {
    const reason = refuseSubscriber(connection, channel, this.#parts.policies.of(channel), grant?.channels);
    return reason && refusal(reason, `Not allowed to subscribe to channel ${channel}`);
  }

  /** The connection is subscribed to `channel`. */
  has({ socket, encoding }: Connection, channel: string): boolean {
    return socket?.isSubscribed(topicOf(channel, encoding)) ?? false;
  }

  /** True where the client has read further in the log than this node: it comes from one that is ahead. */
  isBehind({ channel, since }: Subscribe): boolean {
    if (since === undefined) return false;
    const { offset, epoch } = this.#parts.bus.tail(channel);
    return since.epoch === epoch && since.offset > offset && this.#parts.bus.isShared;
  }

  /** How far this node has read the log of a channel. */
  tail(channel: string): string {
    return this.#parts.bus.tail(channel).offset;
  }

  /** Succeeds also where there was no subscription, as the reference handler does. */
  unsubscribe(connection: Connection, { channel, id }: Unsubscribe): void {
    this.#leave(connection, channel);
    connection.send({ success: true, action: "unsubscribe", channel, id });
  }

  /** True where the connection was subscribed. */
  unsubscribeByServer(connection: Connection, channel: string): boolean {
    if (!connection.isOpen || !this.has(connection, channel)) return false;
    this.unsubscribe(connection, { action: "unsubscribe", channel, id: undefined });
    return true;
  }

  /** The connection has another identity than before: rights that are gone end, and members change their name. */
  identified(connection: Connection): void {
    for (const channel of channelsOf(connection.socket?.getTopics() ?? [])) {
      if (connection.grants?.has(channel)) continue; // held by a token of its own
      const reason = refuseSubscriber(connection, channel, this.#parts.policies.of(channel));
      if (reason !== undefined) this.#revoke(connection, channel, reason);
    }
    this.#memberships.renamed(connection);
  }

  /**
   * Ends the subscriptions whose subscribe token has ended or is revoked, where the connection's own rights do not hold
   * them; returns whose they were. Linear in the connections that hold one.
   */
  endGrants(unixSeconds: number): readonly Connection[] {
    const ended = this.#grants.takeEnded(unixSeconds);
    const lost = ended.filter(
      ({ connection, channel }) =>
        refuseSubscriber(connection, channel, this.#parts.policies.of(channel)) !== undefined,
    );
    for (const { connection, channel, code } of lost) this.#revoke(connection, channel, code);
    return lost.map(({ connection }) => connection);
  }

  /** Writes this node's roll, see `Memberships`. */
  announce(shard: number): void {
    this.#memberships.announce(shard);
  }

  #revoke(connection: Connection, channel: string, code: ErrorCode): void {
    this.#leave(connection, channel);
    const error = `No longer allowed on channel ${channel}`;
    connection.send({ success: false, action: "error", error, code, request: "subscribe", channel });
  }

  #replay(request: Subscribe, policy: Policy) {
    const { history, counters } = this.#parts;
    const { channel, since } = request;
    const none: readonly HistoryEntry[] = [];
    if (policy.history.size === 0) return { position: undefined, recovered: since && false, entries: none };
    const missed = since && history.since(channel, since);
    if (since !== undefined) counters.recoveries[missed === undefined ? "failed" : "recovered"] += 1;
    const entries = missed ?? history.latest(channel, request.history);
    counters.replayed += entries.length;
    return { position: history.position(channel), recovered: since && missed !== undefined, entries };
  }

  #leave(connection: Connection, channel: string): void {
    const topic = topicOf(channel, connection.encoding);
    if (!connection.socket?.isSubscribed(topic)) return;
    this.#parts.fanOut.flush(); // what was acknowledged before this still reaches the connection
    connection.socket?.unsubscribe(topic);
    connection.grants?.delete(channel);
    this.#counts[connection.slot]! -= 1;
    this.#memberships.leave(connection, channel);
  }

  #closed(connection: Connection): void {
    this.#grants.closed(connection);
    this.#memberships.closed(connection);
  }
}

const bareSubscribe = {
  action: "subscribe",
  id: undefined,
  since: undefined,
  history: 0,
  presence: false,
  token: undefined,
} as const;

/** Why neither the connection's own rights nor `lent`, the patterns of a subscribe token, open `channel` to it. */
function refuseSubscriber({ identity }: Connection, channel: string, policy: Policy, lent: readonly string[] = []) {
  const granted = [...(identity?.channels ?? []), ...lent];
  return refuse(policy.subscribe, policy, { channel, identity, granted, isSubscriber: false });
}
