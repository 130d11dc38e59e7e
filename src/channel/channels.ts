/**
 * What a channel does with a publication on its way into the log, and with every record that comes out of it.
 */
import {
  type AnswerRecord,
  type AppendFault,
  type Bus,
  type CommandRecord,
  isOfMembers,
  type LogRecord,
  type MembershipRecord,
  type PublicationRecord,
} from "../bus/bus.ts";
import type { Clock } from "../clock/clock.ts";
import type { Connection } from "../connection/connection.ts";
import type { Counters } from "../metrics/counters.ts";
import { encodeJson, messageSent, publicationHead, withPosition } from "../protocol/encode.ts";
import type { FrameId } from "../protocol/frame-id.ts";
import type { History as HistoryRequest, Presence, Publish, StreamPosition, Target } from "../protocol/messages.ts";
import { type Refusal, refusal } from "../protocol/refusal.ts";
import type { FanOut } from "./fan-out.ts";
import type { History } from "./history.ts";
import type { Idempotency } from "./idempotency.ts";
import { type Policies, type Policy, refuse } from "./policy.ts";
import type { Members } from "./presence.ts";
import { topicOf } from "./topics.ts";

export interface ChannelParts {
  readonly bus: Bus;
  readonly policies: Policies;
  readonly fanOut: FanOut;
  readonly history: History;
  readonly idempotency: Idempotency;
  readonly members: Members;
  readonly counters: Counters;
  readonly clock: Clock;
  /** Tells the log every member that this node has in the channels of a shard. */
  announce(shard: number): void;
  /** Takes the commands of the log, and the answers to them. Must not throw. */
  command(record: CommandRecord | AnswerRecord, ageMs: number): void;
  /** Hears of every join and leave that subscribers are told. */
  readonly memberChanged?: ((change: MembershipRecord) => void) | undefined;
}

export class Channels {
  readonly #parts: ChannelParts;

  constructor(parts: ChannelParts) {
    this.#parts = parts;
  }

  /** Appends a client's message to the log and acknowledges it once the log has it. Hot path. */
  publish(connection: Connection, request: Publish): Refusal | undefined {
    const { bus, policies, idempotency, counters, clock } = this.#parts;
    const { channel, key, target } = request;
    const { identity } = connection;
    const policy = policies.of(channel);
    const refused = this.#refusePublisher(connection, channel, policy);
    if (refused !== undefined) return refused;
    const nowMs = clock.nowMs();
    if (policy.rate !== undefined && !policy.rate.take(connection.slot, 1, nowMs)) {
      counters.rateLimited += 1;
      const retryAfter = Math.max(1, Math.ceil(policy.rate.waitMs(connection.slot, 1, nowMs) / 1000));
      return { ...refusal("rate_limit"), retryAfter };
    }
    const userId = identity?.userId;
    const before = key === undefined ? undefined : idempotency.answer({ channel, userId, key, acceptedAtMs: nowMs });
    if (before !== undefined) {
      counters.duplicates += 1;
      this.#acknowledge(connection, { id: request.id, channel, target }, policy, before, undefined);
      return undefined;
    }
    const record: PublicationRecord = {
      kind: "publication",
      channel,
      head: publicationHead(channel, connection.id, request.messageJson, clock.unixSeconds(), identity?.userIdJson),
      sender: connection.id,
      echo: request.echo ?? policy.echo,
      target,
      key,
      userId,
      acceptedAtMs: nowMs,
    };
    bus.append(record, this.#acknowledging(connection, request.id, record, policy));
    return undefined;
  }

  /** Why `publish` would refuse, by the rules and the rate of the channel; takes nothing from the rate. */
  refusalOf(connection: Connection, { channel }: Publish): Refusal | undefined {
    const { policies, clock, counters } = this.#parts;
    const policy = policies.of(channel);
    const refused = this.#refusePublisher(connection, channel, policy);
    if (refused !== undefined) return refused;
    const waitMs = policy.rate?.waitMs(connection.slot, 1, clock.nowMs()) ?? 0;
    if (waitMs === 0) return undefined;
    counters.rateLimited += 1;
    return { ...refusal("rate_limit"), retryAfter: Math.max(1, Math.ceil(waitMs / 1000)) };
  }

  /** The members of a channel with presence, for whoever may subscribe to it. */
  presence(connection: Connection, { channel, id }: Presence): Refusal | undefined {
    const { policies, fanOut, members } = this.#parts;
    const policy = policies.of(channel);
    const refused = this.#refuseReader(connection, channel, policy);
    if (refused !== undefined) return refused;
    if (!policy.presence) return refusal("invalid_channel", `Channel ${channel} has no presence`);
    fanOut.flush(); // the joins and leaves that the list holds already come before it
    const list = members.list(channel);
    connection.send({ success: true, action: "presence", channel, id, members: list, count: list.length });
    return undefined;
  }

  /** The latest messages, oldest first, for whoever may subscribe; none where the channel keeps none. */
  history(connection: Connection, { channel, id, limit, before }: HistoryRequest): Refusal | undefined {
    const { bus, policies, fanOut, history } = this.#parts;
    const policy = policies.of(channel);
    const refused = this.#refuseReader(connection, channel, policy);
    if (refused !== undefined) return refused;
    fanOut.flush();
    const { size } = policy.history;
    const entries = size === 0 ? [] : history.latest(channel, Math.min(limit ?? size, size), before);
    const messages = `[${entries.map(({ body }) => `${body}}`).join(",")}]`;
    const idField = id === undefined ? "" : `,"id":${JSON.stringify(id)}`;
    const { epoch } = bus.tail(channel);
    const frame = `{"success":true,"action":"history","channel":"${channel}","messages":${messages},"epoch":"${epoch}"${idField}}`;
    connection.sendEncoded(encodeJson(frame, connection.format));
    return undefined;
  }

