/**
 * What the gateway counts, as plain fields: an increment costs 3 ns, a labelled Prometheus counter 160. The registry
 * reads them when it is scraped. Label sets are closed: actions, codes and reasons, never a channel or a user.
 */

import { type CloseReason, closeReasons, type ErrorCode, errorCodes } from "../protocol/codes.ts";
import { type Action, actions } from "../protocol/messages.ts";
import { GuardCounters } from "./guard-counters.ts";
import { LatencyHistogram } from "./latency-histogram.ts";

export class Counters {
  /** Frames and bytes that arrived. */
  framesIn = 0;
  bytesIn = 0;
  /** Frames and bytes handed to sockets; a publication counts once for each of its recipients. */
  framesOut = 0;
  bytesOut = 0;
  /** Publications accepted into the log, and the recipients that they were handed to on this node. */
  publications = 0;
  deliveries = 0;
  /** Publications that came again with a `key` already seen. */
  duplicates = 0;
  /** Frames over the rate limit; `refusals.rate_limit` counts only those that were answered. */
  rateLimited = 0;
  /** Frames that a full send queue did not take; their connection is closed and recovers. */
  dropped = 0;
  connectionsOpened = 0;
  replayed = 0;
  readonly recoveries = { recovered: 0, failed: 0 };
  readonly authentications = { ok: 0, invalid_token: 0, token_expired: 0, unavailable: 0 };
  /** Handled messages by action. */
  readonly messages = zeros<Action>(actions);
  readonly refusals = zeros<ErrorCode>(errorCodes);
  /** Closed by the gateway, by reason; `client` for everything else. */
  readonly closed = zeros<CloseReason | "client">([...closeReasons, "client"]);
  /** Handshakes by HTTP status. */
  readonly handshakes = zeros<HandshakeStatus>(handshakeStatuses);
  /** From a publication's arrival until it is handed to its subscribers' sockets. */
  readonly deliveryLatency = new LatencyHistogram();
  /** From `append` until the log has it. */
  readonly appendLatency = new LatencyHistogram();
  /** Hooks and call-outs. */
  readonly guard = new GuardCounters();
}

export const handshakeStatuses = ["101", "400", "401", "403", "404", "426", "429", "503"] as const;
export type HandshakeStatus = (typeof handshakeStatuses)[number];

export function zeros<K extends string>(keys: readonly K[]): Record<K, number> {
  return Object.fromEntries(keys.map((key) => [key, 0])) as Record<K, number>;
}
