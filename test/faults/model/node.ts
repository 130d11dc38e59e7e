/**
 * A model of one node: how it writes into the log, reads it, and answers clients, as `src/bus` and `src/channel` do. What
 * proves a recovery is the real thing: `History`, `Idempotency` and `EntryIndex`.
 */
import { EntryIndex } from "../../../src/bus/entry-index.ts";
import { offsetOf, offsetPrefix } from "../../../src/bus/stream-offset.ts";
import { History } from "../../../src/channel/history.ts";
import { Idempotency } from "../../../src/channel/idempotency.ts";
import type { Policy } from "../../../src/channel/policy.ts";
import type { StreamPosition } from "../../../src/protocol/messages.ts";
import type { ModelClient } from "./client.ts";
import { beginning, compareIds, type ModelEntry, type ModelRecord } from "./redis.ts";
import type { Surroundings } from "./surroundings.ts";
import { type Fate, ModelWriter } from "./writer.ts";

interface Pending {
  readonly text: string;
  readonly position: StreamPosition;
}

const channel = "chat";
const entriesAtOnce = 5;
const readsBetweenChecks = 4;
const policy = { history: { size: 12, seconds: 1e6 } } as Policy;
const clock = { nowMs: () => 0, unixSeconds: () => 0, now: () => 0 };

export class ModelNode {
  readonly incarnation: string;
  readonly clients = new Set<ModelClient>();
  readonly holds = new Set<string>(); // texts of the records that it has written, or applied
  isCut = false; // no way to Redis
  readonly #around: Surroundings;
  readonly #history: History;
  readonly #idempotency: Idempotency;
  readonly #index = new EntryIndex(2048);
  #epoch = "";
  #tail: string;
  #knownFrom: string;
  #pending: Pending[] = [];
  readonly #writer: ModelWriter;
  readonly #sequences = new Map<string, number>();
  #cursor = beginning;
  #cursorEntry: ModelEntry | undefined;
  #isPresent = false;
  #hasBegun = false;
  #gapEpoch: string | undefined;
  #metSinceBreak: Set<string> | undefined;
  #readsToCheck = 0;

