/**
 * One connection: its slot, its socket while it is open, and who it is.
 *
 * The rule: the socket is touched here only, and `socket` is `undefined` from the moment it is closed; uWebSockets.js
 * throws on a closed one. Subscriptions are not here, they live in the socket's topics.
 */
import { setTimeout } from "node:timers/promises";
import type { Identity } from "../auth/identity.ts";
import type { RevocableToken } from "../auth/revocations.ts";
import type { Counters } from "../metrics/counters.ts";
import { type CloseReason, closeCodes } from "../protocol/codes.ts";
import type { Format } from "../protocol/decode.ts";
import { type EncodedFrame, encode } from "../protocol/encode.ts";
import type { Encoding } from "../protocol/encoding.ts";

/** What a connection needs of a socket; uWebSockets.js' WebSocket has this shape. */
export interface Socket {
  send(frame: EncodedFrame, isBinary: boolean, compress: boolean): number;
  ping(): number;
  end(code: number, reason: string): void;
  close(): void;
  cork(task: () => void): unknown;
  subscribe(topic: string): boolean;
  unsubscribe(topic: string): boolean;
  isSubscribed(topic: string): boolean;
  getTopics(): string[];
  publish(topic: string, frame: EncodedFrame, isBinary: boolean, compress: boolean): boolean;
  getBufferedAmount(): number;
}

/** What a channel is held by: a token that ends, and may be revoked; see `SubscriptionGrant`. */
export interface Grant extends RevocableToken {
  /** Unix seconds. */
  readonly expiresAt: number;
}

/** Frames that wait until the one before them has been handled. */
export interface Inbox {
  frames: { readonly bytes: Uint8Array; readonly isBinary: boolean }[];
  bytes: number;
}

/** What all connections of a process share. */
export interface Transport {
  readonly counters: Counters;
  /** Compress what is sent, where the client agreed to it. */
  readonly compress: boolean;
  /** Sends the replies that wait for the end of the turn. */
  flushReplies(): void;
}

const queuePollMs = 20;

export class Connection {
  readonly slot: number;
  readonly id: number;
  readonly encoding: Encoding;
  readonly address: string;
  readonly #transport: Transport;
  #ownTopic: string | undefined;
  socket: Socket | undefined;
  /** `undefined`: anonymous. */
  identity: Identity | undefined;
  /** Channels held by a subscribe token, or by the server's will, and not by the connection's own rights; see `Grants`. */
  grants: Map<string, Grant> | undefined;
  /** Frames that wait for an asynchronous step; `undefined`: none is under way. */
  inbox: Inbox | undefined;
  /** Replies to it wait for the end of the turn: what is sent directly must not overtake them. */
  hasReplies: boolean;
  /** Set once the gateway has decided to close; from then on nothing is read from it or sent to it. */
  closing: CloseReason | undefined;

  constructor(
    slot: number,
    id: number,
    socket: Socket,
    encoding: Encoding,
    address: string,
    identity: Identity | undefined,
    transport: Transport,
  ) {
    this.slot = slot;
    this.id = id;
    this.socket = socket;
    this.encoding = encoding;
    this.address = address;
    this.identity = identity;
    this.grants = undefined;
    this.inbox = undefined;
    this.closing = undefined;
    this.hasReplies = false;
    this.#transport = transport;
    this.#ownTopic = undefined;
  }

  get format(): Format {
    return this.encoding.format;
  }

  /** Open, and not about to be closed. */
  get isOpen(): boolean {
    return this.socket !== undefined && this.closing === undefined;
  }

  /** Sends a frame in this connection's encoding. Does nothing on a closed or closing connection. */
  send(frame: object): void {
    if (this.isOpen) this.sendEncoded(encode(frame, this.format));
  }

  /** Sends a frame that is encoded already, in this connection's format. Hot path. */
  sendEncoded(frame: EncodedFrame): void {
    if (this.socket === undefined || this.closing !== undefined) return;
    const { counters, compress } = this.#transport;
    if (this.hasReplies) this.#transport.flushReplies();
    counters.framesOut += 1;
    counters.bytesOut += frame.length;
    this.socket.send(frame, this.format === "msgpack", compress);
  }

  /** The topic of this connection alone, subscribed to when it is first asked for; no channel has its name. */
  get ownTopic(): string {
    if (this.#ownTopic === undefined) {
      this.#ownTopic = `!${this.slot}`;
      this.socket?.subscribe(this.#ownTopic);
    }
    return this.#ownTopic;
  }

  /** Bytes that the socket has not taken yet. */
  get queuedBytes(): number {
    return this.socket?.getBufferedAmount() ?? 0;
  }

  /** Resolves once at most `bytesMax` are queued, or the connection is closed. */
  async queueBelow(bytesMax: number): Promise<void> {
    while (this.isOpen && this.queuedBytes > bytesMax) await setTimeout(queuePollMs);
  }

  /** Runs `task` with the socket corked: its sends go out together. */
  cork(task: () => void): void {
    if (this.socket !== undefined) this.socket.cork(task);
  }

  /**
   * Closes with the code of `reason`, or another one, behind everything sent so far. The socket's close handler runs
   * before it returns.
   */
  close(reason: CloseReason, text: string, code: number = closeCodes[reason]): void {
    if (!this.isOpen) return;
    if (this.hasReplies) this.#transport.flushReplies();
    this.closing = reason;
    this.socket?.end(code, text);
  }
}
