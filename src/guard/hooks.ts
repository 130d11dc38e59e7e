/**
 * The hooks of a program that embeds the gateway: what they are shown, and what they may answer.
 *
 * The rule: nothing allows, a `HookRefusal` (returned or thrown) refuses, an object rewrites. A hook is asked after the
 * rules of the configuration and the backends of call-outs, about what these allow. It may answer with a promise.
 */
import type { CloseReason, ErrorCode } from "../protocol/codes.ts";

export interface Hooks {
  /** A handshake, or a later `authenticate` of an open connection. */
  onConnect?(request: ConnectRequest): Answer<ConnectRewrite>;
  onSubscribe?(request: SubscribeRequest): Answer<SubscribeRewrite>;
  /** A client's message, before it goes into the log. Server-side publications are not shown. */
  onMessage?(request: MessageRequest): Answer<MessageRewrite>;
  /** A connection has ended; it cannot be refused. */
  onClose?(event: CloseEvent): void | Promise<void>;
}

// biome-ignore lint/suspicious/noConfusingVoidType: a hook that returns nothing allows
type Now<R> = R | HookRefusal | undefined | void;
export type Answer<R> = Now<R> | Promise<Now<R>>;

/** Refuses what a hook was asked about. */
export class HookRefusal extends Error {
  override readonly name = "HookRefusal";
  readonly code: ErrorCode;
  /** Whole seconds until it may be tried again. */
  readonly retryAfter: number | undefined;

  /**
   * `code` is one of the protocol's; `text` is shown to the client. A refused handshake is answered by 401
   * (unauthenticated, invalid_token, token_expired), 429 (rate_limit, limit_reached), 503 (unavailable, internal) or 403.
   */
  constructor(code: ErrorCode, text: string, options: { readonly retryAfter?: number } = {}) {
    super(text);
    this.code = code;
    this.retryAfter = options.retryAfter;
  }
}

/** A user as a token, or `onConnect`, says. */
export interface HookUser {
  readonly id: string | number;
  readonly role: string;
  /** Patterns that it may subscribe and publish to. */
  readonly channels: readonly string[];
  readonly publish: readonly string[];
  /** Unix seconds, `Infinity` for never: its connections are closed then. */
  readonly expiresAt: number;
}

/** Who asks. */
export interface HookConnection {
  readonly id: number;
  readonly session: string;
  readonly address: string;
  readonly format: "json" | "msgpack";
  /** `undefined`: anonymous. */
  readonly user: HookUser | undefined;
  /** What `onConnect` gave for it. */
  readonly data: unknown;
}

export interface ConnectRequest {
  readonly address: string;
  readonly format: "json" | "msgpack";
  /** As the token says; `undefined`: anonymous. */
  readonly user: HookUser | undefined;
  /** In lower case; the handshake's, empty for an `authenticate`. */
  readonly headers: ReadonlyMap<string, string>;
  readonly query: URLSearchParams;
  /** The open connection that authenticates; `undefined` for a handshake. */
  readonly connection: HookConnection | undefined;
}

export interface ConnectRewrite {
  /**
   * Who it is instead; `null`: anonymous. What is left out is taken from the token, else role `user`, no patterns, no end.
   * The client cannot change it by `authenticate` any more.
   */
  readonly user?: (Partial<HookUser> & Pick<HookUser, "id">) | null | undefined;
  /** Shown to the later hooks of this connection, on this node. */
  readonly data?: unknown;
}

export interface SubscribeRequest {
  readonly connection: HookConnection;
  readonly channel: string;
  /** How many of the latest messages the client wants. */
  readonly history: number;
  /** It wants the members in the reply. */
  readonly presence: boolean;
  /** It comes back, and wants what followed. */
  readonly since: { readonly offset: string; readonly epoch: string } | undefined;
}

export interface SubscribeRewrite {
  readonly history?: number | undefined;
  readonly presence?: boolean | undefined;
}

export interface MessageRequest {
  readonly connection: HookConnection;
  readonly channel: string;
  /** Parsed anew at each look: keep it. */
  readonly message: unknown;
  /** `undefined`: every subscriber. */
  readonly target: HookTarget | undefined;
  readonly key: string | undefined;
}

/** Those named in either list. */
export interface HookTarget {
  readonly connections?: readonly number[] | undefined;
  readonly users?: readonly (string | number)[] | undefined;
}

export interface MessageRewrite {
  /** JSON. */
  readonly message?: unknown;
  /** `null`: every subscriber. */
  readonly target?: HookTarget | null | undefined;
}

export interface CloseEvent {
  readonly connection: HookConnection;
  /** Why the gateway closed it; `client` for everything else. */
  readonly reason: CloseReason | "client";
}
