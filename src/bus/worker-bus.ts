/**
 * The bus of one process among several on a machine: the log itself is held by another process, the supervisor, which
 * appends for its workers and tells all of them what is new, in one order. See `worker-hub.ts` for the other end.
 *
 * The rule: nothing is asked over the link on behalf of a client. What the worker has been told, it knows; a record that
 * it appended is acknowledged when the supervisor's bus has it, and applied when the log brings it.
 */
import type { StreamPosition } from "../protocol/messages.ts";
import { type AppendFault, type Apply, type Bus, isOfMembers, type LogRecord } from "./bus.ts";
import { type DownMessage, decodeDown, encodeUp } from "./worker-messages.ts";
import { LogView } from "./worker-view.ts";

/** The way to the supervisor: whole messages, in order, none lost while both live. */
export interface WorkerLink {
  /** Keeps no view of `message`. */
  send(message: Uint8Array): void;
}

export interface WorkerBusOptions {
  /** The name of this life of the worker. */
  readonly incarnation: string;
  /** That of the process that holds the log. */
  readonly holder: string;
  /** Of the supervisor's bus. */
  readonly shards: number;
  /** How many runs of positions are remembered for each shard. */
  readonly runsMax: number;
  /** Bytes of records that may wait for their acknowledgement; beyond it they are refused with `unavailable`. */
  readonly queueBytesMax: number;
}

interface Waiting {
  readonly bytes: number;
  readonly isMember: boolean;
  readonly done: (outcome: StreamPosition | AppendFault) => void;
}

/** A larger message costs more for each record: IPC puts its chunks together again and again. */
const messageBytesMax = 64 * 1024;
const recordOverheadBytes = 100;
/** For the supervisor to answer what is under way when the bus stops. */
const farewellMs = 1000;
const tellCheckMs = 1000;

export class WorkerBus implements Bus {
  readonly incarnation: string;
  readonly isShared = true;
  readonly #options: WorkerBusOptions;
  readonly #link: WorkerLink;
  readonly #view: LogView;
  #node = 0;
  #apply: Apply | undefined; // while it runs
  #filled: () => void = () => {};
  #numbers = 0; // appends so far
  #unsent: LogRecord[] = []; // the latest of them
  readonly #waiting = new Map<number, Waiting>(); // by number
  #waitingBytes = 0;
  #answered: () => void = () => {};
  #isMemberLost = false; // a record of a member was refused: the others do not know who is here
  #telling: NodeJS.Timeout | undefined;

  constructor(options: WorkerBusOptions, link: WorkerLink) {
    this.incarnation = options.incarnation;
    this.#options = options;
    this.#link = link;
    this.#view = new LogView(options.shards, options.runsMax);
  }

  get node(): number {
    return this.#node;
  }

  async start(apply: Apply): Promise<void> {
    this.#apply = apply;
    this.#telling = setInterval(() => this.#tellAnew(), tellCheckMs).unref();
    const filled = new Promise<void>((resolve) => {
      this.#filled = resolve;
    });
    this.#link.send(encodeUp({ kind: "attach" }));
    await filled;
  }

