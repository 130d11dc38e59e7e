/**
 * One connection after the other: opens it, notices that it is dead, and comes back as the gateway asks.
 *
 * The rule: whatever belongs to an attempt carries its number, and is ignored once another has begun. There is one timer,
 * because there is one thing to wait for: the welcome, a sign of life, or the time to come back.
 */
import { backoffMs } from "./backoff.ts";
import type { Codec } from "./codec.ts";
import type { Frame, Lost, Welcome } from "./frames.ts";
import type { Socket, SocketConstructor, Surroundings } from "./surroundings.ts";
import type { Tokens } from "./tokens.ts";

/** `idle`: never connected; `waiting`: until the next attempt; `closed`: until `connect()`. */
export type ConnectionState = "idle" | "connecting" | "connected" | "waiting" | "closed";

export interface LinkOptions {
  readonly url: string;
  readonly format: Codec;
  readonly WebSocket: SocketConstructor | undefined;
  readonly surroundings: Surroundings;
  readonly tokens: Tokens;
  readonly backoffMinMs: number;
  readonly backoffMaxMs: number;
}

export interface LinkEvents {
  changed(state: ConnectionState): void;
  welcomed(frame: Welcome): void;
  /** Every frame but the first. */
  received(frame: Frame): void;
  lost(end: Lost): void;
}

const welcomeWithinMs = 10_000;
const answerWithinMs = 5_000;
/** A connection that lasted so long was a good one: the next wait is short again. */
const stableMs = 5_000;
/** Whatever the gateway asks for: a timer beyond 2^31 ms fires at once. */
const waitMaxMs = 3_600_000;
const lostCode = 1006;

export class Link {
  readonly #options: LinkOptions;
  readonly #events: LinkEvents;
  #state: ConnectionState = "idle";
  #isWanted = false;
  #run = 0; // number of the attempt
  #socket: Socket | undefined;
  #stopTimer: (() => void) | undefined;
  #failures = 0; // in a row
  #welcomedMs = 0;
  #heardMs = 0; // 0: nothing since the question
  #silenceMs = 0;
  #returnAfterMs: number | undefined; // as the gateway asked
  #unwatch: (() => void) | undefined;

