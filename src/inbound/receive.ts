/**
 * The whole inbound story: limit, decode, dispatch, refuse; one frame after the other.
 *
 * The rule: frames of a connection are handled in the order they arrive, also while one of them waits for something
 * (a key to be fetched, a queue to drain): what arrives meanwhile waits in the connection's inbox.
 */
import type { Clock } from "../clock/clock.ts";
import type { Connection, Inbox } from "../connection/connection.ts";
import type { Sweep } from "../connection/sweep.ts";
import type { Log } from "../log/log.ts";
import type { Counters } from "../metrics/counters.ts";
import { type DecodeLimits, decode } from "../protocol/decode.ts";
import { errorFrame } from "../protocol/encode.ts";
import type { ClientMessage } from "../protocol/messages.ts";
import { about, isRefusal, type Refusal, refusal } from "../protocol/refusal.ts";
import type { Limits } from "./limits.ts";
import { readPlainPublish } from "./plain-publish.ts";

export interface ReceiveOptions extends DecodeLimits {
  readonly messageBytesMax: number;
  /** Bytes that may wait behind an asynchronous step of one connection. */
  readonly inboxBytesMax: number;
}

/** What carries a message out: a refusal, nothing, or a promise of either where it must wait. */
export type Outcome = Refusal | undefined | Promise<Refusal | undefined>;

export interface ReceiveParts {
  readonly limits: Limits;
  readonly sweep: Sweep;
  readonly counters: Counters;
  readonly clock: Clock;
  readonly log: Log;
  /** The dispatch table, see `handlers.ts`. */
  dispatch(connection: Connection, message: ClientMessage): Outcome;
}

/**
 * Only its action tells which bucket a frame pays from, so frames of this size are decoded before they are charged:
 * decoding them costs less than a microsecond. Larger ones are no heartbeats, and pay first.
 */
const heartbeatBytesMax = 128;

/** What a waiting frame costs besides its bytes. */
const waitingOverheadBytes = 128;

const floodReason = "flooding: slow down before you return";

export class Receiver {
  readonly #options: ReceiveOptions;
  readonly #parts: ReceiveParts;

  constructor(options: ReceiveOptions, parts: ReceiveParts) {
    this.#options = options;
    this.#parts = parts;
  }

