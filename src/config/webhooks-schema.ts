/** The `webhooks` and `webhookLimits` sections: who is told what of happens here. See `WebhookOptions`. */
import { z } from "zod";
import { isPattern } from "../protocol/names.ts";
import { eventNames } from "../webhooks/webhook-options.ts";
import { mapRule, oneOrMore, secret, text, wholeNumber } from "./values.ts";

const urlRule = "an http:// or https:// URL";
const eventRule = eventNames.join(", ");
const patternRule = "a channel pattern without {user}, such as chat.> or game.*";
/** All but message: it is asked for by name. */
const defaultEvents = eventNames.filter((event) => event !== "message");

/** The section as the file writes it. */
export const webhooksSchema = z
  .array(webhookSchema(), "a list of webhooks")
  .superRefine((webhooks, context) => {
    for (const [i, { url }] of webhooks.entries()) {
      if (webhooks.findIndex((webhook) => webhook.url === url) < i)
        context.addIssue({ code: "custom", message: "a URL that no other webhook has", path: [i, "url"], input: url });
    }
  })
  .default([])
  .describe("HTTP receivers that are told of what happens here, signed and at least once; the same on all nodes.");

export const webhookLimitsSchema = z
  .strictObject(
    {
      queueMax: wholeNumber(1, 10_000_000)
        .default(100_000)
        .describe("Events that wait for a webhook at most; further ones are dropped, counted and logged."),
      queueBytesMax: wholeNumber(65_536, 4_294_967_296)
        .default(67_108_864)
        .describe("Bytes of events that wait for a webhook at most."),
      attemptsMax: wholeNumber(1, 1000)
        .default(20)
        .describe(
          "A batch that was answered with an error so often is given up. A receiver that is away is waited for.",
        ),
      maxAgeSeconds: wholeNumber(1, 604_800).default(86_400).describe("An event that waits for longer is given up."),
      retryMaxSeconds: wholeNumber(1, 3600)
        .default(60)
        .describe("The longest pause between two attempts; the first is a fifth of a second, and they double."),
      deadLettersMax: wholeNumber(0, 1_000_000)
        .default(1000)
        .describe("Events given up that are kept in Redis for each webhook; the oldest go first."),
    },
    mapRule,
  )
  .prefault({})
  .describe("What holds for each webhook.");

function webhookSchema() {
  return z
    .strictObject(
      {
        url: z
          .string(urlRule)
          .refine((value) => URL.canParse(value) && /^https?:$/.test(new URL(value).protocol), urlRule)
          .describe("Where events are sent, by POST; no two webhooks have the same."),
        secret: secret.optional().describe("What requests are signed with, at least 32 bytes."),
        secretFile: text.min(1, "the name of a file").optional().describe("A file that holds the secret."),
        events: z
          .array(z.enum(eventNames, eventRule), `a list of ${eventRule}`)
          .min(1, `a list of ${eventRule}`)
          .default(defaultEvents)
          .describe(`What is sent: ${eventRule}; default all but message.`),
        channels: oneOrMore(
          z.string(patternRule).refine((value) => isPattern(value) && !value.includes("{user}"), patternRule),
          "a channel pattern or a list of them",
        )
          .prefault([">"])
          .describe("The channels whose events are sent, by pattern."),
        timeoutMs: wholeNumber(100, 60_000).default(5000).describe("Milliseconds that a request may take."),
        batchMax: wholeNumber(1, 1000).default(100).describe("Events in one request at most."),
      },
      mapRule,
    )
    .superRefine(({ secret, secretFile }, context) => {
      if ((secret === undefined) === (secretFile === undefined))
        context.addIssue({ code: "custom", message: "a webhook with either secret or secretFile" });
    });
}
