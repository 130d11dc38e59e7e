/**
 * Why somebody may, or may not, subscribe or publish to a channel: the same decision as at run time, told step by step.
 *
 * The rule: it decides nothing by itself. Which patterns match, in which order, and whether a rule holds is asked of
 * `policy.ts`; here stands only how to say it.
 */
import type { Identity } from "../auth/identity.ts";
import { shownUrl } from "../callout/callout-options.ts";
import { matches } from "../protocol/names.ts";
import { holds, type Rule, refuse, type SortedPattern, sortedPatterns } from "./policy.ts";
import type { PolicyOptions } from "./policy-options.ts";

export interface ExplainRequest {
  readonly action: "subscribe" | "publish";
  readonly channel: string;
  /** `undefined`: anonymous. */
  readonly identity: Identity | undefined;
  /** Patterns of a subscribe token that comes with the request. */
  readonly lent: readonly string[];
  /** The connection is subscribed to the channel. */
  readonly isSubscriber: boolean;
}

export interface Explanation {
  readonly channel: string;
  readonly action: "subscribe" | "publish";
  /** The patterns that match, from the least to the most specific, with what each says about the action. */
  readonly patterns: readonly ExplainedPattern[];
  /** Whose rules count: the most specific pattern that has some; "built-in" where none has. */
  readonly decidedBy: string;
  readonly rules: readonly ExplainedRule[];
  /** The backend that would be asked next; absent where the rules refuse, or none is named. */
  readonly callout?: ExplainedCallout;
  /** `ask`: as the backend answers. */
  readonly decision: "allow" | "refuse" | "ask";
  /** The error code of a refusal. */
  readonly code?: "forbidden" | "unauthenticated" | "not_subscribed";
  /** The decision in a sentence. */
  readonly reason: string;
}

export interface ExplainedPattern {
  readonly pattern: string;
  /** Its rules for the action; absent where it has none, and those of a wider pattern stay. */
  readonly rules?: readonly Rule[];
  /** A more specific pattern has rules too: these do not count. */
  readonly isOverridden: boolean;
  /** It says which backend is asked, or that none is. */
  readonly authorize?: string;
}

export interface ExplainedRule {
  readonly rule: Rule;
  readonly holds: boolean;
  readonly why: string;
}

export interface ExplainedCallout {
  /** Without its query, which may hold a secret. */
  readonly url: string;
  readonly timeoutMs: number;
  readonly whenDown: "refuse" | "allow";
  /** The pattern that names it. */
  readonly from: string;
}

/** `options` is the `channels` section. Linear in its patterns. */
export function explain(options: Readonly<Record<string, PolicyOptions>>, request: ExplainRequest): Explanation {
  const { action, channel } = request;
  const matching = sortedPatterns(options).filter(({ selects }) => matches(selects, channel));
  const decider = matching.findLast(({ options: own }) => own[action] !== undefined);
  const rules = decider?.options[action] ?? ["nobody"];
  const policy = { ownerPatterns: matching.map(({ pattern }) => pattern).filter((p) => p.includes("{user}")) };
  const asked = { ...request, granted: grantedTo(request) };
  const code = refuse(rules, policy, asked);
  const callout = code === undefined ? calloutFor(matching, action) : undefined;
  const decidedBy = decider?.pattern ?? "built-in";
  const explained = rules.map((rule) => {
    const isHeld = holds(rule, policy, asked);
    return { rule, holds: isHeld, why: whyOf(rule, isHeld, policy.ownerPatterns, asked) };
  });
  const decision = code !== undefined ? "refuse" : callout === undefined ? "allow" : "ask";
  return {
    channel,
    action,
    patterns: matching.map((pattern) => explainedPattern(pattern, action, decider)),
    decidedBy,
    rules: explained,
    ...(callout !== undefined && { callout }),
    decision,
    ...(code !== undefined && { code }),
    reason: reasonOf(decision, matching.length > 0, decidedBy, explained, callout),
  };
}

function grantedTo({ action, identity, lent }: ExplainRequest): readonly string[] {
  return action === "publish" ? (identity?.publish ?? []) : [...(identity?.channels ?? []), ...lent];
}

function explainedPattern(
  { pattern, options }: SortedPattern,
  action: "subscribe" | "publish",
  decider: SortedPattern | undefined,
): ExplainedPattern {
  const rules = options[action];
  const { authorize } = options;
  return {
    pattern,
    ...(rules !== undefined && { rules }),
    isOverridden: rules !== undefined && pattern !== decider?.pattern,
    ...(authorize !== undefined && {
      authorize: authorize.url === "" ? "nobody" : `${shownUrl(authorize.url)} on ${authorize.on.join(", ")}`,
    }),
  };
}

function calloutFor(matching: readonly SortedPattern[], action: string): ExplainedCallout | undefined {
  const source = matching.findLast(({ options }) => options.authorize !== undefined);
  const authorize = source?.options.authorize;
  if (source === undefined || authorize === undefined || authorize.url === "" || !authorize.on.includes(action))
    return undefined;
  const { url, timeoutMs, whenDown } = authorize;
  return { url: shownUrl(url), timeoutMs, whenDown, from: source.pattern };
}

function whyOf(
  rule: Rule,
  isHeld: boolean,
  ownerPatterns: readonly string[],
  { channel, action, identity, granted, isSubscriber }: ExplainRequest & { readonly granted: readonly string[] },
): string {
  const claim = action === "publish" ? "publish" : "channels";
  switch (rule) {
    case "anyone":
      return "it holds for everyone";
    case "nobody":
      return "it holds for no one";
    case "subscriber":
      return isSubscriber ? "the connection is subscribed" : "the connection is not subscribed";
    case "authenticated":
      return isHeld ? `the connection is user ${identity?.userId}` : "the connection is anonymous";
    case "granted": {
      const pattern = granted.find((candidate) => matches(candidate, channel, identity?.userId));
      if (pattern !== undefined) return `the token's pattern ${pattern} selects the channel`;
      if (granted.length === 0) return `no token has a ${claim} claim`;
      return `no pattern of the token selects the channel: ${granted.join(", ")}`;
    }
    case "owner":
      if (identity === undefined) return "the connection is anonymous";
      if (ownerPatterns.length === 0) return "no matching pattern has a {user} word";
      return isHeld
        ? `user ${identity.userId} is the {user} of ${ownerPatterns.find((p) => matches(p, channel, identity.userId))}`
        : `user ${identity.userId} is not the {user} of ${ownerPatterns.join(", ")}`;
    default:
      return identity === undefined ? "the connection is anonymous" : `the role is ${identity.role}`;
  }
}

function reasonOf(
  decision: Explanation["decision"],
  isMatched: boolean,
  decidedBy: string,
  rules: readonly ExplainedRule[],
  callout: ExplainedCallout | undefined,
): string {
  if (!isMatched) return "no pattern matches the channel: it is closed";
  if (decision === "refuse")
    return `none of the rules of ${decidedBy} holds: ${rules.map(({ rule }) => rule).join(", ")}`;
  const held = `${rules.find(({ holds: isHeld }) => isHeld)?.rule} of ${decidedBy} holds`;
  return callout === undefined ? held : `${held}; then ${callout.url} decides`;
}
