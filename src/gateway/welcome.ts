/**
 * The first frame of a connection: who it is here, and what it may send. Put together from JSON that is made once: a
 * frame of fifteen fields takes JSON.stringify 4 us, a tenth of a handshake.
 */
import { whoIs } from "../auth/identity.ts";
import type { TokenFault } from "../auth/token-verifier.ts";
import type { Config } from "../config/config-schema.ts";
import type { Connection } from "../connection/connection.ts";
import type { Connections } from "../connection/connections.ts";
import { protocolVersion } from "../protocol/messages.ts";

/** `authError`: why the token of the handshake was not accepted. Returns a frame as JSON text. */
export type Welcome = (connection: Connection, authError: TokenFault | undefined, unixSeconds: number) => string;

export function createWelcome(config: Config, connections: Connections): Welcome {
  const head = `{"action":"welcome","protocol":${protocolVersion},"heartbeat_interval":${config.heartbeatInterval},"connection_id":`;
  const limits = JSON.stringify({
    messages_per_minute: config.maxMessagesPerMinute,
    message_bytes_max: config.messageBytesMax,
    batch_items_max: config.batchItemsMax,
    channels_max: config.channelsPerConnectionMax,
  });
  // The names of nodes and sessions are base64url, digits and dots: nothing of it needs escaping.
  const tail = `,"node":"${connections.node}","limits":${limits}}`;
  return (connection, authError, unixSeconds) => {
    const { identity } = connection;
    const who =
      identity === undefined
        ? `"authenticated":false`
        : `"authenticated":true,${JSON.stringify(whoIs(identity, unixSeconds)).slice(1, -1)}`;
    const error = authError === undefined ? "" : `,"auth_error":"${authError}"`;
    return `${head}${connection.id},${who}${error},"session":"${connections.session(connection)}"${tail}`;
  };
}
