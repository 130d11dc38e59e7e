/**
 * Traffic that counts itself, over several nodes: clients that number what they publish, note everything that reaches
 * them, and come back with their position when a connection ends; and the account of it all afterwards.
 *
 * The rule (see `Account`): whatever was acknowledged and did not arrive must have been announced right there, between
 * the last message of the same publisher before it and the next one after it, by `recovered:false` or by a new epoch.
 */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import WebSocket from "ws";
import { eventually } from "../support/redis.ts";

/** What arrived: a message, or word that some may be missing. */
type Event = { readonly publisher: string; readonly n: number; readonly epoch: string } | "break";

export interface TrafficOptions {
  /** Publications of one client under way at a time. */
  readonly window?: number;
  /** Whether publications carry a key: for connections that may be lost. Without one only the bus keeps doubles away. */
  readonly keys?: boolean;
}

export class CountingClient {
  readonly name: string;
  readonly channel: string;
  readonly events: Event[] = [];
  readonly faults: string[] = [];
  readonly acknowledged = new Set<number>();
  readonly #urls: readonly string[];
  readonly #window: number;
  readonly #keys: boolean;
  readonly #waiting = new Map<number, boolean>(); // published and not acknowledged; true: on its way
  #socket: WebSocket | undefined;
  #turn: number;
  #position: { offset: string; epoch: string } | undefined;
  #wanted = 0; // messages that it is to have published
  #published = 0;
  #isStopped = false;
  isSubscribed = false;
  messages = 0;
  breaks = 0;
  recoveries = 0;
  refusals = 0;
  closes = 0;
  /** The epochs that its messages had. */
  readonly epochs = new Set<string>();

  constructor(
    t: TestContext,
    urls: readonly string[],
    turn: number,
    channel: string,
    name: string,
    { window = 20, keys = false }: TrafficOptions,
  ) {
    this.#urls = urls;
    this.#turn = turn;
    this.channel = channel;
    this.name = name;
    this.#window = window;
    this.#keys = keys;
    t.after(() => this.stop());
    this.#connect();
  }

  get unacknowledged(): number {
    return this.#wanted - this.acknowledged.size;
  }

  /** Publishes `count` more, as fast as acknowledgements come. */
  publish(count: number): void {
    this.#wanted += count;
    this.#fill();
  }

  stop(): void {
    this.#isStopped = true;
    this.#socket?.terminate();
  }

