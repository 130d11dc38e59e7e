/** One run of the model: nodes, clients and a Redis to which everything happens by a seed; and what must have come of it. */
import { offsetOf, offsetPrefix } from "../../../src/bus/stream-offset.ts";
import { randomOf } from "../../support/random.ts";
import { checkModel } from "./check.ts";
import { ModelClient } from "./client.ts";
import { ModelNode } from "./node.ts";
import { type ModelEntry, ModelRedis } from "./redis.ts";
import type { Protection } from "./surroundings.ts";

export interface RunResult {
  /** What is wrong, in words; empty: the promises hold. */
  readonly wrongs: readonly string[];
  /** How often each thing happened. */
  readonly counts: Readonly<Record<string, number>>;
}

export interface RunOptions {
  /** Left out of the nodes. */
  readonly without?: Protection;
  /** At times the replica that takes over is one that has not confirmed what was acknowledged: `redis.durable` asks one. */
  readonly hasSecondReplica?: boolean;
}

const nodeCount = 3;
const clientCount = 5;
const steps = 250;
const quietRounds = 60;

export class ModelRun {
  readonly redis = new ModelRedis();
  readonly nodes: (ModelNode | undefined)[] = [];
  readonly clients: ModelClient[];
  readonly counts: Record<string, number> = {};
  readonly isDurable: boolean;
  readonly #isDeadly: boolean;
  readonly #random: () => number;
  readonly #without: Protection | undefined;
  readonly #hasSecond: boolean;
  #epochs = 0;
  #lives = 0;

  /** Every second run has nodes that die more often. Every third one has `redis.durable`, and a Redis that is not wiped: then nothing acknowledged may be lost, unless another replica takes over. */
  constructor(seed: number, { without, hasSecondReplica = false }: RunOptions) {
    this.#random = randomOf(seed);
    this.#without = without;
    this.#hasSecond = hasSecondReplica;
    this.isDurable = seed % 3 === 0;
    this.#isDeadly = seed % 2 === 0;
    for (let place = 0; place < nodeCount; place += 1) this.#start(place);
    this.clients = Array.from({ length: clientCount }, (_, n) => new ModelClient(`c${n}`, n % 2 === 0));
  }