  constructor(options: LinkOptions, events: LinkEvents) {
    this.#options = options;
    this.#events = events;
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /**
   * Begins in a microtask, so that `start` and `stop` in one go leave no trace; ends a wait. Throws where there is no
   * WebSocket.
   */
  start(): void {
    if (!this.#options.WebSocket) throw new TypeError("cannot connect: options.WebSocket must be given");
    if (this.#isWanted && this.#state !== "waiting") return;
    this.#isWanted = true;
    this.#failures = 0;
    this.#unwatch ??= this.#options.surroundings.watch((isGood) => this.#networkChanged(isGood));
    const isCurrent = this.#begin();
    queueMicrotask(() => isCurrent() && this.#connect());
  }

  stop(): void {
    if (!this.#isWanted) return;
    this.#isWanted = false;
    this.#ended(1000, "");
  }

  send(data: string | Uint8Array): void {
    this.#socket?.send(data);
  }

  /** The gateway sends this connection away: it will close it, and wants it back then. */
  returnAfter(ms: number): void {
    this.#returnAfterMs = Math.min(ms, waitMaxMs);
  }

  async #connect(): Promise<void> {
    const { WebSocket, url, format, tokens } = this.#options;
    const isCurrent = this.#begin();
    this.#wait(welcomeWithinMs, () => this.#ended(lostCode, "no welcome in time"));
    try {
      const token = await tokens.get();
      if (!isCurrent()) return;
      // The token travels as a subprotocol: browsers set no headers, and a URL ends up in logs.
      const socket = new WebSocket!(
        url,
        token ? [...format.protocols, "bearer", token] : [...format.protocols],
      ) as Socket;
      this.#socket = socket;
      socket.binaryType = "arraybuffer";
      socket.onmessage = ({ data }) => this.#receive(data, isCurrent);
      let why = ""; // browsers do not say
      socket.onerror = ({ message = "" }) => {
        why = message; // `onclose` follows
      };
      socket.onclose = ({ code, reason }) => isCurrent() && this.#ended(code, reason || why);
    } catch {
      if (isCurrent()) this.#ended(lostCode, "no token to send"); // never the token itself
    }
  }

  /** An attempt: what it returns tells whether it is still the one that counts. */
  #begin(): () => boolean {
    this.#run += 1;
    const run = this.#run;
    this.#become("connecting");
    return () => run === this.#run;
  }

  #receive(data: unknown, isCurrent: () => boolean): void {
    try {
      for (const frame of [this.#options.format.decode(data) as Frame | Frame[]].flat()) {
        if (!isCurrent()) return; // the one before may have ended it
        this.#heardMs = this.#options.surroundings.now();
        if (frame.action === "ping") this.#send({ action: "pong" });
        if (this.#state === "connected") this.#events.received(frame);
        else if (frame.action === "welcome") this.#welcomed(frame as unknown as Welcome);
      }
    } catch (cause) {
      if (isCurrent()) this.#ended(lostCode, String(cause)); // whatever is there, it is no gateway
    }
  }

  #welcomed(frame: Welcome): void {
    this.#welcomedMs = this.#heardMs;
    this.#returnAfterMs = undefined;
    this.#silenceMs = (frame.heartbeat_interval || 30) * 1500; // one and a half heartbeats
    this.#wait(this.#silenceMs, () => this.#listen());
    this.#become("connected");
    this.#events.welcomed(frame);
  }

  #listen(): void {
    const quietMs = this.#options.surroundings.now() - this.#heardMs;
    if (quietMs >= this.#silenceMs) this.#ask();
    else this.#wait(this.#silenceMs - quietMs, () => this.#listen());
  }

  /** Is anybody there? */
  #ask(): void {
    if (this.#heardMs === 0) return; // asked already
    this.#heardMs = 0;
    this.#send({ action: "ping" });
    this.#wait(answerWithinMs, () => (this.#heardMs === 0 ? this.#ended(lostCode, "no sign of life") : this.#listen()));
  }

  #networkChanged(isGood: boolean): void {
    if (this.#state === "connected") this.#ask();
    else if (isGood && this.#state === "waiting" && this.#returnAfterMs === undefined) this.#connect();
  }

  #send(frame: object): void {
    this.send(this.#options.format.encode(frame));
  }

  /** Leaves the socket behind, whatever becomes of it: on a dead network its own `onclose` takes minutes. */
  #ended(code: number, reason: string): void {
    const { tokens } = this.#options;
    const wasConnected = this.#state === "connected";
    const socket = this.#socket;
    this.#run += 1;
    this.#socket = undefined;
    this.#stopTimer?.();
    if (!wasConnected || code === 4003) tokens.forget();
    if (code >= 4500 && code <= 4999) this.#isWanted = false;
    const willReconnect = this.#isWanted;
    if (willReconnect) this.#wait(this.#delayMs(wasConnected), () => this.#connect());
    else {
      this.#unwatch?.();
      this.#unwatch = undefined;
    }
    try {
      socket?.close(1000);
    } catch {} // it never opened
    this.#become(willReconnect ? "waiting" : "closed");
    this.#events.lost({ code, reason, willReconnect });
  }

  /** As the gateway asked, or longer each time. */
  #delayMs(wasConnected: boolean): number {
    const { backoffMinMs, backoffMaxMs, surroundings } = this.#options;
    if (wasConnected && this.#returnAfterMs !== undefined) return this.#returnAfterMs;
    this.#returnAfterMs = undefined;
    if (wasConnected && surroundings.now() - this.#welcomedMs >= stableMs) this.#failures = 0;
    this.#failures += 1;
    return backoffMs(surroundings.random(), backoffMinMs, backoffMaxMs, this.#failures - 1);
  }

  #wait(ms: number, then: () => void): void {
    this.#stopTimer?.();
    this.#stopTimer = this.#options.surroundings.after(ms, then);
  }

  #become(state: ConnectionState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#events.changed(state);
  }
}
