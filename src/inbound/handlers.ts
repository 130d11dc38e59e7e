/** The dispatch table: what each action does. A missing row is a compile error; an unknown action never gets here. */
import { setTimeout } from "node:timers/promises";
import { type Identity, whoIs } from "../auth/identity.ts";
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
import { type Guard, publishGuarded, refuseReader, settled } from "./guarded.ts";
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
  readonly guard: Guard;
}

type Handlers = {
  readonly [A in Exclude<Action, "batch">]: (connection: Connection, message: MessageOf<A>) => Outcome;
};

/** The handlers as one function; a refusal comes back with the request's action, channel and id. */
export function createDispatch(parts: HandlerParts): (connection: Connection, message: ClientMessage) => Outcome {
  const { channels, subscriptions, clock, guard } = parts;
  const guardPublish = guard.publish;
  const handlers: Handlers = {
    message:
      guardPublish === undefined
        ? (c, m) => channels.publish(c, m)
        : (c, m) => publishGuarded(guardPublish, channels, c, m),
    subscribe: (c, m) => subscribe(parts, c, m),
    unsubscribe: (c, m) => void subscriptions.unsubscribe(c, m),
    authenticate: (c, m) => authenticate(parts, c, m),
    presence: (c, m) => refuseReader(guard, subscriptions, c, m) ?? channels.presence(c, m),
    history: (c, m) => refuseReader(guard, subscriptions, c, m) ?? channels.history(c, m),
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
  if (message.token === undefined) return agreeToSubscribe(parts, connection, message, undefined);
  return subscribeWithToken(parts, connection, message, message.token);
}

async function subscribeWithToken(
  parts: HandlerParts,
  connection: Connection,
  message: Subscribe,
  token: string,
): Promise<Refusal | undefined> {
  const verified = await parts.verifier.verifySubscription(token);
  if (typeof verified === "string") return refusal(verified);
  if (verified.userId !== undefined && verified.userId !== connection.identity?.userId)
    return refusal("forbidden", "Not allowed: the subscribe token is another user's");
  return agreeToSubscribe(parts, connection, message, verified);
}

/** Asks those who must agree besides the rules, where there are such. */
function agreeToSubscribe(
  parts: HandlerParts,
  connection: Connection,
  message: Subscribe,
  grant: SubscriptionGrant | undefined,
): Outcome {
  const { guard, subscriptions } = parts;
  if (guard.subscribe === undefined) return subscribeInTime(parts, connection, message, grant);
  const refused = subscriptions.refusalOf(connection, message, grant);
  if (refused !== undefined) return refused;
  return settled(guard.subscribe(connection, message), connection, (agreed) =>
    subscribeInTime(parts, connection, agreed, grant),
  );
}

/** Subscribes at once, or when this node has read as far as the client has, and the send queue has room for a replay. */
function subscribeInTime(
  parts: HandlerParts,
  connection: Connection,
  message: Subscribe,
  grant: SubscriptionGrant | undefined,
): Outcome {
  const { subscriptions, replayQueueBytesMax } = parts;
  const asksReplay = message.since !== undefined || message.history > 0;
  const mustWait = asksReplay && (connection.queuedBytes > replayQueueBytesMax || subscriptions.isBehind(message));
  if (mustWait) return subscribeLater(parts, connection, message, grant);
  return subscriptions.subscribe(connection, message, grant);
}

async function subscribeLater(
  { subscriptions, clock, replayQueueBytesMax }: HandlerParts,
  connection: Connection,
  message: Subscribe,
  grant: SubscriptionGrant | undefined,
): Promise<Refusal | undefined> {
  const untilMs = clock.nowMs() + behindMs;
  const stoodAt = subscriptions.tail(message.channel);
  while (subscriptions.isBehind(message) && clock.nowMs() < untilMs && connection.isOpen)
    await setTimeout(behindPollMs);
  // A log that moves would have come to a position that there is. One that stands still will bring what the client has had.
  if (subscriptions.isBehind(message) && subscriptions.tail(message.channel) === stoodAt) return refusal("unavailable");
  await connection.queueBelow(replayQueueBytesMax); // last: while this node caught up the queue may have filled
  return subscriptions.subscribe(connection, message, grant);
}

/** For a node to catch up with the one that a client comes from; every node writes into the log more often than that. */
const behindMs = 5000;
const behindPollMs = 20;

function authenticate(parts: HandlerParts, connection: Connection, message: Authenticate): Outcome {
  const verified = parts.verifier.verify(message.token);
  if (verified instanceof Promise) return verified.then((identity) => identify(parts, connection, message, identity));
  return identify(parts, connection, message, verified);
}

function identify(
  parts: HandlerParts,
  connection: Connection,
  message: Authenticate,
  verified: Identity | TokenFault,
): Outcome {
  const { counters, guard } = parts;
  if (!connection.isOpen) return undefined;
  counters.authentications[typeof verified === "string" ? verified : "ok"] += 1;
  if (typeof verified === "string") return refusal(verified);
  if (connection.identity !== undefined && connection.identity.userId !== verified.userId)
    return refusal("forbidden", "Not allowed: the connection belongs to another user; open a new one");
  if (guard.authenticate === undefined) return identifyAs(parts, connection, message, verified);
  return settled(guard.authenticate(connection, verified), connection, (identity) =>
    identifyAs(parts, connection, message, identity),
  );
}

function identifyAs(
  { connections, subscriptions, sweep, clock }: HandlerParts,
  connection: Connection,
  { id }: Authenticate,
  identity: Identity,
): undefined {
  connections.identify(connection, identity);
  sweep.tokenChanged(connection);
  connection.send({
    success: true,
    action: "authenticate",
    authenticated: true,
    ...whoIs(identity, clock.unixSeconds()),
    id,
  });
  subscriptions.identified(connection);
  return undefined;
}
