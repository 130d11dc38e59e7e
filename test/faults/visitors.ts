/**
 * Connections that subscribe to channels for a moment, again and again, while others publish. What a visit saw must be a
 * stretch of the channel's one order without a hole.
 */
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import WebSocket from "ws";
import type { Lifetime } from "../support/child.ts";
import type { CountingClient } from "../support/counting-client.ts";

interface Visit {
  readonly channel: string;
  readonly texts: string[];
}

const staysMs = 20;
/** Messages of the past that every second visit asks for. */
const history = 5;

export class Visitors {
  readonly visits: Visit[] = [];
  readonly #t: Lifetime;
  readonly #urls: readonly string[];
  readonly #connections: number;
  readonly #channels: readonly string[];
  readonly #random: () => number;

  constructor(
    t: Lifetime,
    urls: readonly string[],
    { connections, channels, random }: { connections: number; channels: readonly string[]; random: () => number },
  ) {
    this.#t = t;
    this.#urls = urls;
    this.#connections = connections;
    this.#channels = channels;
    this.#random = random;
  }

  /** Messages that all visits saw together. */
  get seen(): number {
    return this.visits.reduce((sum, { texts }) => sum + texts.length, 0);
  }

  /** Subscribes, and unsubscribes, `count` times over all connections. Rejects where one of them is refused. */
  async visit(count: number): Promise<void> {
    const each = Math.ceil(count / this.#connections);
    await Promise.all(Array.from({ length: this.#connections }, (_, n) => this.#wander(n, each)));
  }

  /** What is wrong with the visits, by the order that the channel's first client saw. */
  wrongs(clients: readonly CountingClient[]): string[] {
    const orders = new Map<string, string[]>();
    for (const { channel, events } of clients)
      if (!orders.has(channel))
        orders.set(
          channel,
          events.map((event) => (event === "break" ? event : `${event.publisher}:${event.n}`)),
        );
    return this.visits.flatMap(({ channel, texts }, n) => {
      const order = orders.get(channel) ?? [];
      const start = order.indexOf(texts[0] ?? "");
      const hole = texts.findIndex((text, i) => order[start + i] !== text);
      return hole === -1 ? [] : [`visit ${n} to ${channel}: ${texts[hole]} where others saw ${order[start + hole]}`];
    });
  }

  async #wander(n: number, count: number): Promise<void> {
    const socket = new WebSocket(this.#urls[n % this.#urls.length]!, { localAddress: `127.0.0.${2 + (n % 250)}` });
    this.#t.after(() => socket.terminate());
    const open = new Map<string, Visit>();
    let answered: (success: boolean) => void = () => {};
    socket.on("message", (data: Buffer) => {
      const { action, channel, message, success } = JSON.parse(data.toString());
      if (action === "message") open.get(channel)?.texts.push(message);
      else if (action === "subscribe" || action === "unsubscribe" || action === "error") answered(success);
    });
    await once(socket, "open");
    const ask = async (action: string, channel: string, options?: object): Promise<void> => {
      const answer = new Promise<boolean>((resolve) => {
        answered = resolve;
      });
      socket.send(JSON.stringify({ action, data: { channel, options } }));
      if (!(await answer)) throw new Error(`${action} ${channel} was refused`);
    };
    for (let i = 0; i < count; i += 1) {
      const channel = this.#channels[Math.floor(this.#random() * this.#channels.length)]!;
      const visit: Visit = { channel, texts: [] };
      open.set(channel, visit);
      this.visits.push(visit);
      await ask("subscribe", channel, { history: i % 2 === 0 ? history : 0 });
      await sleep(this.#random() * staysMs);
      await ask("unsubscribe", channel);
      open.delete(channel);
    }
    socket.terminate();
  }
}
