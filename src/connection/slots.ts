/**
 * Slot numbers for connections: dense, reused, and the index of every typed array that is touched per message.
 *
 * A slot has a generation that changes with each owner, so that nothing late ever reaches the next one. Slots start at
 * 1; fresh ones are handed out before used ones, so that ids on a young node that is alone are 1, 2, 3. Among other nodes
 * generations begin anywhere, so that ids of a node before it, with its number, do not come again.
 */
import { grown } from "../limit/grown.ts";

export class Slots {
  #capacity: number;
  #fresh = 1; // the lowest slot never handed out; fresh <= capacity
  #free: number[] = [];
  #generations: Uint32Array; // [slot] owners so far, wrapping at `generationsMax`
  readonly #firstGeneration: number;
  readonly #growing: ((capacity: number) => void)[] = [];

  constructor(capacity = 1024, firstGeneration = 0) {
    this.#capacity = capacity;
    this.#firstGeneration = firstGeneration;
    this.#generations = new Uint32Array(capacity);
  }

  /** Slots are below this; arrays indexed by slot have at least this length. */
  get capacity(): number {
    return this.#capacity;
  }

  /** Registers an array's owner: called with the new capacity before a slot beyond the old one is handed out. */
  onGrow(grow: (capacity: number) => void): void {
    this.#growing.push(grow);
  }

  /** Hands out a slot. Doubles the capacity where none is left. Throws at `slotsMax`. */
  take(): number {
    if (this.#fresh === this.#capacity) {
      const used = this.#free.pop();
      if (used !== undefined) return used;
      this.#grow();
    }
    this.#fresh += 1;
    return this.#fresh - 1;
  }

  /** Takes a slot back; its generation moves on at once. */
  release(slot: number): void {
    this.#generations[slot] = (this.#generations[slot]! + 1) % generationsMax;
    this.#free.push(slot);
  }

  generation(slot: number): number {
    return (this.#firstGeneration + this.#generations[slot]!) % generationsMax;
  }

  #grow(): void {
    if (this.#capacity >= slotsMax) throw new Error(`cannot open connection: a process holds at most ${slotsMax - 1}`);
    this.#capacity *= 2;
    this.#generations = grown(this.#generations, this.#capacity);
    for (const grow of this.#growing) grow(this.#capacity);
  }
}

/** 21 bits of slot + 21 bits of generation + 11 bits of node (`nodesMax`) = 53 bits, the integers that JSON numbers hold exactly. */
export const slotsMax = 2 ** 21;
export const generationsMax = 2 ** 21;

/** The id shown to people: unique in the cluster, and until a slot has had 2,097,152 owners. */
export function connectionId(node: number, generation: number, slot: number): number {
  return (node * generationsMax + generation) * slotsMax + slot;
}

/** The slot within a connection id. */
export const slotOf = (id: number): number => id % slotsMax;