  /** Hot path. */
  append(record: LogRecord, done: (outcome: StreamPosition | AppendFault) => void): void {
    const bytes = sizeOf(record);
    const isMember = isOfMembers(record);
    if (this.#apply === undefined || this.#waitingBytes + bytes > this.#options.queueBytesMax) {
      if (isMember) this.#isMemberLost = true;
      return done("unavailable");
    }
    this.#numbers += 1;
    this.#waiting.set(this.#numbers, { bytes, isMember, done });
    this.#waitingBytes += bytes;
    this.#unsent.push(record);
    // After the handlers of this turn of the event loop, so that its publications go together.
    if (this.#unsent.length === 1) setImmediate(() => this.#flush());
  }

  /** The holder of the log knows the others. */
  processes(): readonly string[] {
    return [this.incarnation, this.#options.holder];
  }

  tail(channel: string): StreamPosition {
    return this.#view.tail(channel);
  }

  knownFrom(channel: string): string {
    return this.#view.knownFrom(channel);
  }

  knows(channel: string, offset: string): boolean {
    return this.#view.knows(channel, offset);
  }

  /** Waits a moment for the answers to what is under way, and refuses the rest. */
  async stop(): Promise<void> {
    if (this.#apply === undefined) return;
    this.#apply = undefined;
    clearInterval(this.#telling);
    this.#filled();
    this.#flush();
    if (this.#waiting.size > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, farewellMs);
        this.#answered = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    for (const number of this.#waiting.keys()) this.#settle(number, "unavailable");
  }

  /** Takes a message of the supervisor. */
  receive(bytes: Uint8Array): void {
    const message = decodeDown(bytes);
    if (message === undefined) return; // a later release's
    if (message.kind === "outcomes") {
      for (const { number, outcome } of message.outcomes) this.#settle(number, outcome);
      if (this.#waiting.size === 0) this.#answered();
    } else if (message.kind === "number") this.#node = message.number;
    else if (this.#apply !== undefined) this.#learn(message, this.#apply);
  }

  #learn(message: Exclude<DownMessage, { kind: "outcomes" | "number" }>, apply: Apply): void {
    const view = this.#view;
    switch (message.kind) {
      case "records":
        for (const { record, position } of message.placed) {
          apply(record, position, 0);
          view.applied("channel" in record ? view.shardOf(record.channel) : (record.shard ?? 0), position);
        }
        return;
      case "past":
        for (const [i, { record, position }] of message.placed.entries()) apply(record, position, message.agesMs[i]!);
        return;
      case "standing":
        return view.enter(message.shard, message.standing);
      case "moved":
        return view.applied(message.shard, message.position);
      case "runs":
        return view.offsets(message.shard).addRuns(message.runs);
      case "floors":
        for (const [channel, floor] of message.floors) view.setFloor(channel, floor);
        return;
      case "present":
        return this.#filled();
    }
  }

  #flush(): void {
    const records = this.#unsent;
    this.#unsent = [];
    let first = this.#numbers - records.length + 1;
    for (const portion of portionsOf(records, (record) => record)) {
      this.#link.send(encodeUp({ kind: "append", first, records: portion }));
      first += portion.length;
    }
  }

  #settle(number: number, outcome: StreamPosition | AppendFault): void {
    const waiting = this.#waiting.get(number);
    if (waiting === undefined) return;
    this.#waiting.delete(number);
    this.#waitingBytes -= waiting.bytes;
    if (outcome === "unavailable" && waiting.isMember) this.#isMemberLost = true;
    waiting.done(outcome);
  }

  /** Once the log takes records again: the worker tells its members anew. */
  #tellAnew(): void {
    if (!this.#isMemberLost || this.#waitingBytes > this.#options.queueBytesMax / 2) return;
    this.#isMemberLost = false;
    this.append({ kind: "roll_call", node: this.incarnation }, (outcome) => {
      if (outcome === "unavailable") this.#isMemberLost = true;
    });
  }
}

/** `items` in their order, as many at a time as go in one message: one at least. */
export function* portionsOf<T>(items: readonly T[], recordOf: (item: T) => LogRecord): Generator<readonly T[]> {
  for (let from = 0; from < items.length; ) {
    let bytes = 0;
    let to = from;
    for (; to < items.length && (to === from || bytes < messageBytesMax); to += 1)
      bytes += sizeOf(recordOf(items[to]!));
    yield items.slice(from, to);
    from = to;
  }
}

/** About what it takes in memory and on the link. */
function sizeOf(record: LogRecord): number {
  if (record.kind === "publication") return record.head.length + recordOverheadBytes;
  return 2 * recordOverheadBytes + ("body" in record ? record.body.length : 0);
}
