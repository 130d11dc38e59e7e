/** The first frame of a connection: who it is here, and what it may send. */
import { whoIs } from "../auth/identity.ts";
import type { TokenFault } from "../auth/token-verifier.ts";
import type { Config } from "../config/config-schema.ts";
import type { Connection } from "../connection/connection.ts";
import type { Connections } from "../connection/connections.ts";

export function welcomeFrame(
  config: Config,
  connections: Connections,
  connection: Connection,
  authError: TokenFault | undefined,
  unixSeconds: number,
): object {
  const { identity } = connection;
  return {
    action: "welcome",
    heartbeat_interval: config.heartbeatInterval,
    connection_id: connection.id,
    authenticated: identity !== undefined,
    ...(identity !== undefined && whoIs(identity, unixSeconds)),
    auth_error: authError,
    session: connections.session(connection),
    node: connections.node,
    limits: {
      messages_per_minute: config.maxMessagesPerMinute,
      message_bytes_max: config.messageBytesMax,
      batch_items_max: config.batchItemsMax,
      channels_max: config.channelsPerConnectionMax,
    },
  };
}
