/**
 * Everything that happens to a connection by time alone: heartbeats, the idle time-out and the end of its token.
 *
 * Each slot is looked at once a second, a slice of them every tick, so that a million connections never fall due at
 * once. A connection is alive by any frame or WebSocket-level pong: one that only listens, and answers no heartbeat
 * frame, is asked by a WebSocket-level ping, which its library answers.
 */
import type { Clock } from "../clock/clock.ts";
import { grown } from "../limit/grown.ts";
import { idleTimeoutText } from "../protocol/codes.ts";
import type { Connection } from "./connection.ts";
import type { Connections } from "./connections.ts";

export interface SweepOptions {
  /** Seconds. */
  readonly heartbeatInterval: number;
  /** Seconds without a sign of life until the connection is closed. */
  readonly connectionTimeout: number;
  readonly expiringNoticeSeconds: number;
  readonly expiryGraceSeconds: number;
}

const tickMs = 50;
const ticksPerRound = 20; // a round is one second
const latenessMs = 2 * tickMs * ticksPerRound; // a heartbeat waits for its slot's turn, and so does the next one

export class Sweep {
  readonly #connections: Connections;
  readonly #clock: Clock;
  readonly #options: SweepOptions;
  #heardMs: Float64Array; // [slot] monotonic ms of the last sign of life
  #pingMs: Float64Array; // [slot] monotonic ms at which the next heartbeat is due
  #tokenAt: Float64Array; // [slot] unix seconds of the token's next event; Infinity for none
  #timer: NodeJS.Timeout | undefined;
  #tick = 0;

  constructor(connections: Connections, options: SweepOptions, clock: Clock) {
    this.#connections = connections;
    this.#options = options;
    this.#clock = clock;
    const { slots } = connections;
    this.#heardMs = new Float64Array(slots.capacity);
    this.#pingMs = new Float64Array(slots.capacity);
    this.#tokenAt = new Float64Array(slots.capacity);
    slots.onGrow((capacity) => this.#grow(capacity));
    connections.onOpen((connection) => this.#opened(connection));
  }

  start(): void {
    this.#timer = setInterval(() => this.#sweepSlice(), tickMs);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Notes a sign of life. Hot path. */
  heard(connection: Connection, nowMs: number): void {
    this.#heardMs[connection.slot] = nowMs;
  }

  /** Plans the notice and the end of the connection's present token. */
  tokenChanged(connection: Connection): void {
    const { identity } = connection;
    this.#tokenAt[connection.slot] =
      identity === undefined ? Number.POSITIVE_INFINITY : identity.expiresAt - this.#options.expiringNoticeSeconds;
  }

  #opened(connection: Connection): void {
    const nowMs = this.#clock.nowMs();
    this.#heardMs[connection.slot] = nowMs;
    // The first heartbeat falls anywhere within the interval, so that clients that connect together are not asked together.
    this.#pingMs[connection.slot] = nowMs + Math.random() * this.#options.heartbeatInterval * 1000;
    this.tokenChanged(connection);
  }

  #sweepSlice(): void {
    const { capacity } = this.#connections.slots;
    const nowMs = this.#clock.nowMs();
    const unixSeconds = this.#clock.unixSeconds();
    for (let slot = this.#tick; slot < capacity; slot += ticksPerRound) {
      const connection = this.#connections.bySlot(slot);
      if (connection?.isOpen) this.#look(connection, nowMs, unixSeconds);
    }
    this.#tick = (this.#tick + 1) % ticksPerRound;
  }

  #look(connection: Connection, nowMs: number, unixSeconds: number): void {
    const { slot } = connection;
    const silentMs = nowMs - this.#heardMs[slot]!;
    if (silentMs >= this.#options.connectionTimeout * 1000) {
      connection.send({ action: "timeout", message: idleTimeoutText });
      return connection.close("idle_timeout", "idle timeout");
    }
    if (nowMs >= this.#pingMs[slot]!) {
      const intervalMs = this.#options.heartbeatInterval * 1000;
      this.#pingMs[slot] = nowMs + intervalMs;
      connection.send({ action: "ping", time: unixSeconds });
      const isLastChance = silentMs + intervalMs + latenessMs >= this.#options.connectionTimeout * 1000;
      if (silentMs >= intervalMs || isLastChance) connection.socket?.ping();
    }
    if (unixSeconds >= this.#tokenAt[slot]!) this.#tokenEvent(connection, unixSeconds);
  }

  #tokenEvent(connection: Connection, unixSeconds: number): void {
    const expiresAt = connection.identity?.expiresAt ?? Number.POSITIVE_INFINITY;
    const endsAt = expiresAt + this.#options.expiryGraceSeconds;
    if (unixSeconds >= endsAt) return connection.close("token_expired", "token expired");
    this.#tokenAt[connection.slot] = endsAt; // the notice is given once
    connection.send({ action: "token_expiring", expires_in: Math.max(0, expiresAt - unixSeconds) });
  }

  #grow(capacity: number): void {
    this.#heardMs = grown(this.#heardMs, capacity);
    this.#pingMs = grown(this.#pingMs, capacity);
    this.#tokenAt = grown(this.#tokenAt, capacity);
  }
}
