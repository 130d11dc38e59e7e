/**
 * One publisher of one channel, and a few subscribers beside it whose messages are looked at: what the fan-out scenarios
 * share. The many other subscribers are in a process of their own, see `drain.ts`.
 */
import type { Socket } from "node:net";
import { type Opening, openClients, type Target } from "./client.ts";
import { frameOf } from "./dialects.ts";
import { type Counter, counterFor } from "./frame-counter.ts";
import { sleep } from "./job.ts";

const stallMs = 30_000;

export class Publisher {
  readonly #socket: Socket;
  readonly #counters: readonly Counter[];
  sent = 0;

  private constructor(socket: Socket, counters: readonly Counter[]) {
    this.#socket = socket;
    this.#counters = counters;
  }

  /** Opens `probes` clients of `channel`, the first of which publishes. `onBytes` is called after it was counted. */
  static async open(
    target: Target,
    channel: string,
    probes: number,
    onBytes: (probe: number, bytes: Buffer) => void,
  ): Promise<Publisher> {
    const counters = Array.from({ length: probes }, () => counterFor(target.dialect));
    const opening = (index: number): Opening => ({
      number: index,
      channel,
      onBytes: (bytes) => {
        counters[index]!.push(bytes);
        onBytes(index, bytes);
      },
    });
    const [first] = await openClients(target, probes, opening, 1);
    return new Publisher(first!, counters);
  }

  /** Publications that all probes have. */
  get completed(): number {
    let least = Number.POSITIVE_INFINITY;
    for (const { messages } of this.#counters) if (messages < least) least = messages;
    return least;
  }

  /** Sends `frames`, which are `count` publications. */
  send(frames: Buffer, count: number): void {
    this.#socket.write(frames);
    this.sent += count;
  }

  /** Resolves once everything sent has reached the probes; throws where it does not come. */
  async quiet(): Promise<void> {
    const endMs = performance.now() + stallMs;
    while (this.completed < this.sent) {
      if (performance.now() > endMs) throw new Error(`${this.sent - this.completed} publications were lost`);
      await sleep(5);
    }
  }
}

/** Text of about 40 characters that begins with a number of ten digits. */
export const textOf = (number: number): string => String(number).padStart(10, "0").padEnd(40, "x");

/** `count` publications of one text, one after the other. */
export const publications = ({ dialect }: Target, channel: string, count: number): Buffer => {
  const frame = frameOf(dialect, dialect.publish(channel, textOf(0)));
  return Buffer.concat(Array.from({ length: count }, () => frame));
};
