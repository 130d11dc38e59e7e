/**
 * The body of one request, from its first chunk to its last: bounded in bytes and in time, copied only where it comes in
 * several chunks. And the time until it is answered, which has an end as well.
 *
 * The rule: `received` or `failed` is called once, and neither for a client that went away before; after `received`
 * `failed` may still come, as `unanswered`, unless `end` came first. The bytes are lent until `received` returns.
 */
import type { HttpResponse } from "../uws/uws.ts";

export type BodyFault = "too_large" | "timeout" | "unanswered";

/** How often the waiting bodies are looked at, per second. */
const beatsPerSecond = 4;

export interface BodyLimits {
  readonly bodyBytesMax: number;
  readonly bodyTimeoutSeconds: number;
  /** From the body's last byte on. */
  readonly answerTimeoutSeconds: number;
}

/** The requests that are under way, and their limits. */
export class Bodies {
  readonly bytesMax: number;
  readonly beatsMax: number;
  readonly answerBeatsMax: number;
  /** The first of a list without an end of its own: a set would cost each request more than its parse. */
  first: Body | undefined;
  readonly #timer: NodeJS.Timeout;

  constructor({ bodyBytesMax, bodyTimeoutSeconds, answerTimeoutSeconds }: BodyLimits) {
    this.bytesMax = bodyBytesMax;
    this.beatsMax = bodyTimeoutSeconds * beatsPerSecond;
    this.answerBeatsMax = answerTimeoutSeconds * beatsPerSecond;
    this.#timer = setInterval(() => this.#beat(), 1000 / beatsPerSecond).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.first = undefined;
  }

  #beat(): void {
    for (let body = this.first, next = body?.next; body !== undefined; body = next, next = body?.next) body.beat();
  }
}

export abstract class Body {
  readonly response: HttpResponse;
  /** The client has gone: `response` must not be touched any more. */
  isAborted = false;
  next: Body | undefined;
  #previous: Body | undefined;
  #isWaiting = true; // for its body, or for its answer
  #isRead = false;
  readonly #bodies: Bodies;
  #bytes: Uint8Array | undefined; // what came so far, where it came in several chunks; has room at its end
  #length = 0;
  #beats = 0;

  /** Takes over `response`'s handlers. */
  constructor(bodies: Bodies, response: HttpResponse) {
    this.#bodies = bodies;
    this.response = response;
    this.next = bodies.first;
    if (this.next !== undefined) this.next.#previous = this;
    bodies.first = this;
    response.onAborted(() => {
      this.isAborted = true;
      this.end();
    });
    response.onData((chunk, isLast) => this.#push(chunk, isLast));
  }

  /** The whole body is here. Whoever answers calls `end` before. */
  protected abstract received(bytes: ArrayBuffer | Uint8Array): void;
  /** It is not read any further. */
  protected abstract failed(fault: BodyFault): void;

  /** Some time has passed. */
  beat(): void {
    this.#beats += 1;
    const { beatsMax, answerBeatsMax } = this.#bodies;
    if (this.#beats > (this.#isRead ? answerBeatsMax : beatsMax)) this.#fail(this.#isRead ? "unanswered" : "timeout");
  }

  /** Hot path. */
  #push(chunk: ArrayBuffer, isLast: boolean): void {
    if (!this.#isWaiting || this.#isRead) return; // it was refused: what still comes is not read
    const length = this.#length + chunk.byteLength;
    if (length > this.#bodies.bytesMax) return this.#fail("too_large");
    if (isLast && this.#length === 0) return this.#complete(chunk);
    if (this.#bytes === undefined || this.#bytes.length < length) {
      const grown = new Uint8Array(Math.min(2 * length, this.#bodies.bytesMax));
      if (this.#bytes !== undefined) grown.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = grown;
    }
    this.#bytes.set(new Uint8Array(chunk), this.#length);
    this.#length = length;
    if (!isLast) return;
    this.#complete(this.#bytes.subarray(0, length));
  }

  #complete(bytes: ArrayBuffer | Uint8Array): void {
    this.#isRead = true;
    this.#bytes = undefined;
    this.#beats = 0;
    this.received(bytes);
  }

  #fail(fault: BodyFault): void {
    this.end();
    this.failed(fault);
  }

  /** It is answered, or may take its time: out of the list. A second time it does nothing. */
  protected end(): void {
    if (!this.#isWaiting) return;
    this.#isWaiting = false;
    this.#bytes = undefined;
    if (this.next !== undefined) this.next.#previous = this.#previous;
    if (this.#previous !== undefined) this.#previous.next = this.next;
    else if (this.#bodies.first === this) this.#bodies.first = this.next;
    this.next = undefined;
    this.#previous = undefined;
  }
}