  /** Takes one frame. Hot path: never throws, keeps no view of `bytes`. */
  receive(connection: Connection, bytes: ArrayBuffer, isBinary: boolean): void {
    const { counters, sweep, clock } = this.#parts;
    if (!connection.isOpen) return;
    counters.framesIn += 1;
    counters.bytesIn += bytes.byteLength;
    const nowMs = clock.nowMs();
    sweep.heard(connection, nowMs);
    if (bytes.byteLength > this.#options.messageBytesMax)
      return connection.close("message_too_big", `message too big: at most ${this.#options.messageBytesMax} bytes`);
    if (connection.inbox === undefined) this.#settle(connection, this.#handle(connection, bytes, isBinary, nowMs));
    else this.#wait(connection, connection.inbox, new Uint8Array(bytes.slice(0)), isBinary);
  }

  /** A ping or pong of WebSocket's own: a sign of life, paid for as a heartbeat. Nobody is told of a limit, but a flood ends. */
  signalled(connection: Connection): void {
    const { limits, sweep, counters, clock } = this.#parts;
    const { slot } = connection;
    const nowMs = clock.nowMs();
    sweep.heard(connection, nowMs);
    if (limits.heartbeats?.take(slot, 1, nowMs) !== false) return;
    counters.rateLimited += 1;
    if (limits.refusals?.take(slot, 1, nowMs) === false) connection.close("flooding", floodReason);
  }

  /** Handles the frames that waited, in order; stops again at the first that must wait itself. */
  resume(connection: Connection): void {
    const frames = connection.inbox?.frames ?? [];
    connection.inbox = undefined;
    const nowMs = this.#parts.clock.nowMs();
    for (const [i, { bytes, isBinary }] of frames.entries()) {
      if (!connection.isOpen) return;
      this.#settle(connection, this.#handle(connection, bytes, isBinary, nowMs));
      if (connection.inbox === undefined) continue;
      for (const { bytes: later, isBinary: isLaterBinary } of frames.slice(i + 1))
        this.#wait(connection, connection.inbox, later, isLaterBinary);
      return;
    }
  }

  /** What becomes of one frame. Never throws, and the promise never rejects: `resume` runs outside of any handler. */
  #handle(connection: Connection, bytes: ArrayBuffer | Uint8Array, isBinary: boolean, nowMs: number): Outcome {
    const { byteLength } = bytes;
    const isSmall = byteLength <= heartbeatBytesMax;
    if (!isSmall && !this.#charge(connection, undefined, byteLength, nowMs)) return undefined;
    const plain = connection.format === "json" ? readPlainPublish(bytes) : undefined;
    const message = plain ?? decode(bytes, isBinary, connection.format, this.#options);
    if (isSmall && !this.#charge(connection, message, byteLength, nowMs)) return undefined;
    return isRefusal(message) ? message : this.#carryOut(connection, message);
  }

  /** Counts and dispatches one message; a batch item after the other comes here as well. Never throws or rejects. */
  #carryOut(connection: Connection, message: ClientMessage): Outcome {
    this.#parts.counters.messages[message.action] += 1;
    try {
      const outcome =
        message.action === "batch"
          ? this.#carryOutBatch(connection, message.items, 0)
          : this.#parts.dispatch(connection, message);
      if (!(outcome instanceof Promise)) return outcome;
      return outcome.catch((error: unknown) => this.#failed(connection, message, error));
    } catch (error) {
      return this.#failed(connection, message, error);
    }
  }

  #carryOutBatch(connection: Connection, items: readonly (ClientMessage | Refusal)[], from: number): Outcome {
    const nowMs = this.#parts.clock.nowMs();
    for (let i = from; i < items.length && connection.isOpen; i += 1) {
      const item = items[i]!;
      if (i > 0 && !this.#charge(connection, item, 0, nowMs)) continue; // the first is paid for by the frame
      const outcome = isRefusal(item) ? item : this.#carryOut(connection, item);
      if (outcome instanceof Promise) {
        return outcome.then((refused) => {
          if (refused !== undefined) this.refuse(connection, refused);
          return this.#carryOutBatch(connection, items, i + 1);
        });
      }
      if (outcome !== undefined) this.refuse(connection, outcome);
    }
    return undefined;
  }

  /** Answers a refusal at once, or keeps later frames waiting until the outcome is known. */
  #settle(connection: Connection, outcome: Outcome): void {
    if (outcome === undefined) return;
    if (!(outcome instanceof Promise)) return this.refuse(connection, outcome);
    connection.inbox = { frames: [], bytes: 0 };
    outcome.then((refused) => {
      connection.cork(() => {
        if (refused !== undefined) this.refuse(connection, refused);
        this.resume(connection);
      });
    });
  }

  #wait(connection: Connection, inbox: Inbox, bytes: Uint8Array, isBinary: boolean): void {
    inbox.frames.push({ bytes, isBinary });
    inbox.bytes += bytes.byteLength + waitingOverheadBytes;
    if (inbox.bytes > this.#options.inboxBytesMax)
      connection.close("flooding", "too much sent while a request was waiting");
  }

  /** Takes the price of a frame from its buckets, or nothing; answers and counts where it is not covered. */
  #charge(
    connection: Connection,
    message: ClientMessage | Refusal | undefined,
    byteLength: number,
    nowMs: number,
  ): boolean {
    const { limits } = this.#parts;
    const { slot } = connection;
    const isHeartbeat =
      message !== undefined && "action" in message && (message.action === "pong" || message.action === "ping");
    const buckets = isHeartbeat ? limits.heartbeats : limits.messages;
    const bytesWaitMs = limits.bytes?.waitMs(slot, byteLength, nowMs) ?? 0;
    const waitMs = Math.max(bytesWaitMs, buckets?.waitMs(slot, 1, nowMs) ?? 0);
    if (waitMs > 0) return this.#limited(connection, message, waitMs);
    limits.bytes?.take(slot, byteLength, nowMs);
    buckets?.take(slot, 1, nowMs);
    return true;
  }

  #limited(connection: Connection, message: ClientMessage | Refusal | undefined, waitMs: number): false {
    this.#parts.counters.rateLimited += 1;
    const why: Refusal = { ...refusal("rate_limit"), retryAfter: Math.max(1, Math.ceil(waitMs / 1000)) };
    if (message === undefined) this.refuse(connection, why);
    else if (isRefusal(message)) this.refuse(connection, { ...message, ...why });
    else this.refuse(connection, about(message, why));
    return false;
  }

  /** Tells the client, and counts; a rate limit at most once a second, wherever it stands. */
  refuse(connection: Connection, why: Refusal): void {
    if (why.code === "rate_limit" && !this.#tellsLimit(connection)) return;
    this.#parts.counters.refusals[why.code] += 1;
    connection.send(errorFrame(why));
  }

  /** Counts one more frame over a limit. False where its client was just told of another, or floods and is closed. */
  #tellsLimit(connection: Connection): boolean {
    const { limits, clock } = this.#parts;
    const { slot } = connection;
    const nowMs = clock.nowMs();
    if (limits.refusals?.take(slot, 1, nowMs) !== false) return limits.notices.take(slot, 1, nowMs);
    connection.close("flooding", floodReason);
    return false;
  }

  #failed(connection: Connection, message: ClientMessage, error: unknown): Refusal {
    this.#parts.log.error({ connection: connection.id, action: message.action, err: error }, "handler failed");
    return about(message, refusal("internal"));
  }
}
