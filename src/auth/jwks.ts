/**
 * The keys that an issuer publishes at a URL (RFC 7517, section 5), fetched by us and kept.
 *
 * The server is asked on our terms alone: the URL comes from the configuration and never from a token, one fetch runs at
 * a time, tokens can cause at most one in `cooldownMs`, and a fetch is bounded in time and bytes. While the server is
 * down or talks nonsense the last good keys stay in use; a good answer replaces them all, so a key that is taken off the
 * list is no longer accepted.
 */
import type { Clock } from "../clock/clock.ts";
import type { AuthLog } from "./auth-log.ts";
import { AuthSetupError } from "./auth-setup-error.ts";
import { readJwk } from "./jwk.ts";
import { type TokenRules, VerificationKey } from "./verification-key.ts";

export interface JwksTimes {
  /** A whole fetch, body included. */
  readonly timeoutMs: number;
  /** Between two fetches that nobody asked for; up to a fifth more, so that nodes do not ask in step. */
  readonly refreshMs: number;
  /** Between two fetches where the first failed, or the second is for a token with an unknown key. */
  readonly cooldownMs: number;
}

export const jwksTimes: JwksTimes = { timeoutMs: 3_000, refreshMs: 600_000, cooldownMs: 30_000 };

/** Issuers publish two to ten keys of 0.4 to 2 kB (with certificates). */
const documentBytesMax = 262_144;

/** A token without `kid` is tried with every key of its algorithm: 100 RS256 keys are 3 ms for a forged one. */
const keysMax = 100;

type State = "ok" | "failing" | "empty";

export class Jwks {
  readonly #url: URL;
  readonly #rules: TokenRules;
  readonly #log: AuthLog;
  readonly #clock: Clock;
  readonly #times: JwksTimes;
  #keys: ReadonlyMap<string, VerificationKey> = new Map(); // by all that makes the key
  #state: State = "ok";
  #attemptedMs = Number.NEGATIVE_INFINITY; // monotonic, start of the last fetch
  #fetching: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;

  /** Fetches nothing before the first `refresh()`. Throws `AuthSetupError` for a `url` that cannot be fetched. */
  constructor(url: string, rules: TokenRules, log: AuthLog, clock: Clock, times: JwksTimes) {
    this.#url = parseUrl(url);
    this.#rules = rules;
    this.#log = log;
    this.#clock = clock;
    this.#times = times;
  }

  /** The keys of the last good answer. */
  keys(): Iterable<VerificationKey> {
    return this.#keys.values();
  }

  /** True while the last fetch brought no key set. */
  get isFailing(): boolean {
    return this.#state === "failing";
  }

  /**
   * Fetches the keys anew, or joins the fetch under way; `undefined` where the last one is too recent. The promise ends
   * within `timeoutMs` and never rejects.
   */
  refresh(): Promise<void> | undefined {
    if (this.#fetching !== undefined) return this.#fetching;
    if (this.#isStopped || this.#clock.nowMs() - this.#attemptedMs < this.#times.cooldownMs) return undefined;
    return this.#start();
  }

  /** Ends all fetching; the keys at hand stay usable. */
  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  #start(): Promise<void> {
    clearTimeout(this.#timer);
    this.#attemptedMs = this.#clock.nowMs();
    this.#fetching ??= this.#load().finally(() => {
      this.#fetching = undefined;
      if (this.#isStopped) return;
      const delayMs = this.isFailing ? this.#times.cooldownMs : this.#times.refreshMs;
      this.#timer = setTimeout(() => void this.#start(), delayMs * (1 + Math.random() / 5)).unref();
    });
    return this.#fetching;
  }

  async #load(): Promise<void> {
    try {
      const document = await fetchJson(this.#url, AbortSignal.timeout(this.#times.timeoutMs));
      if (this.#isStopped) return;
      this.#keys = this.#adopt(listedKeys(document));
      this.#enter(this.#keys.size > 0 ? "ok" : "empty", undefined);
    } catch (error) {
      if (!this.#isStopped) this.#enter("failing", error);
    }
  }

  /** The usable ones among `list`. A key that was there before keeps its object, and with it the tokens it remembers. */
  #adopt(list: readonly unknown[]): ReadonlyMap<string, VerificationKey> {
    const keys = new Map<string, VerificationKey>();
    for (const jwk of list) {
      const material = readJwk(jwk);
      if (material === undefined) continue;
      const name = JSON.stringify([material.kid ?? null, material.algorithm, material.key]);
      keys.set(name, this.#keys.get(name) ?? new VerificationKey(material, this.#rules));
      if (keys.size > keysMax) throw new Error(`more than ${keysMax} keys`);
    }
    return keys;
  }

  #enter(state: State, error: unknown): void {
    if (state === this.#state) return;
    this.#state = state;
    const url = this.#url.origin + this.#url.pathname; // a query may hold a secret
    const fields = { url, keys: this.#keys.size };
    if (state === "failing") this.#log.warn({ ...fields, reason: reasonOf(error) }, "cannot fetch the key set");
    else if (state === "empty") this.#log.warn(fields, "the key set holds no usable key");
    else this.#log.warn(fields, "the key set is back");
  }
}

function parseUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isFetchable = url?.protocol === "https:" || url?.protocol === "http:";
  if (url !== undefined && isFetchable && url.username === "" && url.password === "") return url;
  const got = url === undefined ? "no URL" : isFetchable ? "one with credentials" : url.protocol;
  throw new AuthSetupError(
    "jwks_url",
    `cannot fetch keys: auth.jwksUrl must be an http or https URL without credentials, got ${got}`,
  );
}

/** Throws whatever went wrong: the network, the time, the status, the size, the text. */
async function fetchJson(url: URL, signal: AbortSignal): Promise<unknown> {
  const response = await fetch(url, { signal, redirect: "error", headers: { accept: "application/json" } });
  if (!response.ok) {
    await response.body?.cancel();
    throw new Error(`status ${response.status}`);
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length; // after decompression: a small answer cannot unfold into a large one
    if (size > documentBytesMax) throw new Error(`more than ${documentBytesMax} bytes`);
    chunks.push(chunk);
  }
  return JSON.parse(Buffer.concat(chunks).toString());
}

function listedKeys(document: unknown): readonly unknown[] {
  const keys = typeof document === "object" && document !== null && "keys" in document ? document.keys : undefined;
  if (!Array.isArray(keys)) throw new Error("no array of keys");
  return keys;
}

/** What went wrong, without the document's text: JSON.parse quotes it. */
function reasonOf(error: unknown): string {
  if (error instanceof SyntaxError) return "no JSON";
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? error.cause : undefined;
  return cause === undefined ? error.message : `${error.message}: ${cause.message}`;
}
