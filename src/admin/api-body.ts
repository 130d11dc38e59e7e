/**
 * The body of one request, from its first chunk to its last: bounded in bytes and in time, copied only where it comes in
 * several chunks.
 *
 * The rule: `finished` is called once, with the whole body or with why there is none, and never for a client that went
 * away. The bytes are lent until it returns.
 */
import type { HttpResponse } from "../uws/uws.ts";

export type BodyFault = "too_large" | "timeout";

/** How often the waiting bodies are looked at, per second. */
const beatsPerSecond = 4;

/** The bodies that are under way, and their limits. */
export class Bodies {
  readonly bytesMax: number;
  readonly beatsMax: number;
  readonly waiting = new Set<Body>();
  readonly #timer: NodeJS.Timeout;

  constructor(bytesMax: number, timeoutSeconds: number) {
    this.bytesMax = bytesMax;
    this.beatsMax = timeoutSeconds * beatsPerSecond;
    this.#timer = setInterval(() => this.#beat(), 1000 / beatsPerSecond).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.waiting.clear();
  }

  #beat(): void {
    for (const body of this.waiting) body.beat();
  }
}

export class Body {
  /** The client has gone: `response` must not be touched any more. */
  isAborted = false;
  readonly #bodies: Bodies;
  readonly #finished: (body: Uint8Array | BodyFault) => void;
  #bytes: Uint8Array | undefined; // what came so far, where it came in several chunks; has room at its end
  #length = 0;
  #beats = 0;

  /** Takes over `response`'s handlers. */
  constructor(bodies: Bodies, response: HttpResponse, finished: (body: Uint8Array | BodyFault) => void) {
    this.#bodies = bodies;
    this.#finished = finished;
    bodies.waiting.add(this);
    response.onAborted(() => {
      this.isAborted = true;
      bodies.waiting.delete(this);
    });
    response.onData((chunk, isLast) => this.#push(chunk, isLast));
  }

  /** Some time has passed. */
  beat(): void {
    this.#beats += 1;
    if (this.#beats > this.#bodies.beatsMax) this.#finish("timeout");
  }

  #push(chunk: ArrayBuffer, isLast: boolean): void {
    if (!this.#bodies.waiting.has(this)) return; // it was refused: what still comes is not read
    const length = this.#length + chunk.byteLength;
    if (length > this.#bodies.bytesMax) return this.#finish("too_large");
    if (isLast && this.#length === 0) return this.#finish(new Uint8Array(chunk));
    if (this.#bytes === undefined || this.#bytes.length < length) {
      const grown = new Uint8Array(Math.min(2 * length, this.#bodies.bytesMax));
      if (this.#bytes !== undefined) grown.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = grown;
    }
    this.#bytes.set(new Uint8Array(chunk), this.#length);
    this.#length = length;
    if (isLast) this.#finish(this.#bytes.subarray(0, length));
  }

  #finish(outcome: Uint8Array | BodyFault): void {
    this.#bodies.waiting.delete(this);
    this.#bytes = undefined;
    this.#finished(outcome);
  }
}
