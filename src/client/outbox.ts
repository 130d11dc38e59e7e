/**
 * The requests that have no answer yet, in their order, and the pace at which they go out.
 *
 * The rule: a request stays here until it is answered. The gateway answers a flood with one error a second and drops the
 * rest without a word, and a connection may break at any time; both times everything that is open goes out again. That is
 * safe: a publication has a key by which the gateway knows it, and the other actions change nothing by being repeated.
 */
import { byteLength, type Codec } from "./codec.ts";
import { type ClientErrorCode, TidegateError } from "./errors.ts";
import type { Frame, Welcome } from "./frames.ts";
import { Pace } from "./pace.ts";
import type { Surroundings } from "./surroundings.ts";

export interface Request {
  readonly action: string;
  /** Asked for at the moment of sending. */
  data(): object;
  readonly channel?: string | undefined;
  /** Goes before all that are not. */
  readonly isFirst: boolean;
  /** Means something on this connection only. */
  readonly isOfConnection?: boolean;
  succeed(reply: Frame): void;
  fail(error: TidegateError): void;
}

export interface OutboxOptions {
  readonly format: Codec;
  readonly surroundings: Surroundings;
  /** Requests without an answer. */
  readonly queueMax: number;
  /** As long as the gateway surely remembers a key. */
  readonly keyLifetimeMs: number;
}

export interface OutboxParts {
  send(data: string | Uint8Array): void;
  /** A request about this channel must wait until its subscription is answered. */
  isHeld(channel: string): boolean;
}

interface Open extends Request {
  readonly id: number;
  firstSentMs?: number;
}

/** A second refusal within a second would come without a frame, and be waited for in vain. */
const retryMarginMs = 250;

export class Outbox {
  readonly #options: OutboxOptions;
  readonly #parts: OutboxParts;
  readonly #pace = new Pace();
  readonly #open = new Map<number, Open>(); // by id, in their order
  #waiting: Open[] = []; // to be sent; those that are not open any more are passed over
  #limits: Welcome["limits"] | undefined; // undefined: not connected
  #lastId = 0;
  /** Publications that went out. */
  sent = 0;
  #stopTimer: (() => void) | undefined;
  #isScheduled = false;

  constructor(options: OutboxOptions, parts: OutboxParts) {
    this.#options = options;
    this.#parts = parts;
  }