  /** Reads the past. */
  constructor(incarnation: string, around: Surroundings) {
    this.incarnation = incarnation;
    this.#around = around;
    this.#idempotency = new Idempotency({ seconds: 1e6, keysMax: 1e6 }, around.isDurable);
    this.#writer = new ModelWriter(incarnation, around, { epoch: () => this.#epoch, holds: this.holds });
    this.#tail = around.startOffset();
    this.#knownFrom = this.#tail;
    const log = {
      tail: () => ({ offset: this.#tail, epoch: this.#epoch }),
      knownFrom: () => this.#knownFrom,
      knows: (_: string, offset: string) =>
        around.without === "exact offsets" || offset === this.#knownFrom || this.#index.has(offset),
    };
    this.#history = new History({ bytesMax: 1e9, channelBytesMax: 1e9 }, log, clock);
    while (!this.#isPresent) this.read();
    around.redis.epoch ??= around.newEpoch("");
    if (this.#epoch === "") this.#epoch = around.redis.epoch;
  }

  publish(record: ModelRecord, done: (position: StreamPosition) => void): void {
    const before = this.#keyed(record, "answer");
    if (before !== undefined) return done(before);
    this.#writer.append(record, (position) => done(this.#keyed(record) ?? position));
  }

  /** One attempt to write what waits. */
  write(fate: Fate): void {
    this.#writer.write(this.isCut ? "request lost" : fate);
  }

  probe(): void {
    this.#writer.probe();
  }

  /** It is not done with its entry of this sequence. */
  isWriting(sequence: number): boolean {
    return this.#writer.isWriting(sequence);
  }

  /** Its connections are other ones now: what was true of the server may not be. */
  reconnected(): void {
    this.#readsToCheck = 0;
    this.#writer.reconnected();
  }

  read(): void {
    if (this.isCut) return;
    const { redis } = this.#around;
    if (this.#readsToCheck === 0) {
      this.#readsToCheck = readsBetweenChecks;
      this.#checkCursor();
    }
    this.#readsToCheck -= 1;
    const entries = redis.after(this.#cursor, entriesAtOnce);
    for (const entry of entries) this.#take(entry);
    if (this.#isPresent || entries.length === entriesAtOnce) return;
    this.#isPresent = true;
    this.#metSinceBreak = undefined;
    this.#caughtUp();
  }

  /** Hands on what was collected. */
  flush(): void {
    for (const { text, position } of this.#pending.splice(0)) {
      this.#history.push(channel, policy, position, text);
      for (const client of this.clients) client.send({ kind: "message", text, position, isReplayed: false });
    }
  }

  subscribe(client: ModelClient, since: StreamPosition | undefined): void {
    if (this.#around.without !== "flush before subscribing") this.flush();
    this.clients.add(client);
    const missed = since && this.#since(since);
    client.send({
      kind: "subscribed",
      position: this.#history.position(channel),
      recovered: since && missed !== undefined,
    });
    for (const { offset, body } of missed ?? [])
      client.send({ kind: "message", text: body, position: { offset, epoch: this.#epoch }, isReplayed: true });
  }

  /** The client has read further than this node. */
  isBehind(since: StreamPosition | undefined): boolean {
    return since !== undefined && since.epoch === this.#epoch && since.offset > this.#tail;
  }

  #since(since: StreamPosition): readonly { readonly offset: string; readonly body: string }[] | undefined {
    if (this.#around.without !== "floors") return this.#history.since(channel, since);
    if (since.epoch !== this.#epoch || !this.#index.has(since.offset)) return undefined;
    return this.#history.latest(channel, 1e6).filter(({ offset }) => offset > since.offset);
  }

  #keyed({ key }: ModelRecord, ask: "find" | "answer" = "find"): StreamPosition | undefined {
    if (key === undefined || this.#around.without === "keys") return undefined;
    return this.#idempotency[ask]({ channel, userId: undefined, key, acceptedAtMs: 0 });
  }

  #checkCursor(): void {
    const { redis, without } = this.#around;
    if (compareIds(this.#cursor, beginning) === 0 || without === "look at the cursor") return;
    const found = redis.at(this.#cursor);
    if (found !== undefined && found === this.#cursorEntry) return;
    if (found === undefined && compareIds(redis.lastId, this.#cursor) === 0) return;
    this.#cursor = beginning;
    this.#cursorEntry = undefined;
    this.#broken(false);
  }

  #take(entry: ModelEntry): void {
    const { without } = this.#around;
    const { writer, sequence } = entry;
    this.#cursor = entry.id;
    this.#cursorEntry = entry;
    const last = this.#sequences.get(writer) ?? (this.#isPresent ? 0 : sequence - 1);
    if (sequence <= last && without !== "sequences against doubles") return this.#hearOf(entry.epoch);
    const isCovered = this.#metSinceBreak?.has(writer) === false;
    if (sequence > last + 1 && !isCovered && without !== "sequences against gaps") this.#broken(true);
    this.#metSinceBreak?.add(writer);
    this.#sequences.set(writer, sequence);
    this.#apply(entry);
  }

  #apply({ id, epoch, writer, sequence, records }: ModelEntry): void {
    if (this.#epoch === "") this.#epoch = epoch;
    else this.#hearOf(epoch);
    const prefix = offsetPrefix(id);
    this.#index.add(id, Math.max(1, records.length));
    this.#tail = offsetOf(prefix, 0);
    for (const [index, record] of records.entries()) {
      this.#tail = offsetOf(prefix, index);
      const position = { offset: this.#tail, epoch: this.#epoch };
      this.holds.add(record.text);
      if (this.#keyed(record) !== undefined) continue;
      if (record.key !== undefined)
        this.#idempotency.add({ channel, userId: undefined, key: record.key, acceptedAtMs: 0 }, position);
      this.#pending.push({ text: record.text, position });
    }
    if (writer === this.incarnation) this.#writer.seen(sequence, id);
  }

  #hearOf(epoch: string): void {
    if (epoch > this.#epoch && this.#around.without !== "epochs of others") this.#enter(epoch);
  }

  #caughtUp(): void {
    const gapEpoch = this.#gapEpoch;
    this.#gapEpoch = undefined;
    this.#hasBegun = true;
    if (gapEpoch === undefined || gapEpoch !== this.#epoch || this.#around.without === "gaps in the past") return;
    this.#enter(this.#around.newEpoch(this.#epoch));
  }

  /** Of a gap that it meets in the past before its start others have told, further on in the log, if they lived to. */
  #broken(isGap: boolean): void {
    const { without } = this.#around;
    const mayBeTold = without === "breaks while reading up" ? !this.#isPresent : isGap && !this.#hasBegun;
    if (this.#isPresent) this.#metSinceBreak = new Set();
    this.#isPresent = false;
    if (mayBeTold) this.#gapEpoch = this.#epoch;
    else if (without !== "a new epoch") this.#enter(this.#around.newEpoch(this.#epoch));
    this.probe();
  }

  #enter(epoch: string): void {
    this.#epoch = epoch;
    this.#index.clear();
    this.#tail = this.#around.startOffset();
    this.#knownFrom = this.#tail;
  }
}
