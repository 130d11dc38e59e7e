/**
 * What a process knows of a log that another process holds: for each shard its epoch, its tail, and which positions have
 * been applied. A worker answers `tail`, `knownFrom` and `knows` from it without asking; the hub keeps one to fill the
 * next worker's.
 *
 * The rule: an epoch ends all knowledge. What is known belongs to the present epoch of its shard.
 */
import type { StreamPosition } from "../protocol/messages.ts";
import { shardOf } from "./shard-of.ts";
import { KnownOffsets } from "./worker-offsets.ts";

/** Where a shard stands. */
export interface Standing {
  readonly epoch: string;
  /** Offset of the last position applied. */
  readonly tail: string;
  /** Every record behind this offset has been applied. */
  readonly knownFrom: string;
}

interface ShardView {
  standing: Standing;
  tail: string;
  readonly offsets: KnownOffsets;
  readonly floors: Map<string, string>; // by channel, see `setFloor`
}

const nowhere: Standing = { epoch: "", tail: "", knownFrom: "" };

export class LogView {
  readonly #shards: readonly ShardView[];

  /** `runsMax`: how many runs of offsets are remembered for each of `shards`. */
  constructor(shards: number, runsMax: number) {
    this.#shards = Array.from({ length: shards }, () => ({
      standing: nowhere,
      tail: "",
      offsets: new KnownOffsets(runsMax),
      floors: new Map(),
    }));
  }

  /** A shard stands at `standing`, and nothing else is known of it. */
  enter(shard: number, standing: Standing): void {
    const view = this.#shards[shard]!;
    view.standing = standing;
    view.tail = standing.tail;
    view.offsets.clear();
    view.floors.clear();
  }

  /** A position behind the tail has been applied. One of another epoch ends the present one. Hot path. */
  applied(shard: number, { offset, epoch }: StreamPosition): void {
    const view = this.#shards[shard]!;
    if (view.standing.epoch !== epoch) this.enter(shard, { epoch, tail: offset, knownFrom: offset });
    view.tail = offset;
    view.offsets.add(offset);
  }

  /** Of this one channel everything behind `floor` was applied, which may lie before or behind the shard's `knownFrom`. */
  setFloor(channel: string, floor: string): void {
    this.#shards[this.shardOf(channel)]!.floors.set(channel, floor);
  }

  offsets(shard: number): KnownOffsets {
    return this.#shards[shard]!.offsets;
  }

  shardOf(channel: string): number {
    return shardOf(channel, this.#shards.length);
  }

  tail(channel: string): StreamPosition {
    const { tail, standing } = this.#shards[this.shardOf(channel)]!;
    return { offset: tail, epoch: standing.epoch };
  }

  knownFrom(channel: string): string {
    const { floors, standing } = this.#shards[this.shardOf(channel)]!;
    return floors.get(channel) ?? standing.knownFrom;
  }

  knows(channel: string, offset: string): boolean {
    const { offsets, floors, standing } = this.#shards[this.shardOf(channel)]!;
    return offset === standing.knownFrom || offset === floors.get(channel) || offsets.has(offset);
  }
}
