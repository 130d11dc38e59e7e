/**
 * What a backend may ask of the gateway, through whichever door: HTTP, the command line, or the program that embeds it.
 *
 * The rule: every call acts on all nodes and workers. What changes something is a record in the log; what asks something
 * is answered from the log's state on this node, or gathered from all processes.
 */

import type { Member } from "../bus/bus.ts";
import type { Target } from "../protocol/messages.ts";
import type { Stats } from "./stats.ts";

/** A JSON value. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** Why a call was not carried out. Thrown; `code` is for programs, the message for people. */
export class CallError extends Error {
  override readonly name = "CallError";
  readonly code: CallErrorCode;

  constructor(code: CallErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

export type CallErrorCode =
  /** A field is missing, unknown, of a wrong type or out of range. */
  | "invalid_call"
  | "invalid_channel"
  /** What the call names does not exist, or the channel has no such thing (history, presence). */
  | "not_found"
  | "too_large"
  /** The log is away, or too many calls wait for answers. What was to be done may still happen. */
  | "unavailable"
  | "internal";

/** Who is meant: whoever stands in one of the lists. At least one list must be given. */
export interface Selection {
  readonly users?: readonly (string | number)[] | undefined;
  readonly connections?: readonly number[] | undefined;
  readonly sessions?: readonly string[] | undefined;
}

export interface PublishCall {
  readonly channel: string;
  readonly message: Json;
  /** Only these of the subscribers. */
  readonly users?: readonly (string | number)[] | undefined;
  readonly connections?: readonly number[] | undefined;
  /** Idempotency key, 1 to 128 characters: a second publication with it is not delivered. */
  readonly key?: string | undefined;
}

export interface Published {
  /** On channels with history. */
  readonly offset?: string;
  readonly epoch?: string;
  /** Its key came before: it was not delivered again. */
  readonly duplicate?: true;
}

export interface BroadcastCall extends Pick<PublishCall, "message" | "key"> {
  readonly channels: readonly string[];
}

export interface SubscribeCall extends Selection {
  readonly channel: string;
}

export interface DisconnectCall extends Selection {
  /** 4000 to 4999; default 4503, which tells clients not to come back. */
  readonly code?: number | undefined;
  /** At most 123 bytes. */
  readonly reason?: string | undefined;
}

export interface RevokeCall {
  /** Tokens by their `jti` claim. */
  readonly tokens?: readonly string[] | undefined;
  /** All tokens of these users issued (`iat`) up to this second, and those that do not say when. */
  readonly users?: readonly (string | number)[] | undefined;
  /** Unix seconds, in the future: until when to remember it. Default: 24 hours from now, which no token should outlive. */
  readonly until?: number | undefined;
}

export interface HistoryCall {
  readonly channel: string;
  readonly limit?: number | undefined;
  readonly since?: { readonly offset: string; readonly epoch: string } | undefined;
  /** Newest first. */
  readonly reverse?: boolean | undefined;
}

export interface HistoryPage {
  readonly channel: string;
  /** The `message` frames, parsed; with `since` and `limit` the first ones after it (with `reverse` the last ones). */
  readonly messages: readonly Json[];
  readonly offset: string;
  readonly epoch: string;
  /** With `since`: whether everything after it is here. */
  readonly recovered?: boolean;
}

export interface PageCall {
  /** Entries at most, 1 to 1000; default 100. */
  readonly limit?: number | undefined;
  /** The `next` of the page before. */
  readonly cursor?: string | undefined;
}

export interface ChannelsCall extends PageCall {
  /** A pattern of words, `*` and a last `>`; default all. */
  readonly pattern?: string | undefined;
}

export interface ChannelInfo {
  readonly channel: string;
  /** Connections on all nodes. */
  readonly subscribers: number;
  /** On channels with presence. */
  readonly members?: number;
}

export interface ConnectionsCall extends PageCall {
  readonly user?: string | number | undefined;
  readonly connection?: number | undefined;
}

export interface ConnectionInfo {
  readonly connection: number;
  readonly session: string;
  readonly node: string;
  readonly user?: string | number;
  readonly role?: string;
  readonly address: string;
  readonly format: "json" | "msgpack";
  /** At most 1000. */
  readonly channels: readonly string[];
  readonly queuedBytes: number;
}

/** A page in the order of its keys. `isPartial`: a process did not answer in time, what it has is missing. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly next?: string;
  readonly isPartial?: true;
}

export interface NodeInfo {
  /** Its incarnation. */
  readonly node: string;
  readonly version: string;
  readonly connections: number;
  readonly subscriptions: number;
  readonly uptimeSeconds: number;
}

/** A receiver of webhooks and what waits for it. */
export interface WebhookInfo {
  /** Origin and path. */
  readonly url: string;
  /** Events that wait; with Redis, of all nodes. */
  readonly queued: number;
  /** For how long the oldest of them has waited; 0 where none does. */
  readonly oldestSeconds: number;
  /** Events given up: those that are kept; without Redis, that there have been. */
  readonly deadLetters: number;
}

export interface Info {
  readonly version: string;
  readonly nodes: readonly NodeInfo[];
  readonly connections: number;
  readonly subscriptions: number;
  /** Where there are some, as the node or supervisor knows them that was asked. */
  readonly webhooks?: readonly WebhookInfo[];
  readonly isPartial?: true;
}

/**
 * For how many connections of all nodes something changed: who was subscribed already, has too many channels or is gone
 * does not count.
 */
export interface Affected {
  readonly connections: number;
  readonly isPartial?: true;
}

/**
 * Rejects with `CallError`, also for arguments that would do harm: a program with a `Gateway` of its own comes here past
 * the schemas of `call-schemas.ts`.
 */
export interface Calls {
  publish(call: PublishCall): Promise<Published>;
  /** The same without a promise, for who publishes by the thousand. `done` is called once, maybe before this returns. */
  publishNow?(call: PublishCall, done: (outcome: Published | CallError) => void): void;
  /** One result for each channel, in order. */
  broadcast(call: BroadcastCall): Promise<readonly (Published | CallError)[]>;
  subscribe(call: SubscribeCall): Promise<Affected>;
  unsubscribe(call: SubscribeCall): Promise<Affected>;
  disconnect(call: DisconnectCall): Promise<Affected>;
  /** Ends tokens before their time, on all nodes; connections that used one are closed with 4003. */
  revoke(call: RevokeCall): Promise<Affected>;
  presence(call: { readonly channel: string }): Promise<{ readonly members: readonly Member[] }>;
  presenceStats(call: {
    readonly channel: string;
  }): Promise<{ readonly members: number; readonly connections: number }>;
  history(call: HistoryCall): Promise<HistoryPage>;
  channels(call: ChannelsCall): Promise<Page<ChannelInfo>>;
  connections(call: ConnectionsCall): Promise<Page<ConnectionInfo>>;
  info(): Promise<Info>;
  /** What all processes count, and how they are. */
  stats(): Promise<Stats>;
}

/** The subscribers that a publication is for; `undefined`: all of them. */
export function targetOf({ users, connections }: Pick<PublishCall, "users" | "connections">): Target | undefined {
  if (users === undefined && connections === undefined) return undefined;
  return { users: (users ?? []).map(String), connections: connections ?? [] };
}
