/** Open connections by client address, bounded per address. */
export class AddressCounts {
  readonly #max: number;
  readonly #counts = new Map<string, number>();

  /** `max` 0: no limit, and nothing is counted. */
  constructor(max: number) {
    this.#max = max;
  }

  /** Counts one more; false, and not counted, where the address has as many as it may. */
  take(address: string): boolean {
    if (this.#max === 0) return true;
    const count = this.#counts.get(address) ?? 0;
    if (count >= this.#max) return false;
    this.#counts.set(address, count + 1);
    return true;
  }

  release(address: string): void {
    if (this.#max === 0) return;
    const count = (this.#counts.get(address) ?? 0) - 1;
    if (count > 0) this.#counts.set(address, count);
    else this.#counts.delete(address);
  }
}
