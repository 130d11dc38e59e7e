/** Pages over what several processes have, in the order of a key. */

/** What one process has behind the cursor, in the order of the key: not all of it, where there is `more`. */
export interface Part<T> {
  readonly items: readonly T[];
  readonly more: boolean;
}

/**
 * One page of at most `limit` items; those of one key are put together by `join`. A part that ends early says nothing of
 * keys behind its last one, so the page ends there as well. `next`: the key of its last item, where more follows.
 */
export function mergedPage<T, K extends string | number>(
  parts: readonly Part<T>[],
  limit: number,
  keyOf: (item: T) => K,
  join: (a: T, b: T) => T,
): { readonly items: readonly T[]; readonly next: K | undefined } {
  const ends = parts.filter(({ items, more }) => more && items.length > 0).map(({ items }) => keyOf(items.at(-1)!));
  const byKey = new Map<K, T>();
  for (const item of parts.flatMap(({ items }) => items)) {
    const key = keyOf(item);
    if (ends.some((end) => key > end)) continue;
    const known = byKey.get(key);
    byKey.set(key, known === undefined ? item : join(known, item));
  }
  const keys = [...byKey.keys()].sort(ascending);
  const items = keys.slice(0, limit).map((key) => byKey.get(key)!);
  const isLast = ends.length === 0 && keys.length <= limit;
  return { items, next: isLast ? undefined : keys[items.length - 1] };
}

/** Counts keys, and remembers no more than about the `limit` lowest of those behind `after`. */
export class LowestKeys<K extends string | number> {
  readonly #after: K;
  readonly #limit: number;
  readonly #counts = new Map<K, number>();
  #highest: K | undefined; // keys beyond it do not count any more

  constructor(after: K, limit: number) {
    this.#after = after;
    this.#limit = limit;
  }

  add(key: K): void {
    if (key <= this.#after || (this.#highest !== undefined && key > this.#highest)) return;
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
    if (this.#counts.size > 4 * this.#limit + 1000) this.#cut();
  }

  /** At most `limit` keys, ascending, each with its count. */
  lowest(): readonly (readonly [key: K, count: number])[] {
    return [...this.#counts].sort(([a], [b]) => ascending(a, b)).slice(0, this.#limit);
  }

  #cut(): void {
    const keys = [...this.#counts.keys()].sort(ascending);
    this.#highest = keys[this.#limit - 1]!;
    for (const key of keys.slice(this.#limit)) this.#counts.delete(key);
  }
}

const ascending = <K extends string | number>(a: K, b: K): number => (a < b ? -1 : a > b ? 1 : 0);
