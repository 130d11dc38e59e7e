/**
 * A list that is searched: pages of the server API are walked until enough of what matches has been found.
 *
 * The rule: only the newest search counts, and it says where it did not see everything.
 */
import { ApiError, call, type PageOf } from "./api.ts";
import { setNote } from "./dom.ts";
import type { Table } from "./table.ts";

export interface ListingOptions<T> {
  /** The call, and its arguments for a search. */
  readonly name: "channels" | "connections";
  /** What may be asked of the gateway itself for a search: each is one call. The last one is walked through. */
  queries(search: string): readonly object[];
  /** Whether the item is one that was searched for. */
  matches(item: T, search: string): boolean;
  keyOf(item: T): string;
  readonly table: Table<T>;
  readonly input: HTMLInputElement;
  readonly note: HTMLElement;
  /** Shown where there is nothing at all. */
  readonly nothing: string;
}

const shownMax = 200;
const pageSize = 1000;
const pagesMax = 20;

export class Listing<T> {
  readonly #options: ListingOptions<T>;
  #searches = 0;

  constructor(options: ListingOptions<T>) {
    this.#options = options;
  }

  /** Asks anew, for what stands in the input. Never rejects. */
  async refresh(): Promise<void> {
    this.#searches += 1;
    const search = this.#searches;
    const { table, note, input, nothing } = this.#options;
    const text = input.value.trim();
    try {
      const { found, isComplete, isPartial } = await this.#find(text, () => search === this.#searches);
      if (search !== this.#searches) return;
      table.show(found);
      const notes: string[] = [];
      if (found.length === 0) notes.push(text === "" ? nothing : "Nothing matches.");
      if (!isComplete) notes.push(`The first ${found.length}; search for more.`);
      if (isPartial) notes.push("A process did not answer: what it has is missing.");
      setNote(note, notes.join(" "));
    } catch (error) {
      if (search === this.#searches && error instanceof ApiError) setNote(note, error.message);
    }
  }

  async #find(text: string, isWanted: () => boolean) {
    const { name, queries, matches, keyOf } = this.#options;
    const found = new Map<string, T>();
    let isPartial = false;
    let isComplete = true;
    for (const query of queries(text)) {
      let cursor: string | undefined;
      for (let pages = 0; pages < pagesMax && isWanted(); pages += 1) {
        const page: PageOf<T> = await call(name, { ...query, limit: pageSize, ...(cursor && { cursor }) });
        isPartial ||= page.isPartial === true;
        for (const item of page.items) if (matches(item, text)) found.set(keyOf(item), item);
        cursor = page.next;
        if (cursor === undefined || found.size >= shownMax) break;
      }
      isComplete &&= cursor === undefined;
    }
    const all = [...found.values()];
    return { found: all.slice(0, shownMax), isComplete: isComplete && all.length <= shownMax, isPartial };
  }
}
