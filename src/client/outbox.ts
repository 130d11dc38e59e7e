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
  /** Neighbours with the same group travel in one `batch` frame. */
  readonly group?: object | undefined;
  /** Goes before all that are not. */
  readonly isFirst?: boolean;
  /** Means something on this connection only. */
  readonly isOfConnection?: boolean;
  succeed(reply: Frame): void;
  fail(error: TidegateError): void;
}

export interface OutboxOptions {
  readonly format: Codec;
  readonly surroundings: Surroundings;
  /** Publications without an answer. */
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
const retryMaxSeconds = 3600;

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
  #publications = 0; // open ones
  #timer: unknown;
  #isFlushing = false;

  constructor(options: OutboxOptions, parts: OutboxParts) {
    this.#options = options;
    this.#parts = parts;
  }

  /** Sends it, or keeps it until it can be sent. */
  add(request: Request): void {
    if (request.action === "message") {
      if (this.#publications >= this.#options.queueMax)
        return request.fail(new TidegateError("queue_full", "too many publications wait"));
      this.#publications += 1;
    }
    this.#lastId += 1;
    const open: Open = { ...request, id: this.#lastId };
    this.#open.set(open.id, open);
    const at = request.isFirst ? this.#waiting.findIndex(({ isFirst }) => !isFirst) : -1;
    this.#waiting.splice(at === -1 ? this.#waiting.length : at, 0, open);
    if (request.group === undefined) this.flush(); // a group is flushed as a whole
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
    this.#waiting = this.#all();
  }

  /** Gives up everything. */
  clear(text: string): void {
    for (const open of [...this.#open.values()]) this.#fail(open, "disconnected", text);
    this.#waiting = [];
  }

  /** Takes a frame that answers a request; false where it answers none. */
  answer(frame: Frame): boolean {
    const open = this.#open.get(frame.id as number);
    if (open === undefined) return false;
    this.#settle(open);
    open.succeed(frame);
    return true;
  }

  /** Takes an error frame; false where it is about no request. */
  refuse(error: TidegateError, id: unknown): boolean {
    if (error.code === "rate_limit") this.#limited(error.retryAfter ?? 1);
    const open = this.#open.get(id as number);
    if (open === undefined) return false;
    if (error.code !== "rate_limit") {
      this.#settle(open);
      open.fail(error);
    }
    return true;
  }

  /** Sends what may be sent. Whoever is told of a failure meanwhile may ask for more: that is sent by the same loop. */
  flush(): void {
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    try {
      while (this.#limits !== undefined && this.#flushOne(this.#limits));
    } finally {
      this.#isFlushing = false;
    }
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

  /** Sends the one that waits at `at`, and with it what follows of its group, as far as the limits go. */
  #send(at: number, limits: Welcome["limits"], nowMs: number): void {
    const batch: Open[] = [];
    const items: object[] = [];
    let bytes = envelopeBytes;
    let isMore = true;
    while (isMore) {
      const [next] = this.#waiting.splice(at, 1);
      const item = this.#itemOf(next!, limits, nowMs);
      if (item !== undefined) {
        bytes += item.size + 1;
        if (batch.length > 0 && bytes > limits.message_bytes_max) {
          this.#waiting.splice(at, 0, next!);
          break;
        }
        items.push(item.frame);
        batch.push(next!);
      }
      const following = this.#waiting[at];
      isMore =
        next!.group !== undefined &&
        next!.group === following?.group &&
        this.#mayGo(following) &&
        batch.length < limits.batch_items_max &&
        this.#pace.waitMs(batch.length + 1, nowMs) <= 0;
    }
    if (batch.length === 0) return;
    this.#pace.take(batch.length, nowMs);
    for (const open of batch) {
      if (open.firstSentMs === undefined && open.action === "message") this.sent += 1;
      open.firstSentMs ??= nowMs;
    }
    this.#parts.send(
      this.#options.format.encode(items.length === 1 ? items[0]! : { action: "batch", data: { items } }),
    );
  }

  /** The frame of a request and its bytes; `undefined` where it is over: answered meanwhile, or not to be sent. */
  #itemOf(open: Open, limits: Welcome["limits"], nowMs: number): { frame: object; size: number } | undefined {
    const { id, action, firstSentMs = nowMs } = open;
    if (!this.#open.has(id)) return undefined;
    if (action === "message" && nowMs - firstSentMs > this.#options.keyLifetimeMs)
      return this.#fail(open, "outcome_unknown", "sent, not answered, too old to send again");
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
    const seconds = Math.min(retryAfter, retryMaxSeconds);
    this.#pace.emptyUntil(this.#options.surroundings.now() + seconds * 1000 + retryMarginMs);
    this.#waiting = this.#all();
    this.flush();
  }

  #all(): Open[] {
    const all = [...this.#open.values()];
    return [...all.filter(({ isFirst }) => isFirst), ...all.filter(({ isFirst }) => !isFirst)];
  }

  #flushIn(ms: number): void {
    const { surroundings } = this.#options;
    surroundings.clearTimeout(this.#timer);
    this.#timer = surroundings.setTimeout(() => this.flush(), Math.ceil(ms));
  }

  #fail(open: Open, code: ClientErrorCode, text: string, cause?: unknown): undefined {
    const { action: request, channel } = open;
    this.#settle(open);
    open.fail(new TidegateError(code, text, { request, channel, cause }));
  }

  #settle(open: Open): void {
    if (this.#open.delete(open.id) && open.action === "message") this.#publications -= 1;
  }
}

/** Of `{"action":"batch","data":{"items":[…]}}`. */
const envelopeBytes = 64;

const tooBig = ["message_too_big", "larger than the gateway allows"] as const;
