/**
 * What hooks are shown and what they give back, checked: a hook is somebody's program, and what it rewrites goes to every
 * subscriber. Whatever throws here counts as the hook's failure.
 */
import { z } from "zod";
import type { Identity } from "../auth/identity.ts";
import { jsonFault } from "../protocol/json-value.ts";
import type { Publish, Subscribe } from "../protocol/messages.ts";
import { isPattern } from "../protocol/names.ts";
import type { HookUser, MessageRequest } from "./hooks.ts";

/** What a hook may publish. */
export interface RewriteLimits {
  readonly depthMax: number;
  readonly messageBytesMax: number;
}

const userId = z.union([z.string().min(1), z.int()]);
const patterns = z.array(z.string().refine(isPattern, "a channel pattern"));
const connectRewrite = z.strictObject({
  user: z
    .strictObject({
      id: userId,
      role: z.string().optional(),
      channels: patterns.optional(),
      publish: patterns.optional(),
      expiresAt: z.union([z.number(), z.literal(Number.POSITIVE_INFINITY)]).optional(),
    })
    .nullish(),
  data: z.unknown().optional(),
});
const subscribeRewrite = z.strictObject({ history: z.int().min(0).optional(), presence: z.boolean().optional() });
const messageRewrite = z.strictObject({
  message: z.unknown().optional(),
  target: z.strictObject({ connections: z.array(z.int()).optional(), users: z.array(userId).optional() }).nullish(),
});

/** What `onConnect` made of a connection. */
export interface ConnectDecision {
  readonly identity: Identity | undefined;
  /** It is not the token's. */
  readonly isOwn: boolean;
  readonly data: unknown;
}

/** `unixSeconds`: who comes without a token came now, should the user's tokens be revoked. */
export function readConnect(answer: object, identity: Identity | undefined, unixSeconds: number): ConnectDecision {
  const { user, data } = parsed(connectRewrite, answer);
  if (user === undefined) return { identity, isOwn: false, data };
  if (user === null) return { identity: undefined, isOwn: true, data };
  const {
    id,
    role = identity?.role ?? "user",
    channels = identity?.channels ?? [],
    publish = identity?.publish ?? [],
    expiresAt = identity?.expiresAt ?? Number.POSITIVE_INFINITY,
  } = user;
  const ends = Math.floor(expiresAt); // whole seconds, as a token's
  const own = { userId: String(id), userIdJson: JSON.stringify(id), role, channels, publish, expiresAt: ends };
  return { identity: Object.freeze({ issuedAt: unixSeconds, ...identity, ...own }), isOwn: true, data };
}

export function readSubscribe(answer: object, request: Subscribe): Subscribe {
  const { history = request.history, presence = request.presence } = parsed(subscribeRewrite, answer);
  return { ...request, history, presence };
}

export function readMessage(answer: object, request: Publish, limits: RewriteLimits): Publish {
  const { message, target } = parsed(messageRewrite, answer);
  const rewritten: { -readonly [K in keyof Publish]: Publish[K] } = { ...request };
  if (message !== undefined) rewritten.messageJson = jsonOf(message, limits);
  if (target === null) rewritten.target = undefined;
  else if (target !== undefined)
    rewritten.target = { connections: target.connections ?? [], users: (target.users ?? []).map(String) };
  return rewritten;
}

export function hookUser(identity: Identity | undefined): HookUser | undefined {
  if (identity === undefined) return undefined;
  const { userIdJson, role, channels, publish, expiresAt } = identity;
  return { id: JSON.parse(userIdJson), role, channels, publish, expiresAt };
}

/** A message as `onMessage` sees it; parsed only for those who look. */
export class ShownMessage implements MessageRequest {
  readonly connection: MessageRequest["connection"];
  readonly channel: string;
  readonly target: MessageRequest["target"];
  readonly key: string | undefined;
  readonly #messageJson: string;

  constructor(connection: MessageRequest["connection"], { channel, target, key, messageJson }: Publish) {
    this.connection = connection;
    this.channel = channel;
    this.target = target;
    this.key = key;
    this.#messageJson = messageJson;
  }

  get message(): unknown {
    return JSON.parse(this.#messageJson);
  }
}

function jsonOf(message: unknown, { depthMax, messageBytesMax }: RewriteLimits): string {
  const fault = jsonFault(message, depthMax);
  if (fault !== undefined) throw new TypeError(`cannot rewrite message: it must be a ${fault}`);
  const json = JSON.stringify(message);
  const bytes = Buffer.byteLength(json);
  if (bytes > messageBytesMax)
    throw new RangeError(`cannot rewrite message: it must be at most ${messageBytesMax} bytes, got ${bytes}`);
  return json;
}

function parsed<T>(schema: z.ZodType<T>, answer: object): T {
  const result = schema.safeParse(answer);
  if (result.success) return result.data;
  throw new TypeError(`cannot rewrite: ${z.prettifyError(result.error)}`);
}
