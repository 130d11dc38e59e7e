/**
 * Which channels have subscribers on this process, told to the log: a record for the first subscriber of a channel and
 * one for the last. The whole cluster's answer is made of all nodes' records, see `log-events.ts`.
 */
import type { Bus } from "../bus/bus.ts";

export class LocalOccupancy {
  readonly #bus: Bus;
  readonly #counts = new Map<string, number>(); // by channel, above 0

  constructor(bus: Bus) {
    this.#bus = bus;
  }

  /** A connection has joined or left `channel`. */
  changed(channel: string, isSubscribed: boolean): void {
    const count = (this.#counts.get(channel) ?? 0) + (isSubscribed ? 1 : -1);
    if (count === 0) this.#counts.delete(channel);
    else this.#counts.set(channel, count);
    if (isSubscribed && count === 1) this.#tell("occupied", channel);
    else if (count === 0) this.#tell("vacated", channel);
  }

  /** The channels with subscribers: for a node's roll. */
  channels(): Iterable<string> {
    return this.#counts.keys();
  }

  #tell(kind: "occupied" | "vacated", channel: string): void {
    this.#bus.append({ kind, channel, node: this.#bus.incarnation }, () => {}); // a refused one is told with the next roll
  }
}
