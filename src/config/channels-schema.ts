/**
 * The `channels` section: the rules of channels, by pattern.
 *
 * A layer adds to the layers below pattern by pattern and field by field; only null takes a pattern away. Which of the
 * patterns that match a channel counts is decided by `channel/`: each field comes from the most specific one that has it.
 */
import { z } from "zod";
import { isPattern } from "../protocol/names.ts";
import { authorizeSchema } from "./callouts-schema.ts";
import { mapRule, oneOrMore, trueOrFalse, wholeNumber } from "./values.ts";

const subscribeRule = "anyone, authenticated, owner, granted, nobody or role:NAME";
const publishRule = `subscriber, ${subscribeRule}`;
const patternRule =
  "a channel pattern: words of letters, digits, _ and - joined by dots, where * is any word, {user} the user's id, and " +
  "a last > the rest (200 bytes at most)";

const policySchema = z.strictObject(
  {
    subscribe: ruleWords(/^(?:anyone|authenticated|owner|granted|nobody|role:[^\s,]+)$/, subscribeRule)
      .optional()
      .describe(`Who may subscribe; any rule that holds suffices: ${subscribeRule}, one or a list.`),
    publish: ruleWords(/^(?:subscriber|anyone|authenticated|owner|granted|nobody|role:[^\s,]+)$/, publishRule)
      .optional()
      .describe(`Who may publish; any rule that holds suffices: ${publishRule}, one or a list.`),
    history: z
      .strictObject(
        {
          size: wholeNumber(0, 100_000).describe("Messages kept for recovery, at most. 0 keeps none."),
          seconds: wholeNumber(0, 604_800).describe("How long a message is kept, at most. 0 keeps none."),
        },
        "a map with size and seconds",
      )
      .optional()
      .describe("What is kept for clients that come back. Needs both size and seconds."),
    presence: trueOrFalse.optional().describe("Keep a list of members and announce joins and leaves."),
    rate: wholeNumber(0, 1_000_000)
      .optional()
      .describe(
        "Messages a minute that one connection may publish to channels of this pattern. 0: no limit of its own.",
      ),
    echo: trueOrFalse.optional().describe("The publisher gets its own messages."),
    authorize: authorizeSchema,
  },
  mapRule,
);

/** The section as the file writes it; the output has no nulls. */
export const channelsSchema = z
  .record(z.string().refine(isPattern, patternRule), policySchema.nullable(), "a map of channel patterns")
  .transform(withoutRemoved)
  .prefault({
    ">": {
      subscribe: ["anyone"],
      publish: ["subscriber", "granted"],
      history: { size: 0, seconds: 0 },
      presence: false,
      rate: 0,
      echo: true,
    },
    "chat.>": { history: { size: 100, seconds: 300 } },
    "presence.>": { presence: true },
    "private.>": { subscribe: ["granted"] },
    "private.user.{user}": { subscribe: ["owner", "role:admin"] },
  })
  .describe(
    "The rules of channels, by pattern. Policies cascade: all patterns that match a channel are merged from the least to " +
      "the most specific, so each field comes from the most specific pattern that has it. A file adds to these " +
      "defaults; a pattern is removed only by null.",
  );

function ruleWords(word: RegExp, rule: string) {
  const listRule = `${rule}, one or a list`;
  return oneOrMore(z.string(rule).regex(word, rule), listRule).refine((words) => words.length > 0, listRule);
}

function withoutRemoved<T>(policies: Record<string, T | null>): Record<string, T> {
  const kept = Object.entries(policies).filter((entry): entry is [string, T] => entry[1] !== null);
  return Object.fromEntries(kept);
}
