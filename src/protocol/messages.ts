/**
 * The frames that a client sends, after decoding: plain data, every field checked, absent fields `undefined`.
 *
 * A published value is carried as JSON text (`messageJson`), because that is what goes into the frame of every
 * subscriber; nothing on the way needs it as an object.
 */
import type { FrameId } from "./frame-id.ts";
import type { Refusal } from "./refusal.ts";

/** Of the wire protocol, as in the subprotocols `tidegate.json.v1`: another one is another language. */
export const protocolVersion = 1;

/** Where a client stands in a channel with history: the last message that it has, in which life of the log. */
export interface StreamPosition {
  readonly offset: string;
  readonly epoch: string;
}

export interface Subscribe {
  readonly action: "subscribe";
  readonly id: FrameId | undefined;
  readonly channel: string;
  /** Replay what followed this position. */
  readonly since: StreamPosition | undefined;
  /** Replay at most this many of the latest messages; 0 for none. */
  readonly history: number;
  /** Put the members into the reply. */
  readonly presence: boolean;
  /** A token that grants this one channel. */
  readonly token: string | undefined;
}

export interface Unsubscribe {
  readonly action: "unsubscribe";
  readonly id: FrameId | undefined;
  readonly channel: string;
}

export interface Publish {
  readonly action: "message";
  readonly id: FrameId | undefined;
  readonly channel: string;
  readonly messageJson: string;
  /** `undefined`: every subscriber. */
  readonly target: Target | undefined;
  /** `undefined`: as the channel's policy says. */
  readonly echo: boolean | undefined;
  /** Idempotency key: a second publication with it is acknowledged and not delivered. */
  readonly key: string | undefined;
}

/** The subscribers that a targeted message is for: those named in either list. */
export interface Target {
  readonly connections: readonly number[];
  readonly users: readonly string[];
}

export interface Authenticate {
  readonly action: "authenticate";
  readonly id: FrameId | undefined;
  readonly token: string;
}

export interface Presence {
  readonly action: "presence";
  readonly id: FrameId | undefined;
  readonly channel: string;
}

export interface History {
  readonly action: "history";
  readonly id: FrameId | undefined;
  readonly channel: string;
  readonly limit: number | undefined;
  /** Only messages before this offset. */
  readonly before: string | undefined;
}

export interface Ping {
  readonly action: "ping";
  readonly id: FrameId | undefined;
}

export interface Pong {
  readonly action: "pong";
}

export interface Batch {
  readonly action: "batch";
  readonly id: FrameId | undefined;
  /** Decoded one by one: a bad item does not spoil the others. */
  readonly items: readonly (ClientMessage | Refusal)[];
}

export type ClientMessage = Subscribe | Unsubscribe | Publish | Authenticate | Presence | History | Ping | Pong | Batch;

export type Action = ClientMessage["action"];
export const actions: readonly Action[] = [
  "subscribe",
  "unsubscribe",
  "message",
  "authenticate",
  "presence",
  "history",
  "ping",
  "pong",
  "batch",
];

/** The message of one action. */
export type MessageOf<A extends Action> = Extract<ClientMessage, { action: A }>;
