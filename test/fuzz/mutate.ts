/** Small, seeded damage: to the bytes of a frame, or to the values in it before it is written. */

/** Numbers from 0 up to 1, the same for the same seed. Source: Tommy Ettinger, mulberry32. */
export function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export class Dice {
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = mulberry32(seed);
  }

  /** A whole number below `count`. */
  below(count: number): number {
    return Math.floor(this.#random() * count);
  }

  of<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }
}

/** `bytes` with one to four faults: bits, bytes, cuts, repeats, and pieces that mean something to the decoder. */
export function damaged(bytes: Buffer, pieces: readonly Buffer[], dice: Dice): Buffer {
  let result = Buffer.from(bytes);
  for (let faults = 1 + dice.below(4); faults > 0; faults -= 1) {
    const at = dice.below(result.length + 1);
    const to = Math.min(result.length, at + dice.below(12));
    const [before, cut, after] = [result.subarray(0, at), result.subarray(at, to), result.subarray(to)];
    switch (dice.below(8)) {
      case 0:
        if (at < result.length) result[at]! ^= 1 << dice.below(8);
        break;
      case 1:
        if (at < result.length) result[at] = dice.below(256);
        break;
      case 2:
        result = Buffer.concat([before, after]);
        break;
      case 3:
        result = Buffer.concat([before, cut, cut, after]);
        break;
      case 4:
        result =
          dice.below(2) === 0
            ? Buffer.from(before)
            : Buffer.concat([before, Buffer.from([dice.below(256)]), cut, after]);
        break;
      default:
        result = Buffer.concat([before, dice.of(pieces), dice.below(2) === 0 ? after : Buffer.concat([cut, after])]);
    }
  }
  return result;
}

/** A copy of `value` with one to three of its parts replaced, left out or added. */
export function altered(value: unknown, pool: readonly unknown[], keys: readonly string[], dice: Dice): unknown {
  let result = structuredClone(value);
  for (let changes = 1 + dice.below(3); changes > 0; changes -= 1) result = alteredOnce(result, pool, keys, dice);
  return result;
}

function alteredOnce(value: unknown, pool: readonly unknown[], keys: readonly string[], dice: Dice): unknown {
  if (!isHolder(value) || dice.below(12) === 0) {
    const chosen = dice.of(pool);
    return isHolder(chosen) ? structuredClone(chosen) : chosen; // the pool stays as it is
  }
  const own = Object.keys(value);
  const key =
    own.length > 0 && dice.below(5) > 0 ? dice.of(own) : Array.isArray(value) ? String(value.length) : dice.of(keys);
  if (dice.below(8) === 0 && !Array.isArray(value)) delete value[key];
  else {
    const next = alteredOnce(value[key], pool, keys, dice);
    Object.defineProperty(value, key, { value: next, enumerable: true, configurable: true, writable: true });
  }
  return value;
}

const isHolder = (value: unknown): value is Record<string, unknown> =>
  Array.isArray(value) ||
  (typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype);
