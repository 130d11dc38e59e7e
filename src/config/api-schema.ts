/**
 * The `api` section: who may use the server API of the admin port, and how much of it.
 *
 * Keys may be written as plain texts; the output is always a list of `ApiKeyOptions`, each with a name.
 */
import { z } from "zod";
import { type ApiKeyOptions, apiKeyPattern, apiKeyRule } from "../auth/api-keys.ts";
import { mapRule, text, wholeNumber } from "./values.ts";

const keyRule = `a key of ${apiKeyRule}`;
const key = z.string(keyRule).regex(apiKeyPattern, keyRule);
const listRule = "a list of keys: texts, or maps of a name and either key or keyFile";

export const apiSchema = z
  .strictObject(
    {
      keys: z
        .union([key, z.array(z.union([key, keySchema()], listRule))], listRule)
        .transform((value): ApiKeyOptions[] => (typeof value === "string" ? [value] : value).map(named))
        .prefault([])
        .describe(
          "Who may use the server API: keys that a backend sends as Authorization: Bearer KEY. Empty: only requests of " +
            "this machine are answered.",
        ),
      bodyBytesMax: wholeNumber(1024, 67_108_864)
        .default(1_048_576)
        .describe("Bytes of a request's body at most; a larger one is answered with 413."),
      bodyTimeoutSeconds: wholeNumber(1, 8)
        .default(5)
        .describe("How long a body may take to come; a slower one is answered with 408."),
      answerTimeoutSeconds: wholeNumber(1, 300)
        .default(10)
        .describe(
          "How long a publication may wait for the log before its call is answered with 503; it may still be carried out.",
        ),
      requestsPerSecondMax: wholeNumber(0, 1_000_000)
        .default(0)
        .describe("Requests a second of one key, a batch counting as one; more are answered with 429. 0: no limit."),
      batchItemsMax: wholeNumber(1, 100_000).default(1000).describe("Calls in a batch at most."),
    },
    mapRule,
  )
  .prefault({})
  .describe("The server API on the admin port, for backends.");

function keySchema() {
  const rule = "a map of a name and either key or keyFile";
  return z
    .strictObject(
      {
        name: text.min(1, "a text that is not empty").max(64).optional().describe("For people; never secret."),
        key: key.optional().describe("The key. Better in a file, or in the environment variable TIDEGATE_API__KEYS."),
        keyFile: text.min(1, "the name of a file").optional().describe("A file that holds the key."),
      },
      rule,
    )
    .refine(({ key, keyFile }) => (key === undefined) !== (keyFile === undefined), rule);
}

function named(
  entry: string | ({ name?: string | undefined } & Omit<ApiKeyOptions, "name">),
  index: number,
): ApiKeyOptions {
  const given = typeof entry === "string" ? { key: entry } : entry;
  return { ...given, name: given.name ?? `key ${index + 1}` };
}
