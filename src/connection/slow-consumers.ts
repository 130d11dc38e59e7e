/**
 * Connections that read more slowly than their channels speak.
 *
 * Past the queue limit uWebSockets.js drops messages and goes on when there is room again, which a client that reads
 * makes at any moment, also between two publications of one flush: a hole that it could not see. So a connection that
 * lost one message gets none after it: it is cut off from its topics before anything else is published, may read what
 * was queued for a while, is then closed with 4002 (1006 where the close frame does not fit), and recovers from the
 * offset that it really has.
 *
 * `dropped` runs inside uWebSockets.js' drop handler, where closing or publishing crashes the process: it only notes.
 */
import type { Counters } from "../metrics/counters.ts";
import type { EncodedFrame } from "../protocol/encode.ts";
import type { Connection } from "./connection.ts";

const drainGraceMs = 2000;
const drainPollMs = 100;

/**
 * uWebSockets.js collects published frames below this size, which is its cork buffer, and sends one from this size at
 * once, behind the collected ones.
 */
const directFrameBytes = 16 * 1024;

interface Lost {
  readonly connection: Connection;
  /** The size of the first frame that it lost. */
  readonly frameBytes: number;
}

export class SlowConsumers {
  readonly #counters: Counters;
  readonly #queueBytesMax: number;
  #noted: Lost[] = [];

  constructor(queueBytesMax: number, counters: Counters) {
    this.#queueBytesMax = queueBytesMax;
    this.#counters = counters;
  }

  /** Notes a connection whose queue refused a frame of `frameBytes`. Safe inside the drop handler. */
  dropped(connection: Connection, frameBytes: number): void {
    this.#counters.dropped += 1;
    if (connection.closing !== undefined) return;
    connection.closing = "slow_consumer"; // from here on nothing is read from it or sent to it directly
    this.#noted.push({ connection, frameBytes });
    if (this.#noted.length === 1) setImmediate(() => this.cut());
  }

  /**
   * Cuts the noted ones off from their topics, and from what is collected for them. Called before each flush of
   * publications and after each publication, with its frame; never inside `dropped`.
   */
  cut(published?: EncodedFrame): void {
    if (this.#noted.length === 0) return;
    const noted = this.#noted;
    this.#noted = [];
    const isDirect = published !== undefined && Buffer.byteLength(published) >= directFrameBytes;
    for (const { connection, frameBytes } of noted) {
      for (const topic of connection.socket?.getTopics() ?? []) connection.socket?.unsubscribe(topic);
      // A large frame may have found room behind a smaller one that was lost: then what is queued must not be read.
      const mayHaveHole = isDirect && frameBytes < directFrameBytes;
      this.#closeWhenRead(connection, mayHaveHole ? 0 : drainGraceMs);
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
