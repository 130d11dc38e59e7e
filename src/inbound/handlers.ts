/** The dispatch table: what each action does. A missing row is a compile error; an unknown action never gets here. */
import { setTimeout } from "node:timers/promises";
import type { Identity } from "../auth/identity.ts";
import type { SubscriptionGrant, TokenFault, TokenVerifier } from "../auth/token-verifier.ts";
import type { Channels } from "../channel/channels.ts";
import type { Subscriptions } from "../channel/subscriptions.ts";
import type { Clock } from "../clock/clock.ts";
import type { Connection } from "../connection/connection.ts";
import type { Connections } from "../connection/connections.ts";
import type { Sweep } from "../connection/sweep.ts";
import type { Counters } from "../metrics/counters.ts";
import type { Action, Authenticate, ClientMessage, MessageOf, Subscribe } from "../protocol/messages.ts";
import { about, type Refusal, refusal } from "../protocol/refusal.ts";
import type { Outcome } from "./receive.ts";

export interface HandlerParts {
  readonly channels: Channels;
  readonly subscriptions: Subscriptions;
  readonly connections: Connections;
  readonly verifier: TokenVerifier;
  readonly sweep: Sweep;
  readonly counters: Counters;
  readonly clock: Clock;
  /** A replay starts only when the connection's send queue is at most this full, so that it always fits. */
  readonly replayQueueBytesMax: number;
}

type Handlers = {
  readonly [A in Exclude<Action, "batch">]: (connection: Connection, message: MessageOf<A>) => Outcome;
};

/** The handlers as one function; a refusal comes back with the request's action, channel and id. */
export function createDispatch(parts: HandlerParts): (connection: Connection, message: ClientMessage) => Outcome {
  const { channels, subscriptions, clock } = parts;
  const handlers: Handlers = {
    message: (c, m) => channels.publish(c, m),
    subscribe: (c, m) => subscribe(parts, c, m),
    unsubscribe: (c, m) => void subscriptions.unsubscribe(c, m),
    authenticate: (c, m) => authenticate(parts, c, m),
    presence: (c, m) => channels.presence(c, m),
    history: (c, m) => channels.history(c, m),
    ping: (c, { id }) => void c.send({ action: "pong", time: clock.unixSeconds(), id }),
    pong: () => undefined,
  };
  return (connection, message) => {
    const handler = handlers[message.action as keyof Handlers] as (c: Connection, m: ClientMessage) => Outcome;
    const outcome = handler(connection, message);
    if (outcome === undefined) return undefined;
    if (outcome instanceof Promise) return outcome.then((refused) => refused && about(message, refused));
    return about(message, outcome);
  };
}

function subscribe(parts: HandlerParts, connection: Connection, message: Subscribe): Outcome {
  const { subscriptions, replayQueueBytesMax } = parts;
  const asksReplay = message.since !== undefined || message.history > 0;
  const mustWait = asksReplay && (connection.queuedBytes > replayQueueBytesMax || subscriptions.isBehind(message));
  if (message.token === undefined && !mustWait) return subscriptions.subscribe(connection, message);
  return subscribeLater(parts, connection, message);
}

/**
 * A subscribe that must wait: for its token to be verified, for this node to read as far as the client has, or for the
 * send queue to make room for a replay.
 */
async function subscribeLater(
  parts: HandlerParts,
  connection: Connection,
  message: Subscribe,
): Promise<Refusal | undefined> {
  let grant: SubscriptionGrant | undefined;
  if (message.token !== undefined) {
    const verified = await parts.verifier.verifySubscription(message.token);
    if (typeof verified === "string") return refusal(verified);
    if (verified.userId !== undefined && verified.userId !== connection.identity?.userId)
      return refusal("forbidden", "Not allowed: the subscribe token is another user's");
    grant = verified;
  }
  const untilMs = parts.clock.nowMs() + behindMs;
  while (parts.subscriptions.isBehind(message) && parts.clock.nowMs() < untilMs && connection.isOpen)
    await setTimeout(behindPollMs);
  await connection.queueBelow(parts.replayQueueBytesMax); // last: while a token was verified the queue may have filled
  return parts.subscriptions.subscribe(connection, message, grant);
}

/** For a node to catch up with the one that a client comes from; then the client is told that it cannot be. */
const behindMs = 5000;
const behindPollMs = 20;

function authenticate(parts: HandlerParts, connection: Connection, message: Authenticate): Outcome {
  const verified = parts.verifier.verify(message.token);
  if (verified instanceof Promise) return verified.then((identity) => identify(parts, connection, message, identity));
  return identify(parts, connection, message, verified);
}

function identify(
  { connections, subscriptions, sweep, counters, clock }: HandlerParts,
  connection: Connection,
  { id }: Authenticate,
  verified: Identity | TokenFault,
): Refusal | undefined {
  if (!connection.isOpen) return undefined;
  counters.authentications[typeof verified === "string" ? verified : "ok"] += 1;
  if (typeof verified === "string") return refusal(verified);
  if (connection.identity !== undefined && connection.identity.userId !== verified.userId)
    return refusal("forbidden", "Not allowed: the connection belongs to another user; open a new one");
  connections.identify(connection, verified);
  sweep.tokenChanged(connection);
  connection.send({
    success: true,
    action: "authenticate",
    authenticated: true,
    user_id: JSON.parse(verified.userIdJson),
    role: verified.role,
    expires_in: Math.max(0, verified.expiresAt - clock.unixSeconds()),
    id,
  });
  subscriptions.identified(connection);
  return undefined;
}
