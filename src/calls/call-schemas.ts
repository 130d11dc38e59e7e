/**
 * What each call must look like and what it answers, as schemas: they check what comes in, and the OpenAPI document is
 * made of them.
 *
 * The rule: every object is strict, and every schema carries its rule as the error text, worded to follow "must be".
 */
import { z } from "zod";
import { channelBytesMax, channelPattern, isChannelName, isPattern } from "../protocol/names.ts";

const listMax = 1000;
const keyLengthMax = 128;
export const reasonBytesMax = 123; // RFC 6455, section 5.5: a control frame has 125 bytes, two are the code
const pageMax = 1000;
export const tokenSecondsMax = 86_400;
export const tokenSecondsDefault = 300;

export const channelRule = `a channel name (words of letters, digits, _ and - joined by dots, ${channelBytesMax} bytes at most)`;
const patternRule = "a pattern (words joined by dots, where * is any word and a last > the rest)";
export const channel = () =>
  z
    .string(channelRule)
    .refine(isChannelName, channelRule)
    .meta({ maxLength: channelBytesMax, pattern: channelPattern.source, examples: ["chat.room.1"] });
export const pattern = () => z.string(patternRule).refine(isPattern, patternRule).meta({ maxLength: channelBytesMax });
const whole = (min: number, max: number, rule = `a whole number from ${min} to ${max}`) =>
  z.int(rule).min(min, rule).max(max, rule);
export const text = (max: number, rule = `a text of 1 to ${max} characters`) =>
  z.string(rule).min(1, rule).max(max, rule);
export const listOf = <T extends z.ZodType>(item: T, what: string, min = 0) => {
  const rule = `a list of ${min === 0 ? "" : `${min} to `}${listMax} ${what}${min === 0 ? " at most" : ""}`;
  return z.array(item, rule).min(min, rule).max(listMax, rule);
};

const userRule = "a user's id (a text that is not empty, or a whole number)";
export const user = () => z.union([z.string(userRule).min(1, userRule), z.int(userRule)], userRule);
const users = () => listOf(user(), "users");
const connection = () => whole(1, Number.MAX_SAFE_INTEGER, "a connection's id (a whole number)");
const connections = () => listOf(connection(), "connection ids");
const sessions = () => listOf(text(200), "sessions");
const jsonRule = "a JSON value";
const json = () => z.unknown().refine((value) => value !== undefined, jsonRule);
const key = () =>
  text(keyLengthMax).describe("Idempotency key: a second publication with it on the channel is not delivered.");
const message = () => json().describe("Any JSON value; at most messageBytesMax bytes, nested depthMax deep.");

const mapRule = "a JSON object";
const call = <S extends z.ZodRawShape>(shape: S) => z.strictObject(shape, mapRule);
const result = <S extends z.ZodRawShape>(shape: S) => z.strictObject(shape);

/** Whoever stands in one of the lists; one of them must be there. */
const selection = {
  users: users().optional().describe("All connections of these users."),
  connections: connections().optional().describe("These connections, by connection_id."),
  sessions: sessions().optional().describe("These connections, by session."),
};
const selectionRule = "an object with at least one of users, connections and sessions";
/** For the document, which knows nothing of what `refine` checks. */
const selectionText = "At least one of users, connections and sessions must be there.";
const selects = (given: { users?: unknown; connections?: unknown; sessions?: unknown }): boolean =>
  (given.users ?? given.connections ?? given.sessions) !== undefined;

const page = {
  limit: whole(1, pageMax).optional().describe("Entries at most; 100 where it is not given."),
  cursor: text(1000).optional().describe("The `next` of the page before."),
};