  #connect(): void {
    if (this.#isStopped) return;
    const socket = new WebSocket(this.#urls[this.#turn % this.#urls.length]!, { handshakeTimeout: 5000 });
    this.#socket = socket;
    socket.on("error", () => {});
    socket.on("message", (data: Buffer) => this.#handle(JSON.parse(data.toString("utf8"))));
    socket.on("close", () => {
      if (this.#isStopped) return;
      if (this.isSubscribed) this.closes += 1;
      this.isSubscribed = false;
      this.#turn += 1; // another node
      setTimeout(() => this.#connect(), 50 + Math.random() * 100);
    });
  }

  // biome-ignore lint/suspicious/noExplicitAny: frames of every kind
  #handle(frame: any): void {
    switch (frame.action) {
      case "message": {
        const { offset, epoch } = frame;
        const last = this.#position;
        if (last !== undefined && epoch !== last.epoch) this.#broken();
        else if (last !== undefined && offset <= last.offset) this.faults.push(`${offset} after ${last.offset}`);
        this.#position = { offset, epoch };
        this.epochs.add(epoch);
        const [publisher, n] = frame.message.split(":");
        this.events.push({ publisher, n: Number(n), epoch });
        this.messages += 1;
        return;
      }
      case "message_sent":
        this.acknowledged.add(frame.id);
        this.#waiting.delete(frame.id);
        return this.#fill();
      case "welcome":
        return this.#send("subscribe", { channel: this.channel, options: { since: this.#position } }, "s");
      case "subscribe":
        if (frame.success !== true) return;
        if (frame.recovered === false) this.#broken();
        if (frame.recovered === true) this.recoveries += 1;
        else this.#position = { offset: frame.offset, epoch: frame.epoch };
        this.isSubscribed = true;
        for (const n of this.#waiting.keys()) this.#waiting.set(n, false);
        return this.#fill();
      case "error":
        if (frame.request !== "message") return void this.faults.push(JSON.stringify(frame));
        this.refusals += 1;
        this.#waiting.set(frame.id, false);
        setTimeout(() => this.#fill(), 200);
    }
  }

  #broken(): void {
    this.events.push("break");
    this.breaks += 1;
  }

  #fill(): void {
    while (this.#waiting.size < this.#window && this.#published < this.#wanted) {
      this.#published += 1;
      this.#waiting.set(this.#published, false);
    }
    if (!this.isSubscribed) return;
    for (const [n, isOnItsWay] of this.#waiting) {
      if (isOnItsWay) continue;
      this.#waiting.set(n, true);
      const message = `${this.name}:${n}`;
      this.#send("message", { channel: this.channel, message, key: this.#keys ? message : undefined }, n);
    }
  }

  #send(action: string, data: object, id: string | number): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify({ action, data, id }));
  }
}

/** Clients spread over channels and nodes; all listen, and the first few of each channel publish as well. */
export class Traffic {
  readonly clients: CountingClient[] = [];
  readonly #publishers: CountingClient[] = [];
  #flow: NodeJS.Timeout | undefined;

  constructor(
    t: TestContext,
    urls: readonly string[],
    size: { clients: number; channels: number; publishersPerChannel: number },
    options: TrafficOptions = {},
  ) {
    t.after(() => this.rest());
    for (let i = 0; i < size.clients; i += 1) {
      const rank = Math.floor(i / size.channels); // its place among its channel's clients, which are on different nodes
      const channel = `chat.${i % size.channels}`;
      const client = new CountingClient(t, urls, rank, channel, `p${i}`, options);
      this.clients.push(client);
      if (rank < size.publishersPerChannel) this.#publishers.push(client);
    }
  }

  get acknowledged(): number {
    return this.clients.reduce((sum, { acknowledged }) => sum + acknowledged.size, 0);
  }

  get refusals(): number {
    return this.clients.reduce((sum, { refusals }) => sum + refusals, 0);
  }

  get closes(): number {
    return this.clients.reduce((sum, { closes }) => sum + closes, 0);
  }

  get breaks(): number {
    return this.clients.reduce((sum, { breaks }) => sum + breaks, 0);
  }

  get recoveries(): number {
    return this.clients.reduce((sum, { recoveries }) => sum + recoveries, 0);
  }

  async subscribed(): Promise<void> {
    await eventually(() => this.clients.every(({ isSubscribed }) => isSubscribed), "all clients subscribed", 30_000);
  }

  publish(count: number): void {
    const each = Math.ceil(count / this.#publishers.length);
    for (const publisher of this.#publishers) publisher.publish(each);
  }

  /** Publishes so many a second until `rest`; what is not acknowledged holds back what comes after it. */
  flow(perSecond: number): void {
    this.#flow = setInterval(() => this.publish(perSecond / 20), 50);
  }

  rest(): void {
    clearInterval(this.#flow);
  }

  /** Resolves once everything is acknowledged, and a last message of each channel has reached all of its clients. */
  async settled(withinMs = 60_000): Promise<void> {
    const unacknowledged = () => this.#publishers.reduce((sum, client) => sum + client.unacknowledged, 0);
    await eventually(() => unacknowledged() === 0, "all acknowledgements", withinMs).catch((error) => {
      throw new Error(`${error.message}: ${unacknowledged()} are missing`);
    });
    await this.subscribed();
    const last = this.#publishers.slice(0, new Set(this.clients.map(({ channel }) => channel)).size);
    for (const client of last) client.publish(1);
    const marks = new Map<string, CountingClient>(last.map((client) => [client.channel, client]));
    await eventually(() => unacknowledged() === 0, "the acknowledgements of the last messages", withinMs);
    const hasLast = (client: CountingClient) => {
      const mark = marks.get(client.channel)!;
      const wanted = Math.max(...mark.acknowledged);
      return client.events.slice(-200).some((e) => e !== "break" && e.publisher === mark.name && e.n === wanted);
    };
    await eventually(() => this.clients.every(hasLast), "the last message of each channel everywhere", 15_000);
  }
}

export interface Account {
  readonly acknowledged: number;
  readonly delivered: number;
  /** Acknowledged, not delivered, and nobody said so. */
  readonly silentLosses: string[];
  readonly announcedLosses: number;
  readonly duplicates: string[];
  /** Delivered, though nobody published it, or offsets that fell. */
  readonly faults: string[];
  /** Clients that saw two messages of an epoch the other way round than the first client of their channel. */
  readonly disagreements: string[];
}

export function account(clients: readonly CountingClient[]): Account {
  const result = {
    acknowledged: clients.reduce((sum, client) => sum + client.acknowledged.size, 0),
    delivered: clients.reduce((sum, client) => sum + client.messages, 0),
    silentLosses: [] as string[],
    announcedLosses: 0,
    duplicates: [] as string[],
    faults: clients.flatMap(({ name, faults }) => faults.map((fault) => `${name}: ${fault}`)),
    disagreements: [] as string[],
  };
  for (const channel of new Set(clients.map((client) => client.channel))) {
    const group = clients.filter((client) => client.channel === channel);
    const acknowledged = new Map(group.map((client) => [client.name, client.acknowledged]));
    const order = new Map<string, number>(); // the first client's
    for (const event of group[0]!.events) if (event !== "break") order.set(nameOf(event), order.size);
    for (const client of group) countClient(result, client, acknowledged, order);
  }
  return result;
}

function countClient(
  result: { -readonly [K in keyof Account]: Account[K] },
  client: CountingClient,
  acknowledged: ReadonlyMap<string, ReadonlySet<number>>,
  order: ReadonlyMap<string, number>,
): void {
  const seen = new Map([...acknowledged.keys()].map((publisher) => [publisher, new Map<number, number>()]));
  const breakTimes: number[] = [];
  let place = -1;
  for (const [time, event] of client.events.entries()) {
    if (event === "break") {
      breakTimes.push(time);
      continue;
    }
    const { publisher, n } = event;
    const text = `${publisher}:${n}`;
    const seenOfPublisher = seen.get(publisher);
    if (seenOfPublisher === undefined || !acknowledged.get(publisher)!.has(n))
      result.faults.push(`${client.name} got ${text}, which nobody had acknowledged`);
    if (seenOfPublisher?.has(n)) result.duplicates.push(`${text} to ${client.name}`);
    seenOfPublisher?.set(n, time);
    const there = order.get(nameOf(event));
    // Lost by the first client, and counted there; or written anew after a break, for those who had not read it.
    if (there === undefined) continue;
    if (there <= place) result.disagreements.push(`${client.name} at ${text}`);
    place = there;
  }
  for (const [publisher, numbers] of acknowledged) {
    const times = seen.get(publisher)!;
    const before: number[] = [];
    for (const n of [...numbers].sort((a, b) => a - b)) {
      const time = times.get(n);
      if (time !== undefined) before[0] = Math.max(before[0] ?? -1, time);
      else {
        let next = n + 1;
        while (numbers.has(next) && !times.has(next)) next += 1;
        const until = times.get(next) ?? client.events.length;
        const isAnnounced = breakTimes.some((at) => at > (before[0] ?? -1) && at <= until);
        if (isAnnounced) result.announcedLosses += 1;
        else result.silentLosses.push(`${publisher}:${n} to ${client.name}`);
      }
    }
  }
}

const nameOf = ({ publisher, n, epoch }: Exclude<Event, "break">): string => `${publisher}:${n} in ${epoch}`;

/** Fails where anything was lost in silence, doubled, made up or seen in two orders. Tells how much was counted. */
export function assertNothingLost(clients: readonly CountingClient[], { lossesAllowed = false } = {}): Account {
  const counted = account(clients);
  const { silentLosses, duplicates, faults, disagreements } = counted;
  const first = (list: readonly string[]) => `${list.length}: ${list.slice(0, 5).join("; ")}`;
  assert.equal(silentLosses.length, 0, `silent losses ${first(silentLosses)}`);
  assert.equal(duplicates.length, 0, `duplicates ${first(duplicates)}`);
  assert.equal(faults.length, 0, `faults ${first(faults)}`);
  assert.equal(disagreements.length, 0, `disagreements ${first(disagreements)}`);
  if (!lossesAllowed) assert.equal(counted.announcedLosses, 0, "announced losses where there should be none");
  return counted;
}

/** The settings of nodes for counted traffic: rings that reach back over every fault of a test. */
export const countedSettings = (redisUrl: string, more: object = {}): Record<string, unknown> => ({
  sendQueueBytesMax: 64 * 1024 * 1024,
  maxMessagesPerMinute: 0,
  channels: { "chat.>": { history: { size: 50_000, seconds: 600 } } },
  idempotency: { keysMax: 1_000_000 },
  redis: { enabled: true, url: redisUrl, ...more },
});
