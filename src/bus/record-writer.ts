/** Which streams a record goes into, and what goes elsewhere before. */
import type { StreamPosition } from "../protocol/messages.ts";
import { type AppendFault, isOfMembers, type LogRecord } from "./bus.ts";
import type { CommandStore } from "./command-store.ts";
import type { Shard } from "./shard.ts";
import { shardOf } from "./shard-of.ts";

type Done = (outcome: StreamPosition | AppendFault) => void;

export class RecordWriter {
  readonly #shards: readonly Shard[]; // none before the bus has started
  readonly #commands: CommandStore;
  readonly #memberLost: () => void;

  /** `memberLost`: a record of a member was refused. */
  constructor(shards: readonly Shard[], commands: CommandStore, memberLost: () => void) {
    this.#shards = shards;
    this.#commands = commands;
    this.#memberLost = memberLost;
  }

  /** As `Bus.append`. Hot path. */
  append(record: LogRecord, done: Done): void {
    if (record.kind === "publication") return append(this.#shardOf(record.channel), record, done);
    if (!isOfMembers(record)) {
      const shard = this.#shardOf(record.channel);
      if (record.kind === "answer" || record.keptUntil === 0) return append(shard, record, done);
      this.#commands.add(record).then(
        () => append(shard, record, done),
        () => done("unavailable"),
      );
      return;
    }
    const shards = "channel" in record ? [this.#shardOf(record.channel)] : this.#shardsFor(record.shard);
    let answers = 0;
    for (const shard of shards)
      append(shard, record, (outcome) => {
        if (outcome === "unavailable") this.#memberLost();
        answers += 1;
        if (answers === shards.length) done(outcome);
      });
  }

  #shardsFor(shard: number | undefined): readonly (Shard | undefined)[] {
    return shard === undefined && this.#shards.length > 0 ? this.#shards : [this.#shards[shard ?? 0]];
  }

  #shardOf(channel: string): Shard | undefined {
    return this.#shards[shardOf(channel, this.#shards.length)];
  }
}

function append(shard: Shard | undefined, record: LogRecord, done: Done): void {
  if (shard === undefined) done("unavailable");
  else shard.append(record, done);
}