  /** Sends it soon, or keeps it until it can be sent. */
  add(request: Request): void {
    if (!request.isFirst && this.#open.size >= this.#options.queueMax)
      return request.fail(new TidegateError("queue_full", "too many requests wait"));
    this.#lastId += 1;
    const open: Open = { ...request, id: this.#lastId };
    this.#open.set(open.id, open);
    this.#waiting.push(open);
    this.flush();
  }

  /** A publication to `channel` has no answer yet. Linear in the open requests. */
  isPublishing(channel: string): boolean {
    return [...this.#open.values()].some((open) => open.action === "message" && open.channel === channel);
  }

  /** A connection is there. */
  opened(limits: Welcome["limits"]): void {
    this.#limits = limits;
    this.#pace.reset(limits.messages_per_minute);
    this.flush();
  }

  /** It is gone. What was sent on it goes out again on the next. `isTooBig`: it ended because of what was sent. */
  closed(isTooBig: boolean): void {
    this.#limits = undefined;
    for (const open of [...this.#open.values()]) {
      if (open.isOfConnection) this.#open.delete(open.id);
      else if (isTooBig && open.firstSentMs !== undefined) this.#fail(open, ...tooBig);
    }
    this.#waiting = [...this.#open.values()];
  }

  /** Gives up everything. */
  clear(text: string): void {
    for (const open of [...this.#open.values()]) this.#fail(open, "disconnected", text);
    this.#waiting = [];
  }

  /** Takes a frame that answers a request. */
  answer(frame: Frame): void {
    const open = this.#open.get(frame.id as number);
    if (open === undefined) return; // it was sent twice, and this is its second answer
    this.#open.delete(open.id);
    open.succeed(frame);
  }

  /** Takes an error frame; false where it settles no request. */
  refuse(error: TidegateError, id: unknown): boolean {
    const open = this.#open.get(id as number);
    if (error.code === "rate_limit") this.#limited(error.retryAfter ?? 1);
    else if (open !== undefined) {
      this.#open.delete(open.id);
      open.fail(error);
      return true;
    }
    return false;
  }

  /** Sends what may be sent, in a microtask: what the program asks for in one go travels in one frame. */
  flush(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.#waiting.sort((a, b) => Number(b.isFirst) - Number(a.isFirst)); // once, not for each of many subscriptions
      while (this.#limits !== undefined && this.#flushOne(this.#limits));
    });
  }

  /** False where nothing may be sent now. */
  #flushOne(limits: Welcome["limits"]): boolean {
    const nowMs = this.#options.surroundings.now();
    const waitMs = this.#pace.waitMs(1, nowMs);
    const at = this.#waiting.findIndex((open) => this.#mayGo(open));
    if (at === -1) return false;
    if (waitMs <= 0) this.#send(at, limits, nowMs);
    else this.#flushIn(waitMs);
    return waitMs <= 0;
  }

  #mayGo({ id, channel, isOfConnection }: Open): boolean {
    return !this.#open.has(id) || isOfConnection === true || channel === undefined || !this.#parts.isHeld(channel);
  }

  /** Sends the one that waits at `at`, and what waits behind it in the same frame, as far as the limits go. */
  #send(at: number, limits: Welcome["limits"], nowMs: number): void {
    const items: object[] = [];
    let bytes = envelopeBytes;
    do {
      const [next] = this.#waiting.splice(at, 1) as [Open];
      const item = this.#itemOf(next, limits, nowMs);
      if (item === undefined) continue;
      bytes += item.size + 1;
      if (items.length > 0 && bytes > limits.message_bytes_max) {
        this.#waiting.splice(at, 0, next);
        break;
      }
      items.push(item.frame);
      if (next.firstSentMs === undefined && next.action === "message") this.sent += 1;
      next.firstSentMs ??= nowMs;
    } while (
      this.#waiting[at] &&
      this.#mayGo(this.#waiting[at]) &&
      items.length < limits.batch_items_max &&
      this.#pace.waitMs(items.length + 1, nowMs) <= 0
    );
    this.#pace.take(items.length, nowMs);
    if (items.length > 0)
      this.#parts.send(this.#options.format.encode(items[1] ? { action: "batch", data: { items } } : items[0]!));
  }

  /** The frame of a request and its bytes; `undefined` where it is over: answered meanwhile, or not to be sent. */
  #itemOf(open: Open, limits: Welcome["limits"], nowMs: number): { frame: object; size: number } | undefined {
    const { id, action, firstSentMs = nowMs } = open;
    if (!this.#open.has(id)) return undefined;
    if (action === "message" && nowMs - firstSentMs > this.#options.keyLifetimeMs)
      return this.#fail(open, "outcome_unknown", "never answered");
    try {
      const frame = { action, data: open.data(), id };
      const size = byteLength(this.#options.format.encode(frame));
      return size > limits.message_bytes_max ? this.#fail(open, ...tooBig) : { frame, size };
    } catch (cause) {
      return this.#fail(open, "invalid_message", "cannot be encoded", cause);
    }
  }

  /** The gateway dropped something, and does not say what: all that is open waits, and goes out again. */
  #limited(retryAfter: number): void {
    this.#pace.emptyUntil(this.#options.surroundings.now() + retryAfter * 1000 + retryMarginMs);
    this.#waiting = [...this.#open.values()];
    this.flush();
  }

  #flushIn(ms: number): void {
    this.#stopTimer?.();
    this.#stopTimer = this.#options.surroundings.after(ms, () => this.flush());
  }

  #fail(open: Open, code: ClientErrorCode, text: string, cause?: unknown): undefined {
    const { action: request, channel } = open;
    this.#open.delete(open.id);
    open.fail(new TidegateError(code, text, { request, channel, cause }));
  }
}

/** Of `{"action":"batch","data":{"items":[…]}}`. */
const envelopeBytes = 64;

const tooBig = ["message_too_big", "too large"] as const;
