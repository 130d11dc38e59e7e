/**
 * Who may subscribe, what a new subscriber gets first, and what a lost subscription leaves behind.
 *
 * The rule of a subscription's first moments: reply, then replayed messages, then live ones; nothing between is missing
 * and nothing comes twice, because pending publications are flushed before the topic is joined.
 */
import { isDeepStrictEqual } from "node:util";
import type { SubscriptionGrant } from "../auth/token-verifier.ts";
import type { Bus, Member } from "../bus/bus.ts";
import type { Connection } from "../connection/connection.ts";
import type { Connections } from "../connection/connections.ts";
import { grown } from "../limit/grown.ts";
import type { Counters } from "../metrics/counters.ts";
import type { ErrorCode } from "../protocol/codes.ts";
import { transcode } from "../protocol/encode.ts";
import type { Subscribe, Unsubscribe } from "../protocol/messages.ts";
import { type Refusal, refusal } from "../protocol/refusal.ts";
import { channelOf, type FanOut, topicOf } from "./fan-out.ts";
import type { History, HistoryEntry } from "./history.ts";
import { type Policies, type Policy, refuse } from "./policy.ts";
import type { Members } from "./presence.ts";

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
  /** The channels with subscribers on this node, where the log is to know them. */
  readonly occupied?: (() => Iterable<string>) | undefined;
}

/** The channels with presence that a connection has joined, and as whom. */
interface Memberships {
  readonly session: string;
  readonly channels: Map<string, Member>;
}

export class Subscriptions {
  readonly #options: SubscriptionOptions;
  readonly #parts: SubscriptionParts;
  #counts: Uint32Array; // [slot] channels that the connection is subscribed to
  readonly #granted = new Set<Connection>(); // connections that hold a channel by a subscribe token
  readonly #memberships = new Map<number, Memberships>(); // by connection id, until its leaves are written

