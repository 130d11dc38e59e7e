/** One listener of a channel, of those that share a subscription: what it has had already, and what it is told. */
import type { StreamPosition } from "../protocol/messages.ts";
import { Emitter } from "./emitter.ts";
import type { TidegateError } from "./errors.ts";
import type { Gap, Member, Message, PresenceChange, Subscribed } from "./frames.ts";
import { isAfter } from "./position.ts";

export interface SubscribeOptions {
  /** So many of the latest messages to begin with, on channels with history. */
  readonly history?: number;
  /** Keep `members`, on channels with presence. */
  readonly presence?: boolean;
  /** A token that grants this one channel. */
  readonly token?: string;
  /**
   * Messages that may wait in an iteration, which ends with `overflow` beyond that; 10,000 unless told. Some hundred may
   * come in one frame.
   */
  readonly bufferMax?: number;
}

export interface ChannelEvents<Value> {
  readonly message: Message<Value>;
  /** Messages may be missing here. */
  readonly gap: Gap;
  /** At first, and after each reconnection. */
  readonly subscribed: Subscribed;
  readonly presence: PresenceChange;
  /** Who is there, after each change; with the option `presence`. */
  readonly members: readonly Member[];
  /** Over: refused, taken away (both with an error), or left. */
  readonly end: TidegateError | undefined;
}

export class Listener extends Emitter<ChannelEvents<unknown>> {
  readonly channel: string;
  readonly options: SubscribeOptions;
  /** What it wants besides live messages. */
  readonly history: number;
  readonly presence: boolean;
  members: readonly Member[] = [];
  isBegun = false;
  /** It is over, and why. */
  ended: { readonly error: TidegateError | undefined } | undefined;
  /** It has had everything up to here; `undefined` where that has no place, or where its history has not come. */
  last: StreamPosition | undefined;

  constructor(channel: string, options: SubscribeOptions) {
    super();
    this.channel = channel;
    this.options = options;
    const { history = 0, presence = false } = options;
    this.history = history;
    this.presence = presence;
  }

  /** Messages count from `position` on. */
  subscribed(reply: Subscribed, position: StreamPosition | undefined): void {
    if (!this.isBegun) {
      this.isBegun = true;
      this.last = this.history > 0 ? undefined : position; // a replay is for others
    }
    this.emit("subscribed", reply);
  }

  /** A replay has come to its end, at `position`. */
  replayed(position: StreamPosition): void {
    if (this.isBegun && isAfter(position, this.last)) this.last = position;
  }

  /** The connection is gone, perhaps in the middle of a replay. */
  lost(isReplaying: boolean): void {
    if (!isReplaying || !this.isBegun || this.last !== undefined) return;
    this.gap({ channel: this.channel, since: undefined });
    this.isBegun = false; // nothing of its history has come: it begins anew
  }

  take(message: Message, position: StreamPosition | undefined): void {
    if (!this.isBegun || (position !== undefined && !isAfter(position, this.last))) return;
    this.last = position ?? this.last;
    this.emit("message", message);
  }

  gap(gap: Gap): void {
    if (this.isBegun) this.emit("gap", gap);
  }

  changed(change: PresenceChange): void {
    if (this.isBegun) this.emit("presence", change);
  }

  setMembers(members: readonly Member[]): void {
    this.members = members;
    this.emit("members", members);
  }

  end(error?: TidegateError): void {
    if (this.ended !== undefined) return;
    this.ended = { error };
    this.emit("end", error);
  }
}
