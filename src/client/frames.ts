/** The gateway's frames, as the client reads and hands them on: the names of the wire. */
import type { FrameId } from "../protocol/frame-id.ts";
import type { StreamPosition } from "../protocol/messages.ts";

/** Any frame. */
export interface Frame {
  readonly action?: unknown;
  readonly id?: FrameId;
  readonly [field: string]: unknown;
}

export interface Welcome {
  readonly action: "welcome";
  /** Version of the wire protocol: 1. */
  readonly protocol?: number;
  readonly connection_id: number;
  /** Seconds. */
  readonly heartbeat_interval: number;
  readonly authenticated: boolean;
  readonly user_id?: string | number;
  readonly role?: string;
  /** Why the token of the handshake was not accepted. */
  readonly auth_error?: "invalid_token" | "token_expired";
  readonly session: string;
  readonly node: string;
  readonly limits: {
    /** 0: no limit. */
    readonly messages_per_minute: number;
    readonly message_bytes_max: number;
    readonly batch_items_max: number;
    readonly channels_max: number;
  };
}

/** A message of a channel. */
export interface Message<Value = unknown> {
  readonly action: "message";
  readonly channel: string;
  /** The publisher's connection id; 0: a backend. */
  readonly sender: number;
  readonly message: Value;
  /** Unix seconds. */
  readonly time: number;
  readonly user_id?: string | number;
  /** On channels with history. */
  readonly offset?: string;
  readonly epoch?: string;
  /** From the history, not live. */
  readonly replayed?: true;
}

export interface Member {
  readonly user_id?: string | number;
  readonly role?: string;
  /** Of members without a user. */
  readonly connection_id?: number;
}

export interface PresenceChange {
  readonly action: "presence";
  readonly event: "join" | "leave";
  readonly channel: string;
  readonly member: Member;
  readonly count: number;
  readonly time: number;
}

/** `message_sent`. */
export interface Acknowledgement extends Partial<StreamPosition> {
  readonly channel: string;
  readonly recipients_count: number;
  /** Only those on the publisher's node are counted: there may be more on others. */
  readonly recipients_exact?: false;
  /** It had been published before, and was not delivered again. */
  readonly duplicate?: true;
}

export interface Subscribed extends Partial<StreamPosition> {
  readonly channel: string;
  /** Where a position was asked for: whether everything since then follows. */
  readonly recovered?: boolean;
  readonly presence?: { readonly members: readonly Member[]; readonly count: number };
}

export interface MemberList {
  readonly channel: string;
  readonly members: readonly Member[];
  readonly count: number;
}

export interface MessageList<Value = unknown> {
  readonly channel: string;
  /** Oldest first. */
  readonly messages: readonly Message<Value>[];
  readonly epoch: string;
}

export interface Authenticated {
  readonly authenticated: boolean;
  readonly user_id?: string | number;
  readonly role?: string;
  /** Seconds. */
  readonly expires_in?: number;
}

/** Messages may be missing here, and cannot be recovered. */
export interface Gap {
  readonly channel: string;
  /** The last that is known to have been seen, on channels with history. */
  readonly since: StreamPosition | undefined;
}

/** How a connection ended. */
export interface Lost {
  /** The close code; 1006 where there was none. */
  readonly code: number;
  readonly reason: string;
  /** False: it stays closed until `connect()`. */
  readonly willReconnect: boolean;
}
