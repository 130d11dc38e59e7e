/**
 * Traffic that counts itself, over several nodes: clients spread over channels, nodes and loopback addresses, some of which
 * publish. See `account.ts` for what must hold of it.
 */
import { type Lifetime, patienceMs } from "./child.ts";
import { CountingClient } from "./counting-client.ts";
import type { CountingOptions } from "./counting-options.ts";
import { eventually } from "./redis.ts";

export interface TrafficSize {
  readonly clients: number;
  readonly channels: number;
  readonly publishersPerChannel: number;
}

export interface TrafficOptions extends CountingOptions {
  /** Every third publisher gives up what was not acknowledged when its connection ended. */
  readonly someForget?: boolean;
}

const ticksPerSecond = 20;

/** All listen, and the first few of each channel publish as well. */
export class Traffic {
  readonly clients: CountingClient[] = [];
  readonly #publishers: CountingClient[] = [];
  readonly channels: number;
  #flow: NodeJS.Timeout | undefined;
  readonly #strikers: (() => void)[] = [];

  constructor(t: Lifetime, urls: readonly string[], size: TrafficSize, options: TrafficOptions = {}) {
    this.channels = size.channels;
    t.after(() => this.rest());
    for (let i = 0; i < size.clients; i += 1) {
      const rank = Math.floor(i / size.channels); // its place among its channel's clients, which are on different nodes
      const place = { channel: `chat.${i % size.channels}`, name: `p${i}`, turn: rank };
      const forgets = options.someForget === true && rank < size.publishersPerChannel && rank % 3 === 2;
      const socket = { localAddress: `127.0.0.${2 + (i % 250)}`, ...options.socket };
      const client = new CountingClient(t, urls, place, { ...options, forgets, socket });
      this.clients.push(client);
      if (rank < size.publishersPerChannel) this.#publishers.push(client);
    }
  }

  /** Of all clients together. */
  sum(what: "messages" | "replayed" | "breaks" | "recoveries" | "refusals" | "closes" | "inFlight"): number {
    return this.clients.reduce((sum, client) => sum + client[what], 0);
  }

  get acknowledged(): number {
    return this.#publishers.reduce((sum, { acknowledged }) => sum + acknowledged.size, 0);
  }

  /** Publications that were sent again. */
  get resent(): number {
    return this.#publishers.reduce((sum, { doubtful }) => sum + doubtful.size, 0);
  }

  get longestWaitMs(): number {
    return Math.max(...this.#publishers.map(({ longestWaitMs }) => longestWaitMs));
  }

  async subscribed(): Promise<void> {
    await eventually(() => this.clients.every(({ isSubscribed }) => isSubscribed), "all clients subscribed");
  }

  publish(count: number): void {
    const each = Math.ceil(count / this.#publishers.length);
    for (const publisher of this.#publishers) publisher.publish(each);
  }

  /** Publishes so many a second until `rest`; what is not acknowledged holds back what comes after it. */
  flow(perSecond: number): void {
    this.rest();
    let owed = 0;
    let next = 0;
    this.#flow = setInterval(() => {
      for (owed += perSecond / ticksPerSecond; owed >= 1; owed -= 1) {
        this.#publishers[next % this.#publishers.length]!.publish();
        next += 1;
      }
      if (this.#strikers.length > 0 && this.sum("inFlight") > 0) for (const go of this.#strikers.splice(0)) go();
    }, 1000 / ticksPerSecond);
  }

  /**
   * Resolves when publications are on their way: now, or as soon as `flow` has sent some. Whoever asked time and again would
   * never see them, where it asks in step with the flow: they are acknowledged within a millisecond or two.
   */
  async onTheWay(): Promise<void> {
    if (this.sum("inFlight") > 0) return;
    await new Promise<void>((resolve, reject) => {
      const giveUp = setTimeout(() => reject(new Error("waited in vain: publications on their way")), patienceMs);
      this.#strikers.push(() => {
        clearTimeout(giveUp);
        resolve();
      });
    });
  }

  rest(): void {
    clearInterval(this.#flow);
  }

  /** Resolves once `count` more are acknowledged. */
  async moreAcknowledged(count: number, withinMs = patienceMs): Promise<void> {
    const enough = this.acknowledged + count;
    await eventually(() => this.acknowledged >= enough, `${count} more acknowledgements`, withinMs);
  }

  /** Resolves once everything is acknowledged, and a last message of each channel has reached all of its clients. */
  async settled(withinMs = patienceMs): Promise<void> {
    await this.#allAcknowledged(withinMs);
    await this.subscribed();
    const last = this.#publishers.slice(0, this.channels);
    const marks = new Map(last.map((client) => [client.channel, `${client.name}:${client.publish()}`]));
    await this.#allAcknowledged(withinMs);
    const hasLast = ({ channel, events }: CountingClient): boolean => {
      const mark = marks.get(channel);
      return events.slice(-200).some((event) => event !== "break" && `${event.publisher}:${event.n}` === mark);
    };
    await eventually(() => this.clients.every(hasLast), "the last message of each channel everywhere");
  }

  async #allAcknowledged(withinMs: number): Promise<void> {
    const missing = () => this.#publishers.reduce((sum, client) => sum + client.unacknowledged, 0);
    await eventually(() => missing() === 0, "all acknowledgements", withinMs).catch((error) => {
      throw new Error(`${error.message}: ${missing()} are missing`);
    });
  }
}

/** The settings of nodes for counted traffic: rings that reach back over every fault of a test. */
export const countedSettings = (redisUrl: string, more: object = {}): Record<string, unknown> => ({
  sendQueueBytesMax: 64 * 1024 * 1024,
  maxMessagesPerMinute: 0,
  channels: { "chat.>": { history: { size: 50_000, seconds: 600 } } },
  idempotency: { keysMax: 1_000_000 },
  redis: { enabled: true, url: redisUrl, ...more },
});

/** Resolves once all that `clients` published is acknowledged, and each has as much as the others of its channel published. */
export async function allDelivered(clients: readonly CountingClient[], withinMs = patienceMs): Promise<void> {
  for (const client of clients) await client.settled(withinMs);
  const wanted = new Map<string, number>();
  for (const { channel, acknowledged } of clients) wanted.set(channel, (wanted.get(channel) ?? 0) + acknowledged.size);
  const hasAll = ({ channel, messages }: CountingClient): boolean => messages >= wanted.get(channel)!;
  await eventually(() => clients.every(hasAll), "everything for everybody", withinMs);
}

/** Resolves once each of `clients` has `count` acknowledgements more. */
export async function moreAcknowledged(clients: readonly CountingClient[], count: number): Promise<void> {
  const wanted = clients.map(({ acknowledged }) => acknowledged.size + count);
  const isEnough = (): boolean => clients.every(({ acknowledged }, i) => acknowledged.size >= wanted[i]!);
  await eventually(isEnough, `${count} more acknowledgements for each`);
}
