/**
 * Connections that read more slowly than their channels speak.
 *
 * Past the queue limit uWebSockets.js drops messages and goes on when there is room again: a hole that the client could
 * not see. So a connection that lost one message gets none after it: it is cut off from its topics before anything
 * else is published, may read what was queued for a while, is then closed with 4002 (1006 where the close frame does
 * not fit), and recovers from the offset that it really has.
 *
 * `dropped` runs inside uWebSockets.js' drop handler, where closing or publishing crashes the process: it only notes.
 */
import type { Counters } from "../metrics/counters.ts";
import type { Connection } from "./connection.ts";

const drainGraceMs = 2000;
const drainPollMs = 100;

export class SlowConsumers {
  readonly #counters: Counters;
  readonly #queueBytesMax: number;
  #noted: Connection[] = [];

  constructor(queueBytesMax: number, counters: Counters) {
    this.#queueBytesMax = queueBytesMax;
    this.#counters = counters;
  }

  /** Notes a connection whose queue refused a message. Safe inside the drop handler. */
  dropped(connection: Connection): void {
    this.#counters.dropped += 1;
    if (connection.closing !== undefined) return;
    connection.closing = "slow_consumer"; // from here on nothing is read from it or sent to it directly
    this.#noted.push(connection);
    if (this.#noted.length === 1) setImmediate(() => this.cut());
  }

  /** Cuts the noted ones off from their topics. Called before each flush of publications, and never inside `dropped`. */
  cut(): void {
    if (this.#noted.length === 0) return;
    const noted = this.#noted;
    this.#noted = [];
    for (const connection of noted) {
      for (const topic of connection.socket?.getTopics() ?? []) connection.socket?.unsubscribe(topic);
      this.#closeWhenRead(connection, drainGraceMs);
    }
  }

  #closeWhenRead(connection: Connection, graceMs: number): void {
    const { socket } = connection;
    if (socket === undefined) return;
    if (graceMs <= 0) return socket.close();
    if (socket.getBufferedAmount() < this.#queueBytesMax / 2)
      return socket.end(4002, "too slow: reconnect and recover");
    setTimeout(() => this.#closeWhenRead(connection, graceMs - drainPollMs), drainPollMs);
  }
}
