/**
 * From a record of the log to its subscribers' sockets.
 *
 * Publications are collected and handed to uWebSockets.js from `setImmediate`, never inside a socket's handler: inside
 * one, more than 32 publications per subscriber cost a system call each (3.9 M against 8.3 M deliveries/s at 256 in
 * flight). In a log of this process, a message that comes alone after one that came alone does not wait for that turn: it
 * goes at the end of its own handler, and is back 12 us earlier (of 84); one that comes right after a flush to many sockets
 * waits a moment for as many as that had. A message enters its channel's ring at the moment it is published, and whoever
 * changes a subscription flushes first: so replay and live delivery meet without a gap and without a double.
 */
import type { Clock } from "../clock/clock.ts";
import type { Connection } from "../connection/connection.ts";
import type { Connections } from "../connection/connections.ts";
import type { SlowConsumers } from "../connection/slow-consumers.ts";
import type { Counters } from "../metrics/counters.ts";
import { type EncodedFrame, encodeJson, transcode } from "../protocol/encode.ts";
import type { Encoding } from "../protocol/encoding.ts";
import type { Target } from "../protocol/messages.ts";
import { Batches } from "./batches.ts";
import { type Topics, topicOf } from "./topics.ts";

export interface Publication {
  readonly channel: string;
  /** The frame up to, and without, its closing brace. */
  readonly body: string;
  readonly target: Target | undefined;
  /** The connection that is left out. */
  readonly except: number | undefined;
  /** Monotonic ms. */
  readonly acceptedAtMs: number;
  /** Called at the moment of publishing: puts the message into its ring. */
  readonly keep: (() => void) | undefined;
}

/** Frames that a client sends together are handled 5 us apart; the next answer to an answer takes 60 or more. */
const burstGapMs = 0.04;

/**
 * How long a flush waits for as many publications as came lately, in ms a delivery of the one before: a twentieth of what
 * that took. To 1,000 subscribers with 32 in flight it takes 7 ms. Whoever answers its first frames before its last are
 * sent splits the load into two parts that alternate from then on, each with as many system calls as the whole: 2.9 M
 * deliveries/s instead of 4.4 M.
 */
const gatherMsPerDelivery = 0.00001;

export class FanOut {
  readonly #topics: Topics;
  readonly #connections: Connections;
  readonly #slowConsumers: SlowConsumers;
  readonly #counters: Counters;
  readonly #clock: Clock;
  readonly #isShared: boolean;
  readonly #pendingMax: number;
  readonly #batches: Batches;
  #pending: Publication[] = [];
  #recipients: number[] = []; // [i] of #pending[i], where it is for all subscribers
  #replies: EncodedFrame[] = [];
  #repliesTo: Connection[] = []; // [i] gets #replies[i]
  #isScheduled = false;
  #addedAtMs = 0; // monotonic
  #burst = 0; // publications without a gap between them, up to now
  #burstBefore = 0;
  #deliveriesBefore = 0; // of the last flush
  #expected = 0; // publications of a flush, as many as lately
  #gatherUntilMs = 0; // monotonic
  readonly #flushScheduled = (): void => {
    if (this.#pending.length < this.#expected && this.#clock.nowMs() < this.#gatherUntilMs)
      return void setImmediate(this.#flushScheduled);
    this.#isScheduled = false;
    this.flush();
  };

  /**
   * `isShared`: the log answers later, for many at once, and never within a socket's handler. So publications always wait
   * for the end of the turn, by which the acknowledgements of their entry are there as well and go first; and not more than
   * 256 of them wait: each collection of V8's young generation copies them (10 % of the throughput between nodes).
   */
  constructor(
    topics: Topics,
    connections: Connections,
    slowConsumers: SlowConsumers,
    counters: Counters,
    clock: Clock,
    isShared: boolean,
  ) {
    this.#topics = topics;
    this.#connections = connections;
    this.#slowConsumers = slowConsumers;
    this.#counters = counters;
    this.#clock = clock;
    this.#isShared = isShared;
    this.#pendingMax = isShared ? 256 : Number.POSITIVE_INFINITY;
    this.#batches = new Batches((topic, encoding, json, except) =>
      this.#send(topic, encoding, json, this.#countIn(topic, except), except),
    );
  }

