/**
 * The call `authorize/explain`: which rule decides for a user and a channel. Its schemas, and how it is carried out.
 *
 * It looks at the configuration only: who the user is, and what its token says, comes with the call.
 */
import { z } from "zod";
import type { Identity } from "../auth/identity.ts";
import { type Explanation, explain } from "../channel/explain.ts";
import type { PolicyOptions } from "../channel/policy-options.ts";
import { channel, listOf, pattern, text, user } from "./call-schemas.ts";

const patterns = () => listOf(pattern(), "patterns").optional();

export const explainInput = z.strictObject(
  {
    action: z.enum(["subscribe", "publish"], "subscribe or publish").describe("What is to be done."),
    channel: channel().describe("On which channel."),
    user: user().optional().describe("Who asks; anonymous where it is not given."),
    role: text(200).optional().describe("`user` where it is not given."),
    channels: patterns().describe("The `channels` claim of the user's token."),
    publish: patterns().describe("The `publish` claim of the user's token."),
    lent: patterns().describe("The patterns of a subscribe token that comes with the request."),
    subscribed: z.boolean("true or false").optional().describe("The connection is subscribed to the channel."),
  },
  "a JSON object",
);

export type ExplainCall = z.output<typeof explainInput>;

const ruleResult = z.strictObject({
  rule: z.string(),
  holds: z.boolean(),
  why: z.string().describe("For people."),
});

export const explainResult = z.strictObject({
  channel: z.string(),
  action: z.enum(["subscribe", "publish"]),
  patterns: z
    .array(
      z.strictObject({
        pattern: z.string(),
        rules: z.array(z.string()).optional().describe("Its rules for the action; absent where it has none."),
        isOverridden: z.boolean().describe("A more specific pattern has rules too: these do not count."),
        authorize: z.string().optional().describe("The backend that it names, or nobody."),
      }),
    )
    .describe("Those that match, from the least to the most specific."),
  decidedBy: z.string().describe("The most specific pattern that has rules for the action."),
  rules: z.array(ruleResult).describe("One that holds suffices."),
  callout: z
    .strictObject({
      url: z.string(),
      timeoutMs: z.int(),
      whenDown: z.enum(["refuse", "allow"]),
      from: z.string().describe("The pattern that names it."),
    })
    .optional()
    .describe("The backend that is asked next."),
  decision: z.enum(["allow", "refuse", "ask"]).describe("ask: as the backend answers. Hooks may refuse besides."),
  code: z.enum(["forbidden", "unauthenticated", "not_subscribed"]).optional().describe("Of a refusal."),
  reason: z.string().describe("The decision in a sentence."),
});

/** `channels` is that section of the configuration; `call` has been checked by `explainInput`. */
export function explainCall(channels: Readonly<Record<string, PolicyOptions>>, call: ExplainCall): Explanation {
  const { action, channel, lent = [], subscribed = false } = call;
  return explain(channels, { action, channel, identity: identityOf(call), lent, isSubscriber: subscribed });
}

function identityOf({ user, role = "user", channels = [], publish = [] }: ExplainCall): Identity | undefined {
  if (user === undefined) return undefined;
  const expiresAt = Number.POSITIVE_INFINITY;
  return { userId: String(user), userIdJson: JSON.stringify(user), role, channels, publish, expiresAt };
}
