/** The token of the moment: a text, or what a function gives, kept until it is known to be of no more use. */

/** A text, or a function that is asked for one: at first, and again when it expires or is not accepted. */
export type TokenSource = string | (() => string | undefined | Promise<string | undefined>);

export class Tokens {
  #source: TokenSource | undefined;
  #kept: Promise<string | undefined> | undefined;

  constructor(source: TokenSource | undefined) {
    this.#source = source;
  }

  get canRefresh(): boolean {
    return typeof this.#source === "function";
  }

  replace(source: TokenSource): void {
    this.#source = source;
    this.forget();
  }

  /** The kept one was not accepted, or ends. */
  forget(): void {
    this.#kept = undefined;
  }

  /** Rejects where the function does. */
  get(): Promise<string | undefined> {
    const source = this.#source;
    this.#kept ??= (async () => (typeof source === "function" ? source() : source))();
    return this.#kept;
  }
}
