/** Which web pages may connect: the Origin header against the configured origins. */
export class Origins {
  readonly #any: boolean;
  readonly #exact: ReadonlySet<string>;
  readonly #wildcards: readonly { readonly before: string; readonly after: string }[];

  /** `*`, exact origins (`https://example.com`), `null`, and `https://*.example.com` for one host label or more. */
  constructor(origins: readonly string[]) {
    this.#any = origins.includes("*");
    this.#exact = new Set(origins.map((origin) => origin.toLowerCase()));
    this.#wildcards = origins
      .filter((origin) => origin.includes("*."))
      .map((origin) => origin.toLowerCase().split("*"))
      .map(([before = "", after = ""]) => ({ before, after }));
  }

  /** Programs that are no browser send no Origin; they are not what this check is for. */
  allows(origin: string | undefined): boolean {
    if (this.#any || origin === undefined) return true;
    const lower = origin.toLowerCase();
    if (this.#exact.has(lower)) return true;
    return this.#wildcards.some(
      ({ before, after }) =>
        lower.startsWith(before) &&
        lower.endsWith(after) &&
        /^[a-z0-9.-]+$/.test(lower.slice(before.length, -after.length)),
    );
  }
}
