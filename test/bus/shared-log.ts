/**
 * A bus of several nodes within one process, for tests: records are acknowledged and applied later, on each node in its
 * own time, as through a network. It can be given one fault, which the contract must find.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { AppendFault, Apply, Bus, LogRecord } from "../../src/bus/bus.ts";
import type { StreamPosition } from "../../src/protocol/messages.ts";

/** What is wrong with a log; most faults strike one record on the last node, as a lost packet or a race would. */
export type Fault =
  | "none"
  | "loses a record on one node"
  | "doubles a record on one node"
  | "swaps two records on one node"
  | "leaves the publisher's node out"
  | "reverses a burst"
  | "acknowledges twice"
  | "acknowledges another position"
  | "never acknowledges"
  | "counts offsets without padding"
  | "changes the epoch"
  | "has its tail ahead"
  | "has its tail behind"
  | "has an empty tail"
  | "knows nothing"
  | "knows what is not there"
  | "mangles text"
  | "drops the target"
  | "loses what was appended while a node started"
  | "accepts after stop"
  | "forgets what stop found";

type Done = (outcome: StreamPosition | AppendFault) => void;
interface Entry {
  readonly record: LogRecord;
  readonly position: StreamPosition;
  readonly by: Bus;
}

/** `count` nodes of one fresh log. */
export function createSharedLog(count: number, fault: Fault = "none"): readonly Bus[] {
  const log: Entry[] = [];
  const nodes: SharedLogBus[] = [];
  for (let i = 0; i < count; i += 1) nodes.push(new SharedLogBus(log, fault, i, i === count - 1));
  return nodes;
}

class SharedLogBus implements Bus {
  readonly node: number;
  readonly incarnation: string;
  readonly isShared = true;
  readonly #log: Entry[];
  readonly #fault: Fault;
  readonly #isFaulty: boolean;
  #apply: Apply | undefined;
  #waiting: { readonly record: LogRecord; readonly done: Done }[] = [];
  #read = 0; // entries of the log that this node has applied
  #reading: Promise<void> = Promise.resolve();

  constructor(log: Entry[], fault: Fault, node: number, isLast: boolean) {
    this.node = node;
    this.incarnation = `node-${node}`;
    this.#log = log;
    this.#fault = fault;
    this.#isFaulty = isLast;
  }

  async start(apply: Apply): Promise<void> {
    while (this.#read < this.#log.length) this.#applyNext(apply);
    await sleep(10);
    if (this.#fault === "loses what was appended while a node started") this.#read = this.#log.length;
    this.#apply = apply;
    this.#reading = this.#readOn();
  }

  append(record: LogRecord, done: Done): void {
    if (this.#apply === undefined && this.#fault !== "accepts after stop") return done("unavailable");
    this.#waiting.push({ record, done });
    if (this.#waiting.length === 1) setTimeout(() => this.#write(), Math.random() * 3);
  }

  processes(): readonly string[] {
    return [this.incarnation];
  }

  tail(): StreamPosition {
    if (this.#fault === "has an empty tail" && this.#read === 0) return { offset: "", epoch: "first" };
    const shift = this.#fault === "has its tail ahead" ? 1 : this.#fault === "has its tail behind" ? -1 : 0;
    return this.#position(Math.max(0, this.#read + shift));
  }

  knownFrom(): string {
    if (this.#fault === "knows nothing") return this.#position(this.#read).offset;
    return this.#position(0).offset;
  }

  knows(_channel: string, offset: string): boolean {
    if (this.#fault === "knows nothing") return false;
    if (this.#fault === "knows what is not there") return true;
    return offset >= this.#position(0).offset && offset <= this.#position(this.#read).offset && offset.length === 12;
  }

  async stop(): Promise<void> {
    this.#apply = undefined;
    const waiting = this.#waiting;
    this.#waiting = [];
    if (this.#fault !== "forgets what stop found") for (const { done } of waiting) done("unavailable");
    await this.#reading;
  }

  #write(): void {
    const batch = this.#waiting;
    this.#waiting = [];
    if (this.#fault === "reverses a burst") batch.reverse();
    for (const { record, done } of batch) {
      const position = this.#position(this.#log.length + 1);
      this.#log.push({ record, position, by: this });
      if (this.#fault === "never acknowledges") continue;
      done(this.#fault === "acknowledges another position" ? this.#position(this.#log.length + 1) : position);
      if (this.#fault === "acknowledges twice") done(position);
    }
  }

  #position(n: number): StreamPosition {
    const offset = this.#fault === "counts offsets without padding" ? `${n}` : `${1e11 + n}`;
    return { offset, epoch: this.#fault === "changes the epoch" && n > 3 ? "second" : "first" };
  }

  async #readOn(): Promise<void> {
    while (this.#apply !== undefined) {
      await sleep(Math.random() * 4);
      while (this.#apply !== undefined && this.#read < this.#log.length) this.#applyNext(this.#apply);
    }
  }

  #applyNext(apply: Apply): void {
    const entry = this.#log[this.#read]!;
    const { record, position } = this.#changed(entry);
    this.#read += 1;
    const strikes = this.#isFaulty && this.#read === 4;
    if (this.#fault === "loses a record on one node" && strikes) return;
    if (this.#fault === "leaves the publisher's node out" && entry.by === this) return;
    const next = this.#log[this.#read];
    const isSameChannel = next !== undefined && channelOf(next.record) === channelOf(record);
    if (this.#fault === "swaps two records on one node" && this.#isFaulty && isSameChannel) {
      this.#read += 1;
      apply(next.record, next.position, 0);
    }
    apply(record, position, 0);
    if (this.#fault === "doubles a record on one node" && strikes) apply(record, position, 0);
  }

  #changed({ record, position }: Entry): { record: LogRecord; position: StreamPosition } {
    if (record.kind !== "publication") return { record, position };
    if (this.#fault === "mangles text")
      return { record: { ...record, head: record.head.replace("日", "?") }, position };
    if (this.#fault === "drops the target") return { record: { ...record, target: undefined }, position };
    return { record, position };
  }
}

const channelOf = (record: LogRecord): string | undefined => ("channel" in record ? record.channel : undefined);
