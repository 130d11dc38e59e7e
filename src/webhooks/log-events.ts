/**
 * The events of the whole cluster, derived from the log: members, occupied channels, messages. Every process that holds
 * the log derives the same events with the same ids, so that none is lost with a node; the queue takes each id once.
 *
 * The rule: a record of the past is no event, and what a node's roll tells again is one only to the node whose roll it is:
 * others may not have known it, it alone knows that it is news.
 */
import {
  isOfMembers,
  type LogRecord,
  type Member,
  type MembershipRecord,
  type OccupancyRecord,
  type PublicationRecord,
  type RollRecord,
} from "../bus/bus.ts";
import type { Idempotency } from "../channel/idempotency.ts";
import { Members } from "../channel/presence.ts";
import { nodeOfSession } from "../connection/connections.ts";
import type { StreamPosition } from "../protocol/messages.ts";
import { createEvent, type EventSink, sharedId, unixTime } from "./event.ts";
import type { EventName } from "./webhook-options.ts";

export interface LogEventsOptions {
  /** How many orders the log has. */
  readonly shards: number;
  /** True for the incarnation of this process, or of one of its workers. */
  isOwn(node: string): boolean;
}

export class LogEvents {
  readonly #sink: EventSink;
  readonly #options: LogEventsOptions;
  readonly #wantsMessages: boolean;
  readonly #occupants: Members; // of each channel one member, there on every node that has subscribers
  readonly #rolls = new Set<string>(); // of other nodes, under way
  #isStarted = false;
  #position: StreamPosition = { offset: "", epoch: "" };
  #isNews = false; // the record that is being applied may be an event

  constructor(sink: EventSink, options: LogEventsOptions) {
    this.#sink = sink;
    this.#options = options;
    this.#wantsMessages = sink.wants("message");
    this.#occupants = new Members(options.shards);
  }

  /** From here on what the log brings is new. */
  start(): void {
    this.#isStarted = true;
  }

  /** The nodes with subscribers. */
  nodes(): readonly string[] {
    return this.#occupants.nodes();
  }

  /** A record comes out of the log, before anything else has applied it; `keys` says whether its key came before. */
  enter(record: LogRecord, position: StreamPosition, ageMs: number, keys: Pick<Idempotency, "find">): void {
    const isNew = this.#isStarted && ageMs === 0;
    if (record.kind === "publication") {
      if (this.#wantsMessages && isNew && !isRepeated(record, keys)) this.#published(record, position);
      return;
    }
    if (!isOfMembers(record)) return; // what a command does to connections is seen where they are
    this.#position = position;
    this.#isNews = isNew && !this.#isToldAgain(record);
    if (record.kind === "occupied" || record.kind === "vacated")
      this.#occupants.apply(asMember(record), this.#occupied);
    else if (!("session" in record)) this.#occupants.apply(record, this.#occupied);
  }

  /** A member has joined or left by the record that came last. */
  readonly memberChanged = ({ kind, channel, member }: MembershipRecord): void =>
    this.#emit(kind === "join" ? "member_joined" : "member_left", channel, { member });

  readonly #occupied = ({ kind, channel }: MembershipRecord): void =>
    this.#emit(kind === "join" ? "channel_occupied" : "channel_vacated", channel, {});

  #emit(event: EventName, channel: string, fields: { readonly member?: Member }): void {
    if (!this.#isNews || !this.#sink.wants(event)) return;
    const { offset, epoch } = this.#position;
    const id = sharedId(epoch, offset, event, channel, JSON.stringify(fields));
    this.#sink.emit(createEvent(id, event, true, { channel, ...fields }));
  }

  #published({ channel, head, target }: PublicationRecord, { offset, epoch }: StreamPosition): void {
    const id = sharedId(epoch, offset, "message", channel);
    const only = target === undefined ? "" : `,"only":${JSON.stringify(target)}`;
    const place = `,"offset":"${offset}","epoch":"${epoch}"`;
    const json = `{"id":"${id}","event":"message","time":${unixTime()},"channel":"${channel}","frame":${head}${place}}${only}}`;
    this.#sink.emit({ id, event: "message", channel, json, isShared: true });
  }

  /** True for what stands in the roll of another node. */
  #isToldAgain(record: RollRecord): boolean {
    if (record.kind === "roll_call") return false;
    const node = "session" in record ? nodeOfSession(record.session) : record.node;
    if (this.#options.isOwn(node)) return false;
    const roll = `${"channel" in record ? this.#occupants.shardOf(record.channel) : (record.shard ?? 0)} ${node}`;
    if (record.kind === "roll_begun") this.#rolls.add(roll);
    const isWithin = this.#rolls.has(roll);
    if (record.kind === "roll_ended" || record.kind === "node_ended") this.#rolls.delete(roll);
    return isWithin && record.kind !== "node_ended";
  }
}

/** Of a channel's occupants all are one: the first node with a subscriber joins, the last one leaves. */
const asMember = ({ kind, channel, node }: OccupancyRecord): MembershipRecord => ({
  kind: kind === "occupied" ? "join" : "leave",
  channel,
  session: `${node}.`,
  member: {},
});

function isRepeated(
  { channel, userId, key, acceptedAtMs }: PublicationRecord,
  keys: Pick<Idempotency, "find">,
): boolean {
  return key !== undefined && keys.find({ channel, userId, key, acceptedAtMs }) !== undefined;
}
