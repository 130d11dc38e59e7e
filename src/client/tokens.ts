/** The token of the moment: a text, or what a function gives, kept until it is known to be of no more use. */
import { TidegateError } from "./errors.ts";

/** A text, or a function that is asked for one: at first, and again when it expires or is not accepted. */
export type TokenSource = string | (() => string | undefined | Promise<string | undefined>);

export class Tokens {
  #source: TokenSource | undefined;
  readonly #failed: (error: TidegateError) => void;
  #kept: Promise<string | undefined> | undefined;

  /** `failed` is told whenever the function fails. */
  constructor(source: TokenSource | undefined, failed: (error: TidegateError) => void) {
    this.#source = source;
    this.#failed = failed;
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

  /** Rejects with a `TidegateError` where the function fails. */
  get(): Promise<string | undefined> {
    const source = this.#source;
    this.#kept ??= Promise.resolve()
      .then(() => (typeof source === "function" ? source() : source))
      .catch((cause) => {
        this.forget();
        const error = new TidegateError("token", "cannot get a token", { cause });
        this.#failed(error);
        throw error;
      });
    return this.#kept;
  }
}
