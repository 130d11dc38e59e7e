/**
 * Requests for which others than the rules are asked as well: a backend, or the embedding program.
 *
 * The rule: the channel's rules come first, so that nobody is asked about what is not allowed anyhow, and once more when
 * the request is carried out; a connection that was closed meanwhile gets nothing.
 */
import type { Identity } from "../auth/identity.ts";
import type { Channels } from "../channel/channels.ts";
import type { Subscriptions } from "../channel/subscriptions.ts";
import type { Connection } from "../connection/connection.ts";
import type { History, Presence, Publish, Subscribe } from "../protocol/messages.ts";
import { isRefusal, type Refusal, refusal } from "../protocol/refusal.ts";
import type { Outcome } from "./receive.ts";

type Agreed<T> = T | Refusal | Promise<T | Refusal>;

/** Who must agree; a function is `undefined` where nobody is asked. Each gives the request as it is to be carried out. */
export interface Guard {
  readonly authenticate: ((connection: Connection, identity: Identity) => Agreed<Identity>) | undefined;
  readonly subscribe: ((connection: Connection, request: Subscribe) => Agreed<Subscribe>) | undefined;
  readonly publish: PublishGuard | undefined;
  /** True where a subscription to `channel` needs somebody's leave. */
  keeps(channel: string): boolean;
}

export type PublishGuard = (connection: Connection, request: Publish) => Agreed<Publish>;

export function publishGuarded(
  agree: PublishGuard,
  channels: Channels,
  connection: Connection,
  request: Publish,
): Outcome {
  const refused = channels.refusalOf(connection, request);
  if (refused !== undefined) return refused;
  return settled(agree(connection, request), connection, (agreed) => channels.publish(connection, agreed));
}

/** What a channel keeps is for those who got leave to subscribe. */
export function refuseReader(
  guard: Guard,
  subscriptions: Subscriptions,
  connection: Connection,
  { channel }: History | Presence,
): Refusal | undefined {
  if (guard.subscribe === undefined || !guard.keeps(channel) || subscriptions.has(connection, channel))
    return undefined;
  return refusal("not_subscribed");
}

/** Carries out what was agreed to, at once where it is known. */
export function settled<T extends object>(
  agreed: Agreed<T>,
  connection: Connection,
  carryOut: (agreed: T) => Outcome,
): Outcome {
  if (!(agreed instanceof Promise)) return isRefusal(agreed) ? agreed : carryOut(agreed);
  return agreed.then((answer) => {
    if (!connection.isOpen) return undefined;
    return isRefusal(answer) ? answer : carryOut(answer);
  });
}
