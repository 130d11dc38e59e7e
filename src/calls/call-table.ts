/**
 * The table of calls: routes, batch items, the OpenAPI document and the tests are all derived from it.
 *
 * A new call is a row here and its schemas in `call-schemas.ts`, nothing else. Each row is at `POST /api/v1/<name>`.
 */
import type { z } from "zod";
import type { Explanation } from "../channel/explain.ts";
import { isChannelName } from "../protocol/names.ts";
import { calls as inputs, results } from "./call-schemas.ts";
import { CallError, type Calls, type PublishCall, type Published } from "./calls.ts";
import { type ExplainCall, explainInput, explainResult } from "./explain-call.ts";
import { stats } from "./stats.ts";

export interface TokenCall {
  readonly user: string | number;
  readonly role?: string | undefined;
  readonly channels?: readonly string[] | undefined;
  readonly publish?: readonly string[] | undefined;
  /** A subscribe token for it alone; nothing of the above but `user` is given then. */
  readonly channel?: string | undefined;
  readonly ttlSeconds?: number | undefined;
}

export interface IssuedToken {
  readonly token: string;
  readonly jti: string;
  /** Unix seconds. */
  readonly expiresAt: number;
}

/** What the calls are carried out by. */
export interface CallServices {
  readonly calls: Calls;
  /** Throws `CallError` where no token can be signed. */
  issueToken(call: TokenCall): IssuedToken;
  /** By the rules of this process' configuration. */
  explain(call: ExplainCall): Explanation;
}

/** What a row is handed besides the call. */
export interface CallContext extends CallServices {
  /** One answer for each item, in order; items that are no calls get their error. */
  batch(items: readonly unknown[]): Promise<readonly ItemAnswer[]>;
}

/** The answer to one of several calls. */
export type ItemAnswer =
  | { readonly result: unknown }
  | { readonly error: { readonly code: string; readonly message: string } };

export interface CallRow {
  /** One line for people. */
  readonly summary: string;
  readonly input: z.ZodType;
  readonly result: z.ZodType;
  /** True for what `input` would accept as it is; may be false for it too. For the call that comes by the thousand. */
  readonly isPlain?: (params: unknown) => boolean;
  /** As `run`, without a promise; `false` where `calls` cannot. */
  readonly runNow?: (call: never, context: CallContext, done: (outcome: unknown) => void) => boolean;
  /** `call` has been checked by `input`. Throws, or rejects with, `CallError`. */
  readonly run: (call: never, context: CallContext) => Promise<unknown>;
}

export const callTable = {
  publish: {
    ...row("Publish a message to a channel.", inputs.publish, results.published, (call, { calls }) =>
      calls.publish(call as Parameters<Calls["publish"]>[0]),
    ),
    isPlain: isPlainPublish,
    runNow: publishNow,
  },
  broadcast: row(
    "Publish one message to many channels.",
    inputs.broadcast,
    results.broadcast,
    async (call, { calls }) => ({
      results: (await calls.broadcast(call as Parameters<Calls["broadcast"]>[0])).map(publishedAnswer),
    }),
  ),
  batch: row(
    "Many different calls in one request, carried out in their order; a bad one does not spoil the others.",
    inputs.batch,
    results.batch,
    async (call, context) => ({ results: await context.batch(call.calls) }),
  ),
  subscribe: row("Subscribe connections to a channel.", inputs.subscribe, results.affected, (call, { calls }) =>
    calls.subscribe(call),
  ),
  unsubscribe: row(
    "End connections' subscription to a channel.",
    inputs.subscribe,
    results.affected,
    (call, { calls }) => calls.unsubscribe(call),
  ),
  disconnect: row("Close connections.", inputs.disconnect, results.affected, (call, { calls }) =>
    calls.disconnect(call),
  ),
  revoke: row("End tokens before their time.", inputs.revoke, results.affected, (call, { calls }) =>
    calls.revoke(call),
  ),
  presence: row("Who is in a channel.", inputs.channel, results.presence, (call, { calls }) => calls.presence(call)),
  presence_stats: row("How many are in a channel.", inputs.channel, results.presenceStats, (call, { calls }) =>
    calls.presenceStats(call),
  ),
  history: row("The kept messages of a channel.", inputs.history, results.history, (call, { calls }) =>
    calls.history(call),
  ),
  channels: row(
    "The channels that have subscribers, page by page.",
    inputs.channels,
    results.channels,
    (call, { calls }) => calls.channels(call),
  ),
  connections: row("The open connections, page by page.", inputs.connections, results.connections, (call, { calls }) =>
    calls.connections(call),
  ),
  info: row("The nodes and what they hold.", inputs.info, results.info, (_call, { calls }) => calls.info()),
  stats: row("What the processes count, and how they are.", inputs.info, stats, (_call, { calls }) => calls.stats()),
  token: row("Issue a token for a client.", inputs.token, results.token, async (call, { issueToken }) =>
    issueToken(call),
  ),
  "authorize/explain": row(
    "Say which rule decides for a user and a channel, step by step.",
    explainInput,
    explainResult,
    async (call, { explain }) => explain(call),
  ),
} as const satisfies Readonly<Record<string, CallRow>>;

export type CallName = keyof typeof callTable;
export const callNames = Object.keys(callTable) as readonly CallName[];

/** The path of a call. */
export const callPath = (name: CallName): string => `/api/v1/${name}`;

/** Those that may stand in a batch. */
export const isBatchable = (name: string): name is CallName => name !== "batch" && Object.hasOwn(callTable, name);

const gathered = new Set<string>([
  "subscribe",
  "unsubscribe",
  "disconnect",
  "revoke",
  "channels",
  "connections",
  "info",
  "stats",
] satisfies CallName[]);

/** Those that all processes must answer, see `Gathering`: `name` may be anything. */
export const isGathered = (name: unknown): boolean => gathered.has(name as string);

/** An error as the answer tells it. */
export const errorAnswer = ({ code, message }: CallError): ItemAnswer => ({ error: { code, message } });

/** A channel and a message, and nothing else. Hot path: a tenth of what the schema takes. */
function isPlainPublish(params: unknown): boolean {
  if (typeof params !== "object" || params === null) return false;
  let fields = 0;
  for (const _ in params) fields += 1;
  const { channel, message } = params as { readonly channel?: unknown; readonly message?: unknown };
  return fields === 2 && message !== undefined && typeof channel === "string" && isChannelName(channel);
}

function publishNow(call: PublishCall, { calls }: CallContext, done: (outcome: unknown) => void): boolean {
  if (calls.publishNow === undefined) return false;
  calls.publishNow(call, done);
  return true;
}

function publishedAnswer(outcome: Published | CallError): ItemAnswer {
  return outcome instanceof CallError ? errorAnswer(outcome) : { result: outcome };
}

function row<I extends z.ZodType>(
  summary: string,
  input: I,
  result: z.ZodType,
  run: (call: z.output<I>, context: CallContext) => Promise<unknown>,
): CallRow {
  return { summary, input, result, run };
}
