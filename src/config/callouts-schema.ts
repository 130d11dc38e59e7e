/**
 * What the gateway asks before it does something: backends by URL (the `callouts` section, and `authorize` of a channel's
 * policy), and the hooks of a module (the `hooks` section).
 */
import { z } from "zod";
import { mapRule, oneOrMore, secretOrEmpty, text, wholeNumber } from "./values.ts";

const urlRule = "an http:// or https:// URL without a user or password, or empty";
const eventsRule = "subscribe or publish, one or a list";

const url = z.string(urlRule).refine(isBackend, urlRule);

/** The keys of a backend that is asked. */
const timing = {
  timeoutMs: wholeNumber(10, 60_000).default(2000).describe("Milliseconds that it has for an answer."),
  whenDown: z
    .enum(["refuse", "allow"], "refuse or allow")
    .default("refuse")
    .describe("What holds while it does not answer: refuse (with unavailable) or allow."),
};

/** `authorize` of a policy. */
export const authorizeSchema = z
  .strictObject(
    {
      url: url.describe("Where to POST the question. Empty: nobody is asked, also where a wider pattern says so."),
      on: oneOrMore(z.string(eventsRule).regex(/^(?:subscribe|publish)$/, eventsRule), eventsRule)
        .prefault(["subscribe", "publish"])
        .describe("What is asked about: subscribe or publish, one or a list."),
      ...timing,
    },
    "a map with url",
  )
  .optional()
  .describe("A backend that must agree to what the rules allow.");

export const calloutsSchema = z
  .strictObject(
    {
      connect: z
        .strictObject(
          { url: url.default("").describe("Where to POST the question. Empty: nobody is asked."), ...timing },
          mapRule,
        )
        .prefault({})
        .describe("A backend that must agree to each connection, and to each later authenticate."),
      secret: secretOrEmpty
        .default("")
        .describe(
          "Signs every question (header Tidegate-Signature), at least 32 bytes. Empty: unsigned. Better given as " +
            "TIDEGATE_CALLOUTS__SECRET.",
        ),
      failuresMax: wholeNumber(1, 1000)
        .default(5)
        .describe("Failures in a row after which a backend is not asked for pauseSeconds; then one question tries it."),
      pauseSeconds: wholeNumber(1, 3600).default(10).describe("How long a backend that fails is left alone."),
      inFlightMax: wholeNumber(1, 10_000)
        .default(256)
        .describe("Questions under way at once, to all backends together; more go as whenDown says."),
      cacheEntriesMax: wholeNumber(0, 1_000_000)
        .default(10_000)
        .describe("Answers with a ttl that are kept at most; when it is reached, those unused for longest go first."),
    },
    mapRule,
  )
  .prefault({})
  .describe("Backends that are asked whether something is allowed: here on connect, and by authorize in channels.");

export const hooksSchema = z
  .strictObject(
    {
      module: text
        .default("")
        .describe(
          "The path of a JavaScript module whose onConnect, onSubscribe, onMessage and onClose are called. Empty: none.",
        ),
      timeoutMs: wholeNumber(10, 600_000)
        .default(5000)
        .describe("Milliseconds that a hook has; then its request is refused with unavailable."),
    },
    mapRule,
  )
  .prefault({})
  .describe("Functions that allow, refuse or rewrite what clients ask for.");

function isBackend(value: string): boolean {
  if (value === "") return true;
  if (!URL.canParse(value)) return false;
  const { protocol, username, password } = new URL(value);
  return /^https?:$/.test(protocol) && username === "" && password === "";
}
