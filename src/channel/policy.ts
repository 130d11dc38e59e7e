/**
 * The rules of each channel, from the patterns of the configuration.
 *
 * Policies cascade: all patterns that match a channel are merged from the least to the most specific, so a pattern that
 * names only `history` keeps the protection of the wider pattern above it.
 */
import type { Identity } from "../auth/identity.ts";
import { TokenBuckets } from "../limit/token-buckets.ts";
import { compareSpecificity, matches } from "../protocol/names.ts";
import type { Authorize, PolicyOptions } from "./policy-options.ts";

/** A rule of `subscribe` or `publish`; see `PolicyOptions`. */
export type Rule = string;

export interface Policy {
  readonly subscribe: readonly Rule[];
  readonly publish: readonly Rule[];
  readonly history: { readonly size: number; readonly seconds: number };
  readonly presence: boolean;
  readonly echo: boolean;
  /** A backend that must agree as well; its `url` "" for none. */
  readonly authorize: Authorize;
  /** Per connection, for all channels of the pattern that set the rate; `undefined`: no limit of its own. */
  readonly rate: TokenBuckets | undefined;
  /** The matching patterns with a `{user}` word, for the rule `owner`. */
  readonly ownerPatterns: readonly string[];
}

/** What holds where no pattern says otherwise: a channel that none matches is closed. */
const builtIn: Required<PolicyOptions> = {
  subscribe: ["nobody"],
  publish: ["nobody"],
  history: { size: 0, seconds: 0 },
  presence: false,
  rate: 0,
  echo: true,
  authorize: { url: "", on: [], timeoutMs: 0, whenDown: "refuse" },
};

/** Names seen lately keep their resolved policy; a full cache is emptied, which costs a second look at each name. */
const cachedNamesMax = 2000;

export class Policies {
  readonly #patterns: readonly SortedPattern[];
  readonly #rates = new Map<string, TokenBuckets>();
  readonly #byPatterns = new Map<string, Policy>();
  readonly #byChannel = new Map<string, Policy>();

  /** `capacity`: the number of slots to begin with, see `grow`. */
  constructor(options: Readonly<Record<string, PolicyOptions>>, capacity: number) {
    this.#patterns = sortedPatterns(options);
    for (const { pattern, options: policy } of this.#patterns) {
      if (policy.rate) this.#rates.set(pattern, new TokenBuckets(policy.rate, policy.rate / 60_000, capacity));
    }
  }

  /** The policy of `channel`. Hot path: one look-up for a name seen lately. */
  of(channel: string): Policy {
    const cached = this.#byChannel.get(channel);
    if (cached !== undefined) return cached;
    if (this.#byChannel.size >= cachedNamesMax) this.#byChannel.clear();
    const policy = this.#resolve(channel);
    this.#byChannel.set(channel, policy);
    return policy;
  }

  /** Fills the rate buckets of a slot for its new owner. */
  reset(slot: number): void {
    for (const buckets of this.#rates.values()) buckets.reset(slot);
  }

  grow(capacity: number): void {
    for (const buckets of this.#rates.values()) buckets.grow(capacity);
  }

  #resolve(channel: string): Policy {
    const matching = this.#patterns.filter(({ selects }) => matches(selects, channel));
    const key = matching.map(({ pattern }) => pattern).join(" ");
    const known = this.#byPatterns.get(key);
    if (known !== undefined) return known;
    const merged: Required<PolicyOptions> = { ...builtIn };
    let rate: TokenBuckets | undefined;
    for (const { pattern, options } of matching) {
      for (const [field, value] of Object.entries(options))
        if (value !== undefined) Object.assign(merged, { [field]: value });
      if (options.rate !== undefined) rate = this.#rates.get(pattern);
    }
    const policy = {
      ...(merged as Required<{ [K in keyof PolicyOptions]: NonNullable<PolicyOptions[K]> }>),
      rate,
      ownerPatterns: matching.map(({ pattern }) => pattern).filter((pattern) => pattern.includes("{user}")),
    };
    this.#byPatterns.set(key, policy);
    return policy;
  }
}

/** A pattern with its options, and the pattern without `{user}` by which it selects channels. */
export interface SortedPattern {
  readonly pattern: string;
  readonly selects: string;
  readonly options: PolicyOptions;
}

/** From the least to the most specific. */
export function sortedPatterns(options: Readonly<Record<string, PolicyOptions>>): readonly SortedPattern[] {
  return Object.entries(options)
    .map(([pattern, policy]) => ({ pattern, selects: pattern.replaceAll("{user}", "*"), options: policy }))
    .sort((a, b) => compareSpecificity(a.pattern, b.pattern));
}

/** What a rule is asked about. */
export interface Request {
  readonly channel: string;
  readonly identity: Identity | undefined;
  /** The claim or subscribe token that may grant it: patterns. */
  readonly granted: readonly string[];
  readonly isSubscriber: boolean;
}

/** Why a request is not allowed by `rules`, as an error code; `undefined` where it is. */
export function refuse(
  rules: readonly Rule[],
  policy: Pick<Policy, "ownerPatterns">,
  request: Request,
): "forbidden" | "unauthenticated" | "not_subscribed" | undefined {
  for (const rule of rules) if (holds(rule, policy, request)) return undefined;
  if (rules.includes("subscriber")) return "not_subscribed";
  return request.identity === undefined && !rules.includes("nobody") ? "unauthenticated" : "forbidden";
}

/** Whether one rule holds by itself. */
export function holds(
  rule: Rule,
  policy: Pick<Policy, "ownerPatterns">,
  { channel, identity, granted, isSubscriber }: Request,
): boolean {
  switch (rule) {
    case "anyone":
      return true;
    case "subscriber":
      return isSubscriber;
    case "authenticated":
      return identity !== undefined;
    case "granted":
      return granted.some((pattern) => matches(pattern, channel, identity?.userId));
    case "owner":
      return identity !== undefined && policy.ownerPatterns.some((p) => matches(p, channel, identity.userId));
    case "nobody":
      return false;
    default:
      return rule === `role:${identity?.role}` && identity !== undefined;
  }
}
