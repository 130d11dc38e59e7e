/**
 * One channel: where its messages stand, and who listens.
 *
 * The rule: a message reaches each listener once and in order, or the listener is told of a gap first. Offsets sort as
 * text within an epoch, so a listener needs no more than the last one that it got.
 */
import type { StreamPosition } from "../protocol/messages.ts";
import type { TidegateError } from "./errors.ts";
import type { Gap, Member, Message, PresenceChange, Subscribed } from "./frames.ts";
import type { Listener } from "./listener.ts";
import { isAfter, positionOf } from "./position.ts";

export class Subscription {
  readonly channel: string;
  readonly listeners = new Set<Listener>();
  /** The gateway has subscribed this connection. */
  isLive = false;
  isByServer = false;
  /** It was live before, on this connection or an earlier one: what breaks off now is a gap. */
  wasLive = false;
  #position: StreamPosition | undefined; // what recovery starts from
  #afterReplay: StreamPosition | undefined; // the same, once the replay is whole
  #members: Map<string, Member> | undefined; // where a listener wants them and the channel has them
  isAsking = false; // a request is under way
  refusals = 0; // for now, in a row

  constructor(channel: string) {
    this.channel = channel;
  }

  add(listener: Listener): void {
    this.listeners.add(listener);
    const { history, presence } = listener;
    const position = this.#afterReplay ?? this.#position;
    if (this.isLive && history === 0 && !presence)
      listener.subscribed({ channel: this.channel, ...position }, position);
  }

  /** The gateway must be asked: for the subscription, or for what a new listener wants besides. */
  get needsRequest(): boolean {
    return !this.isAsking && !(this.isLive && [...this.listeners].every(({ isBegun }) => isBegun));
  }

  /** The data of the request; asked for when it is sent. */
  request(): object {
    const listeners = [...this.listeners];
    const since = this.isLive ? undefined : this.#since();
    const history = Math.max(0, ...listeners.map((listener) => listener.history));
    const presence = listeners.some((listener) => listener.presence);
    const token = listeners.map(({ options }) => options.token).find(Boolean);
    return {
      channel: this.channel,
      options: { since, history, presence },
      token,
    };
  }

  /** The answer; replayed messages follow. Returns the gap that it tells of. */
  subscribed(reply: Subscribed): Gap | undefined {
    const { recovered, presence } = reply;
    const position = positionOf(reply);
    const isRecovery = recovered === true;
    const isBroken = this.isLive ? position?.epoch !== this.#position?.epoch : this.wasLive && !isRecovery;
    const gap = isBroken ? this.#gap() : undefined;
    this.isAsking = false;
    this.isLive = true;
    this.wasLive = true;
    this.refusals = 0;
    this.#afterReplay = position;
    if (!isRecovery && [...this.listeners].every(({ history }) => history === 0)) this.replayed(); // there is no replay
    for (const listener of this.listeners) {
      // A recovery replays what the others missed, not the history that this one wants: it asks again.
      if (listener.isBegun || !(isRecovery && listener.history > 0)) listener.subscribed(reply, position);
    }
    if (presence !== undefined) this.#setMembers(presence.members);
    return gap;
  }

  /** All replayed messages have come. */
  replayed(): void {
    const after = this.#afterReplay;
    this.#afterReplay = undefined;
    if (after === undefined) return;
    if (isAfter(after, this.#position)) this.#position = after;
    for (const listener of this.listeners) listener.replayed(after);
  }

  /** A new epoch in the middle of a connection: the log was lost, and messages with it. */
  gapBefore({ epoch }: Message): Gap | undefined {
    const known = (this.#afterReplay ?? this.#position)?.epoch;
    return epoch && known && epoch !== known ? this.#gap() : undefined;
  }

  /** Hands it to all who have not had it; false where it had come before. */
  take(message: Message): boolean {
    const position = positionOf(message);
    const isNew = position === undefined || isAfter(position, this.#position);
    if (isNew && position !== undefined) this.#position = position;
    for (const listener of this.listeners) listener.take(message, position);
    return isNew;
  }

  presence(change: PresenceChange): void {
    if (change.event === "join") this.#members?.set(keyOf(change.member), change.member);
    else this.#members?.delete(keyOf(change.member));
    for (const listener of this.listeners) listener.changed(change);
    this.#tellMembers();
  }

  /** The connection is gone. */
  lost(): void {
    this.isLive = false;
    this.isByServer = false;
    this.isAsking = false;
    for (const listener of this.listeners) listener.lost(this.#afterReplay !== undefined);
    this.#afterReplay = undefined;
  }

  end(error: TidegateError | undefined): void {
    for (const listener of this.listeners) listener.end(error);
  }

  /** The place of the listener that is furthest behind: the replay that it got may have broken off. */
  #since(): StreamPosition | undefined {
    let since = this.#position;
    for (const { isBegun, last } of this.listeners)
      if (isBegun && since !== undefined && last !== undefined && isAfter(since, last)) since = last;
    return since;
  }

  #gap(): Gap {
    const gap = { channel: this.channel, since: this.#position };
    for (const listener of this.listeners) listener.gap(gap);
    return gap;
  }

  #setMembers(members: readonly Member[]): void {
    this.#members = new Map(members.map((member) => [keyOf(member), member]));
    this.#tellMembers();
  }

  #tellMembers(): void {
    if (this.#members === undefined) return;
    const members = [...this.#members.values()];
    for (const listener of this.listeners) listener.setMembers(members);
  }
}

const keyOf = ({ user_id, connection_id }: Member): string => JSON.stringify([user_id, connection_id]);