  /** Applies one record of the log, in its order, on every node alike. Hot path. */
  apply(record: LogRecord, position: StreamPosition, ageMs: number): void {
    if (record.kind === "publication") return this.#applyPublication(record, position, ageMs);
    const { members, bus, announce, command } = this.#parts;
    if (!isOfMembers(record)) return command(record, ageMs);
    members.apply(record, (change) => this.#tellPresence(change));
    if ("channel" in record) return;
    const isAsked = record.kind === "roll_call" && (record.node === "" || record.node === bus.incarnation);
    const isBuriedAlive = record.kind === "node_ended" && record.node === bus.incarnation;
    if (isAsked || isBuriedAlive) announce(record.shard ?? 0);
  }

  #applyPublication(record: PublicationRecord, position: StreamPosition, ageMs: number): void {
    const { policies, fanOut, history, idempotency, counters } = this.#parts;
    const { channel, head, key, userId, target, acceptedAtMs } = record;
    if (key !== undefined) {
      const keyed = { channel, userId, key, acceptedAtMs };
      if (idempotency.find(keyed) !== undefined) return;
      idempotency.add(keyed, position);
    }
    if (ageMs === 0) counters.publications += 1; // not those of the past that a node starts with
    const except = record.echo ? undefined : record.sender;
    const policy = policies.of(channel);
    if (policy.history.size === 0 || target !== undefined)
      return fanOut.add({ channel, body: head, target, except, acceptedAtMs, keep: undefined });
    const body = withPosition(head, position);
    const keep = (): void => history.push(channel, policy, position, body, ageMs);
    fanOut.add({ channel, body, target, except, acceptedAtMs, keep });
  }

  #tellPresence(change: MembershipRecord): void {
    const { fanOut, members, clock, memberChanged } = this.#parts;
    const { kind, channel, member } = change;
    memberChanged?.(change);
    const frame = {
      action: "presence",
      event: kind,
      channel,
      member,
      count: members.countIn(channel),
      time: clock.unixSeconds(),
    };
    const body = JSON.stringify(frame).slice(0, -1);
    fanOut.add({ channel, body, target: undefined, except: undefined, acceptedAtMs: clock.nowMs(), keep: undefined });
  }

  /** What tells the publisher of the log's answer. It is kept until then, so it holds on to nothing large. */
  #acknowledging(
    connection: Connection,
    id: FrameId | undefined,
    { channel, target, echo, key, userId, acceptedAtMs }: PublicationRecord,
    policy: Policy,
  ): (outcome: StreamPosition | AppendFault) => void {
    const { counters, clock, idempotency } = this.#parts;
    return (outcome) => {
      const first = key === undefined ? undefined : idempotency.find({ channel, userId, key, acceptedAtMs });
      if (outcome === "unavailable") connection.send(unavailable(id, channel));
      else if (first !== undefined && first.offset !== outcome.offset) {
        counters.duplicates += 1; // it came through another node, while this one had not heard of it
        this.#acknowledge(connection, { id, channel, target }, policy, first, undefined);
      } else {
        const count = this.#countRecipients(channel, target, echo ? undefined : connection.id);
        this.#acknowledge(connection, { id, channel, target }, policy, outcome, count);
      }
      counters.appendLatency.observe(clock.nowMs() - acceptedAtMs);
    };
  }

  #acknowledge(
    connection: Connection,
    { id, channel, target }: Pick<Publish, "id" | "channel" | "target">,
    policy: Policy,
    position: StreamPosition,
    count: number | undefined, // undefined: its key came before, and nobody got it again
  ): void {
    const isKept = policy.history.size > 0 && target === undefined;
    const { bus, fanOut } = this.#parts;
    const kept = isKept ? position : undefined;
    const frame = messageSent(id, channel, count ?? 0, !bus.isShared, kept, count === undefined);
    fanOut.reply(connection, encodeJson(frame, connection.format));
  }

  #countRecipients(channel: string, target: Target | undefined, except: number | undefined): number {
    const { fanOut } = this.#parts;
    if (target !== undefined) return fanOut.recipients(channel, target, except).length;
    return fanOut.countRecipients(channel) - (except !== undefined && fanOut.isSubscribed(except, channel) ? 1 : 0);
  }

  #refusePublisher(connection: Connection, channel: string, policy: Policy): Refusal | undefined {
    const { identity } = connection;
    const isSubscriber = connection.socket?.isSubscribed(topicOf(channel, connection.encoding)) ?? false;
    const granted = identity?.publish ?? noPatterns;
    const reason = refuse(policy.publish, policy, { channel, identity, granted, isSubscriber });
    if (reason === undefined) return undefined;
    if (reason === "not_subscribed") return refusal(reason);
    return refusal(reason, `Not allowed to publish to channel ${channel}`);
  }

  #refuseReader(connection: Connection, channel: string, policy: Policy): Refusal | undefined {
    const { identity } = connection;
    if (connection.socket?.isSubscribed(topicOf(channel, connection.encoding))) return undefined;
    const granted = identity?.channels ?? [];
    const reason = refuse(policy.subscribe, policy, { channel, identity, granted, isSubscriber: false });
    return reason === undefined ? undefined : refusal(reason, `Not allowed on channel ${channel}`);
  }
}

const noPatterns: readonly string[] = [];

function unavailable(id: FrameId | undefined, channel: string): object {
  const { code, error } = refusal("unavailable");
  return { success: false, action: "error", error, code, request: "message", channel, id };
}