  /**
   * Collects a publication for the next flush, unless nobody here would get it: then that turn is spared (a twentieth of what
   * a call of a backend costs). Who is subscribed does not change until the flush. Hot path.
   */
  add(publication: Publication): void {
    const { target, keep } = publication;
    const recipients = target === undefined ? this.#countOf(publication) : 0;
    if (recipients === 0 && target === undefined && keep === undefined) return;
    this.#pending.push(publication);
    this.#recipients.push(recipients);
    if (this.#pending.length >= this.#pendingMax) return this.flush();
    if (!this.#isShared) this.#expectMore(publication.acceptedAtMs);
    this.#schedule();
  }

  /**
   * Collects a reply to one connection, which leaves right before the publications of the same turn, and together with
   * them: a system call of its own costs 5 µs (of 23 that a message costs in a room of ten). What is sent to the
   * connection meanwhile comes behind it. Hot path.
   */
  reply(connection: Connection, frame: EncodedFrame): void {
    connection.hasReplies = true;
    this.#replies.push(frame);
    this.#repliesTo.push(connection);
    this.#schedule();
  }

  /** For the end of the turn; for the end of the handler where a message comes alone, as the one before it did. */
  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    if (this.#burst === 1 && this.#burstBefore === 1) queueMicrotask(this.#flushScheduled);
    else setImmediate(this.#flushScheduled);
  }

  /** What decides when the next flush is: how long it may gather, and whether this one came alone. */
  #expectMore(nowMs: number): void {
    if (this.#pending.length === 1) this.#gatherUntilMs = nowMs + this.#deliveriesBefore * gatherMsPerDelivery;
    if (nowMs - this.#addedAtMs > burstGapMs) {
      this.#burstBefore = this.#burst;
      this.#burst = 0;
    }
    this.#burst += 1;
    this.#addedAtMs = nowMs;
  }

  /** How many connections of this node a publication to all subscribers of `channel` is handed to. */
  countRecipients(channel: string): number {
    let count = 0;
    for (const encoding of this.#connections.encodingsInUse)
      count += this.#topics.numSubscribers(topicOf(channel, encoding));
    return count;
  }

  isSubscribed(connectionId: number, channel: string): boolean {
    const connection = this.#connections.byId(connectionId);
    return connection?.socket?.isSubscribed(topicOf(channel, connection.encoding)) ?? false;
  }

  /** The subscribers of `channel` on this node that `target` names, each once. */
  recipients(channel: string, target: Target, except: number | undefined): Connection[] {
    const found = new Set<Connection>();
    const add = (connection: Connection | undefined): void => {
      if (connection?.socket?.isSubscribed(topicOf(channel, connection.encoding)) && connection.id !== except)
        found.add(connection);
    };
    for (const id of target.connections) add(this.#connections.byId(id));
    for (const user of target.users) for (const connection of this.#connections.byUser(user)) add(connection);
    return [...found];
  }

  /** Sends what was collected. Called by the event loop, and before anything that changes who is subscribed. */
  flush(): void {
    this.#slowConsumers.cut();
    if (this.#replies.length > 0) this.flushReplies();
    if (this.#pending.length > 0) this.#flushPublications();
  }

  #flushPublications(): void {
    const [pending, counted] = [this.#pending, this.#recipients];
    this.#pending = [];
    this.#recipients = [];
    const nowMs = this.#clock.nowMs();
    const before = this.#counters.deliveries;
    for (const [i, publication] of pending.entries()) {
      publication.keep?.();
      const { target, acceptedAtMs } = publication;
      const recipients =
        target === undefined ? this.#publish(publication, counted[i]!) : this.#sendTo(publication, target);
      this.#counters.deliveries += recipients;
      if (recipients > 0) this.#counters.deliveryLatency.observe(nowMs - acceptedAtMs);
    }
    this.#batches.flush();
    this.#expected = Math.max(pending.length, 0.9 * this.#expected);
    this.#deliveriesBefore = this.#counters.deliveries - before;
  }

  /**
   * By a topic of the connection's own: uWebSockets.js sends what topics bring to a socket in one go, and what is sent to
   * it directly in another.
   */
  flushReplies(): void {
    const [replies, connections] = [this.#replies, this.#repliesTo];
    this.#replies = [];
    this.#repliesTo = [];
    for (const [i, frame] of replies.entries()) {
      const connection = connections[i]!;
      connection.hasReplies = false;
      if (!connection.isOpen) continue;
      this.#counters.framesOut += 1;
      this.#counters.bytesOut += frame.length;
      this.#topics.publish(connection.ownTopic, frame, connection.format === "msgpack", undefined);
    }
  }

  /** How many a publication to all subscribers is for. */
  #countOf({ channel, except }: Publication): number {
    return this.countRecipients(channel) - (except !== undefined && this.isSubscribed(except, channel) ? 1 : 0);
  }

  /** To `recipients` subscribers; returns them. */
  #publish({ channel, body, except }: Publication, recipients: number): number {
    if (recipients === 0) return 0;
    const publisher = except === undefined ? undefined : this.#connections.byId(except);
    const { encodingsInUse } = this.#connections;
    for (const encoding of encodingsInUse) {
      const topic = topicOf(channel, encoding);
      const excluded = publisher?.encoding === encoding ? publisher : undefined;
      const subscribers = encodingsInUse.length === 1 ? recipients : this.#countIn(topic, excluded);
      if (subscribers === 0) continue;
      if (encoding.isBatched) this.#batches.add(topic, encoding, body, excluded);
      else this.#send(topic, encoding, `${body}}`, subscribers, excluded);
    }
    return recipients;
  }

  #countIn(topic: string, except: Connection | undefined): number {
    return this.#topics.numSubscribers(topic) - (except?.socket?.isSubscribed(topic) ? 1 : 0);
  }

  /** `json`: one frame, or an array of them. */
  #send(topic: string, { format }: Encoding, json: string, subscribers: number, except: Connection | undefined): void {
    const frame = encodeJson(json, format);
    this.#counters.framesOut += subscribers;
    this.#counters.bytesOut += subscribers * frame.length;
    this.#topics.publish(topic, frame, format === "msgpack", except?.socket);
  }

  #sendTo({ channel, body, except }: Publication, target: Target): number {
    this.#batches.flush(); // it goes behind them
    const frame = `${body}}`;
    let packed: EncodedFrame | undefined; // made for the first recipient who wants it
    const recipients = this.recipients(channel, target, except);
    for (const connection of recipients) {
      if (connection.format === "msgpack") packed ??= transcode(frame);
      connection.sendEncoded(connection.format === "json" ? frame : packed!);
    }
    return recipients.length;
  }
}