  constructor(options: SubscriptionOptions, parts: SubscriptionParts) {
    this.#options = options;
    this.#parts = parts;
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
    const { connections, policies, fanOut, members } = this.#parts;
    const { slot, format } = connection;
    const { channel, id } = request;
    const policy = policies.of(channel);
    const reason = refuseSubscriber(connection, channel, policy, grant?.channels);
    if (reason !== undefined) return refusal(reason, `Not allowed to subscribe to channel ${channel}`);
    const topic = topicOf(channel, format);
    const isNew = connection.socket?.isSubscribed(topic) === false;
    const { channelsPerConnectionMax } = this.#options;
    if (isNew && this.#counts[slot]! >= channelsPerConnectionMax)
      return refusal("limit_reached", `Limit reached: at most ${channelsPerConnectionMax} channels for one connection`);
    fanOut.flush();
    if (!connection.isOpen || connections.byId(connection.id) !== connection) return undefined;
    if (grant !== undefined) {
      connection.grants = (connection.grants ?? new Map()).set(channel, grant.expiresAt);
      this.#granted.add(connection);
    }
    if (isNew) {
      connection.socket?.subscribe(topic);
      this.#counts[slot]! += 1;
      if (policy.presence) this.#join(connection, channel);
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
      const frame = `${body},"replayed":true}`;
      connection.sendEncoded(format === "json" ? frame : transcode(frame));
    }
    return undefined;
  }

  /** True where the client has read further in the log than this node: it comes from one that is ahead. */
  isBehind({ channel, since }: Subscribe): boolean {
    if (since === undefined) return false;
    const { offset, epoch } = this.#parts.bus.tail(channel);
    return since.epoch === epoch && since.offset > offset && this.#parts.bus.isShared;
  }

  /** Succeeds also where there was no subscription, as the reference handler does. */
  unsubscribe(connection: Connection, { channel, id }: Unsubscribe): void {
    this.#leave(connection, channel);
    connection.send({ success: true, action: "unsubscribe", channel, id });
  }

  /** The connection has another identity than before: rights that are gone end, and members change their name. */
  identified(connection: Connection): void {
    for (const topic of connection.socket?.getTopics() ?? []) {
      const channel = channelOf(topic);
      if (connection.grants?.has(channel)) continue; // held by a token of its own
      const reason = refuseSubscriber(connection, channel, this.#parts.policies.of(channel));
      if (reason !== undefined) this.#revoke(connection, channel, reason);
    }
    const now = memberFor(connection);
    for (const [channel, member] of [...(this.#memberships.get(connection.id)?.channels ?? [])]) {
      if (isDeepStrictEqual(member, now)) continue; // a fresh token of the same user is no news to the others
      this.#member(connection, channel, "leave");
      this.#member(connection, channel, "join");
    }
  }

  /**
   * Ends the subscriptions whose subscribe token has ended, where the connection's own rights do not hold them. Linear
   * in the connections that hold one.
   */
  endGrants(unixSeconds: number): void {
    for (const connection of this.#granted) {
      for (const [channel, expiresAt] of connection.grants ?? []) {
        if (expiresAt > unixSeconds) continue;
        connection.grants?.delete(channel);
        if (refuseSubscriber(connection, channel, this.#parts.policies.of(channel)) !== undefined)
          this.#revoke(connection, channel, "token_expired");
      }
      if (!connection.grants?.size) this.#granted.delete(connection);
    }
  }

  /** Writes this node's roll: a join for each of its members in the channels of a shard. */
  announce(shard: number): void {
    const { bus, members, occupied } = this.#parts;
    const node = bus.incarnation;
    bus.append({ kind: "roll_begun", node, shard }, () => {});
    for (const { session, channels } of this.#memberships.values()) {
      for (const [channel, member] of channels)
        if (members.shardOf(channel) === shard) bus.append({ kind: "join", channel, session, member }, () => {});
    }
    for (const channel of occupied?.() ?? [])
      if (members.shardOf(channel) === shard) bus.append({ kind: "occupied", channel, node }, () => {});
    bus.append({ kind: "roll_ended", node, shard }, () => {});
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
    const topic = topicOf(channel, connection.format);
    if (!connection.socket?.isSubscribed(topic)) return;
    this.#parts.fanOut.flush(); // what was acknowledged before this still reaches the connection
    connection.socket?.unsubscribe(topic);
    connection.grants?.delete(channel);
    this.#counts[connection.slot]! -= 1;
    if (this.#memberships.get(connection.id)?.channels.has(channel)) this.#member(connection, channel, "leave");
  }

  #join(connection: Connection, channel: string): void {
    const session = this.#parts.connections.session(connection);
    if (!this.#memberships.has(connection.id)) this.#memberships.set(connection.id, { session, channels: new Map() });
    this.#member(connection, channel, "join");
  }

  /** Writes a join as whoever the connection is now, or the leave of whoever it joined as. */
  #member(connection: Connection, channel: string, kind: "join" | "leave"): void {
    const { session, channels } = this.#memberships.get(connection.id)!;
    const member = kind === "join" ? memberFor(connection) : channels.get(channel)!;
    if (kind === "join") channels.set(channel, member);
    else channels.delete(channel);
    this.#parts.bus.append({ kind, channel, session, member }, () => {});
  }

  /** A lost connection's members stay for the grace, so that a reload does not flap; a leave that is asked for is at once. */
  #closed(connection: Connection): void {
    this.#granted.delete(connection);
    const memberships = this.#memberships.get(connection.id);
    if (memberships === undefined) return;
    const write = (): void => {
      this.#memberships.delete(connection.id);
      const { session, channels } = memberships;
      for (const [channel, member] of channels)
        this.#parts.bus.append({ kind: "leave", channel, session, member }, () => {});
    };
    // An anonymous connection cannot come back as the same member: nothing to wait for.
    if (this.#options.leaveGraceSeconds === 0 || connection.identity === undefined) write();
    else setTimeout(write, this.#options.leaveGraceSeconds * 1000).unref();
  }
}

/** Why neither the connection's own rights nor `lent`, the patterns of a subscribe token, open `channel` to it. */
function refuseSubscriber({ identity }: Connection, channel: string, policy: Policy, lent: readonly string[] = []) {
  const granted = [...(identity?.channels ?? []), ...lent];
  return refuse(policy.subscribe, policy, { channel, identity, granted, isSubscriber: false });
}

function memberFor({ id, identity }: Connection): Member {
  return identity === undefined
    ? { connection_id: id }
    : { user_id: JSON.parse(identity.userIdJson), role: identity.role };
}
