/** The span of one run. */
import type { Lifetime } from "../support/child.ts";

/** Ends in reverse order what was begun in a run: clients before nodes, nodes before Redis. */
export class Life implements Lifetime {
  readonly #ends: (() => unknown)[] = [];

  after(end: () => unknown): void {
    this.#ends.push(end);
  }

  async end(): Promise<void> {
    for (const end of this.#ends.splice(0).reverse()) await end();
  }
}