export const calls = {
  publish: call({
    channel: channel(),
    message: message(),
    users: users().optional().describe("Only these of the subscribers, by user."),
    connections: connections().optional().describe("Only these of the subscribers, by connection_id."),
    key: key().optional(),
  }),
  broadcast: call({ channels: listOf(channel(), "channels", 1), message: message(), key: key().optional() }),
  subscribe: call({ channel: channel(), ...selection })
    .refine(selects, selectionRule)
    .describe(selectionText),
  disconnect: call({
    ...selection,
    code: whole(4000, 4999).optional().describe("The close code; 4503 where it is not given: do not come back."),
    reason: z
      .string("a text")
      .refine((value) => Buffer.byteLength(value) <= reasonBytesMax, `a text of at most ${reasonBytesMax} bytes`)
      .optional(),
  })
    .refine(selects, selectionRule)
    .describe(selectionText),
  revoke: call({
    tokens: listOf(text(256), "jti claims").optional().describe("Tokens by their `jti` claim."),
    users: users().optional().describe("All tokens of these users that were issued before now."),
    until: whole(1, 253_402_300_799, "a time in unix seconds")
      .optional()
      .describe("Unix seconds: until when to remember it; 24 hours from now where it is not given."),
  })
    .refine(({ tokens, users }) => (tokens ?? users) !== undefined, "an object with at least one of tokens and users")
    .describe("At least one of tokens and users must be there."),
  channel: call({ channel: channel() }),
  history: call({
    channel: channel(),
    limit: whole(1, pageMax).optional().describe("Messages at most."),
    since: call({ offset: text(200), epoch: text(200) })
      .optional()
      .describe("Only messages after this position."),
    reverse: z.boolean("true or false").optional().describe("Newest first."),
  }),
  channels: call({ pattern: pattern().optional().describe("Only channels that it selects."), ...page }),
  connections: call({
    user: user().optional().describe("Only this user's."),
    connection: connection().optional().describe("Only this one."),
    ...page,
  }),
  info: call({}),
  token: call({
    user: user().describe("Whose token it is."),
    role: text(200).optional().describe("`user` where it is not given."),
    channels: listOf(pattern(), "patterns").optional().describe("What the user may subscribe to."),
    publish: listOf(pattern(), "patterns").optional().describe("What the user may publish to."),
    channel: channel()
      .optional()
      .describe("A subscribe token instead: it grants the user this one channel, in a `subscribe` that carries it."),
    ttlSeconds: whole(1, tokenSecondsMax)
      .optional()
      .describe(`How long it is good; ${tokenSecondsDefault} where it is not given.`),
  }).describe("With `channel` there must be none of role, channels and publish."),
  batch: call({
    calls: z
      .array(z.unknown(), "a list of calls")
      .meta({
        items: {
          type: "object",
          properties: { method: { type: "string" }, params: { type: "object" } },
          required: ["method"],
          additionalProperties: false,
        },
      })
      .describe("Each with a `method`, which is the name of another call, and its `params`."),
  }),
};

/** One item of a batch, or one line of NDJSON. */
export const batchItem = z.strictObject(
  { method: z.string("the name of a call"), params: z.unknown().optional() },
  "an object with method and params",
);

export const callError = z.strictObject({
  code: z.string().describe("For programs; never changes."),
  message: z.string().describe("For people."),
});

const isPartial = z.literal(true).optional().describe("A process did not answer in time: what it has is missing.");
const published = result({
  offset: z.string().optional().describe("On channels with history: its place in the log."),
  epoch: z.string().optional(),
  duplicate: z.literal(true).optional().describe("Its key came before: it was not delivered again."),
});
const affected = result({
  connections: z.int().describe("How many connections of all nodes it acted upon."),
  isPartial,
});
const itemOf = (value: z.ZodType) => z.union([result({ result: value }), result({ error: callError })]);
const member = result({ user_id: user().optional(), role: z.string().optional(), connection_id: z.int().optional() });
const pageOf = (item: z.ZodType) =>
  result({
    items: z.array(item),
    next: z.string().optional().describe("The `cursor` of the next page; absent on the last."),
    isPartial,
  });
const counts = { connections: z.int(), subscriptions: z.int() };

export const results = {
  published,
  broadcast: result({ results: z.array(itemOf(published)).describe("One for each channel, in order.") }),
  batch: result({ results: z.array(itemOf(z.unknown())).describe("One for each call, in order.") }),
  affected,
  presence: result({ members: z.array(member) }),
  presenceStats: result({ members: z.int(), connections: z.int() }),
  history: result({
    channel: z.string(),
    messages: z.array(z.looseObject({})).describe("As subscribers get them: `message` frames."),
    offset: z.string().describe("The channel's present place in the log."),
    epoch: z.string(),
    recovered: z.boolean().optional().describe("With `since`: whether everything after it is here."),
  }),
  channels: pageOf(
    result({
      channel: z.string(),
      subscribers: z.int().describe("Connections on all nodes."),
      members: z.int().optional().describe("On channels with presence."),
    }),
  ),
  connections: pageOf(
    result({
      connection: z.int(),
      session: z.string(),
      node: z.string(),
      user: user().optional(),
      role: z.string().optional(),
      address: z.string(),
      format: z.enum(["json", "msgpack"]),
      channels: z.array(z.string()).describe("At most 1000."),
      queuedBytes: z.int(),
    }),
  ),
  info: result({
    version: z.string(),
    nodes: z.array(result({ node: z.string(), version: z.string(), ...counts, uptimeSeconds: z.number() })),
    ...counts,
    webhooks: z
      .array(
        result({
          url: z.string().describe("Origin and path."),
          queued: z.int().describe("Events that wait."),
          oldestSeconds: z.number().describe("For how long the oldest of them has waited; 0 where none does."),
          deadLetters: z.int().describe("Events that were given up."),
        }),
      )
      .optional()
      .describe("The receivers of webhooks, where there are some, as the process knows them that answers."),
    isPartial,
  }),
  token: result({
    token: z.string(),
    jti: z.string().describe("What `revoke` calls it by."),
    expiresAt: z.int().describe("Unix seconds."),
  }),
};