  run(): RunResult {
    for (const client of this.clients) {
      this.#connect(client);
      client.receive(1); // all are there before anybody publishes
    }
    for (let step = 0; step < steps; step += 1) this.#step();
    this.#comeToRest();
    for (const client of this.clients) {
      client.publish(); // the last word
      this.#comeToRest();
    }
    return { wrongs: this.#wrongs(), counts: { ...this.counts, ...this.#sums() } };
  }

  #step(): void {
    const { redis } = this;
    const client = this.#any(this.clients);
    const place = this.#upTo(nodeCount);
    const node = this.nodes[place];
    this.#weighed([
      [20, () => client.publish()],
      [20, () => node?.write(this.#fate())],
      [2, () => node?.probe()],
      [25, () => node?.read()],
      [15, () => node?.flush()],
      [25, () => client.receive(1 + this.#upTo(5))],
      [12, () => this.#connect(client)],
      [8, () => redis.replicate(this.#upTo(3))],
      [this.#hasSecond ? 1 : 0, () => redis.replicateSecond(this.#upTo(6))],
      [3, () => this.#count("disconnect", () => client.disconnect())],
      [this.#isDeadly ? 4 : 1, () => node && this.#count("crash", () => this.#crash(place))],
      [this.#isDeadly ? 8 : 3, () => node === undefined && this.#start(place)],
      [0.6, () => this.#count("blackout", () => this.#blackOut())],
      [1, () => node && this.#count("gap", () => (node.isCut = true))],
      [3, () => this.#reconnect(node)],
      [0.5, () => this.#count("failover", () => this.#replaced(() => this.#failOver(false)))],
      [0.5, () => this.#count("rollback", () => this.#replaced(() => this.#failOver(true)))],
      [0.3, () => !this.isDurable && this.#count("wipe", () => this.#replaced(() => redis.wipe(this.#behindMs())))],
      [0.3, () => !this.isDurable && this.#count("flush", () => redis.flush())],
      [0.5, () => this.#count("trim", () => this.#trim(3 + this.#upTo(10)))],
    ]);
  }

  /** Nothing more goes wrong: everybody is there, and everything arrives. */
  #comeToRest(): void {
    for (let round = 0; round < quietRounds; round += 1) {
      for (const [place, node] of this.nodes.entries()) {
        if (node === undefined) this.#start(place);
        else {
          if (node.isCut) this.#reconnect(node);
          if (round % 10 === 0) node.probe();
          node.write("answered");
          this.redis.replicate();
          node.read();
          node.flush();
        }
      }
      for (const client of this.clients) {
        this.#connect(client);
        client.sendWaiting();
        client.receive(1000);
      }
    }
  }

  #wrongs(): string[] {
    const { redis } = this;
    const holders = new Set(this.nodes.flatMap((node) => [...(node?.holds ?? [])]));
    // A loss of which nobody can tell: with its writer, whose next entry would, and with all who had read it, or by a flush
    // under open connections before all had.
    const isTraceless = (text: string, entries: readonly ModelEntry[]): boolean =>
      ((isLost(entries) && !holders.has(text)) || redis.flushed.has(text)) &&
      entries.every((entry) => redis.isUntold(entry));
    // Of a message that was sent again one copy may be lost, or trimmed, while another one stands: all count together.
    const isLost = (entries: readonly ModelEntry[]): boolean => entries.every((entry) => redis.lost.has(entry));
    const { wrongs, announced, traceless, entriesOf } = checkModel(this.clients, redis, isTraceless);
    this.counts.traceless = traceless;
    this.counts.announced = announced;
    const acknowledged = this.clients.flatMap(({ acknowledgedTexts }) => acknowledgedTexts);
    const lost = acknowledged.filter((text) => isLost(entriesOf.get(text) ?? []));
    this.counts["acknowledged and lost"] = lost.length;
    if (this.isDurable && !this.#hasSecond) wrongs.push(...lost.map((text) => `acknowledged and lost: ${text}`));
    const waiting = this.clients.reduce((sum, client) => sum + client.waitingTexts.length, 0);
    return waiting === 0 ? wrongs : [...wrongs, `${waiting} publications were never acknowledged`];
  }

  #sums(): Record<string, number> {
    const sum = (count: (client: ModelClient) => number) =>
      this.clients.reduce((total, client) => total + count(client), 0);
    return {
      delivered: sum(({ events }) => events.length),
      acknowledged: sum(({ acknowledged }) => acknowledged.size),
      unknown: sum(({ unknown }) => unknown.size),
      recoveries: sum(({ recoveries }) => recoveries),
      replayed: sum(({ replayed }) => replayed),
      breaks: sum(({ breaks }) => breaks),
    };
  }

  #start(place: number): void {
    this.#lives += 1;
    this.nodes[place] = new ModelNode(`n${this.#lives}`, {
      redis: this.redis,
      without: this.#without,
      isDurable: this.isDurable,
      newEpoch: (before) => {
        this.#epochs += 1;
        const epoch = `e${String(this.#epochs).padStart(5, "0")}`;
        return epoch > before ? epoch : `${before}0`;
      },
      startOffset: () => offsetOf(offsetPrefix({ ms: 0, sequence: 1 + this.#upTo(99_999_998) }), 0),
    });
  }

  #crash(place: number): void {
    for (const client of [...(this.nodes[place]?.clients ?? [])]) client.disconnect();
    this.nodes[place] = undefined;
  }

  #connect(client: ModelClient): void {
    const alive = this.nodes.filter((node) => node !== undefined);
    if (client.node !== undefined || alive.length === 0) return;
    client.connect(this.#any(alive));
  }

  #reconnect(node: ModelNode | undefined): void {
    if (node === undefined) return;
    node.isCut = false;
    node.reconnected();
  }

  /** Another server is there, or another state of it: all connections are new ones. */
  #replaced(replace: () => void): void {
    replace();
    for (const node of this.nodes) node?.reconnected();
  }

  #failOver(isRollback: boolean): void {
    const isSecond = this.#hasSecond && this.#random() < 0.5;
    if (!isRollback) this.redis.replicate();
    this.redis.failOver(this.#behindMs(), isSecond);
  }

  #trim(count: number): void {
    const writers = new Map(this.nodes.map((node) => [node?.incarnation, node]));
    const waiting = new Set(this.clients.flatMap((client) => client.waitingTexts));
    this.redis.trim(
      count,
      ({ writer, sequence, records }) =>
        (writers.get(writer)?.isWriting(sequence) ?? false) || records.some(({ text }) => waiting.has(text)),
    );
  }

  /** All nodes die, and at times the master of Redis before or with them: soon enough that nobody has told of it. */
  #blackOut(): void {
    if (this.#random() < 0.5) {
      this.#replaced(() => this.#failOver(true));
      for (const node of this.nodes) node?.write("answered");
    }
    for (const place of this.nodes.keys()) this.#crash(place);
    if (this.#random() < 0.5) this.#failOver(true);
  }

  /** Half of the servers that take over have a clock that is behind. */
  #behindMs(): number {
    return this.#random() < 0.5 ? this.#upTo(60) : 0;
  }

  #fate(): "answered" | "answer lost" | "request lost" {
    const chance = this.#random();
    if (chance < 0.85) return "answered";
    return this.#count(chance < 0.92 ? "answer lost" : "request lost", () =>
      chance < 0.92 ? "answer lost" : "request lost",
    );
  }

  #count<T>(what: string, act: () => T): T {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
    return act();
  }

  #weighed(choices: readonly (readonly [weight: number, act: () => unknown])[]): void {
    let left = this.#random() * choices.reduce((sum, [weight]) => sum + weight, 0);
    for (const [weight, act] of choices) {
      left -= weight;
      if (left < 0) return void act();
    }
  }

  #upTo(count: number): number {
    return Math.floor(this.#random() * count);
  }

  #any<T>(list: readonly T[]): T {
    return list[this.#upTo(list.length)]!;
  }
}

export const runModel = (seed: number, options: RunOptions = {}): RunResult => new ModelRun(seed, options).run();
