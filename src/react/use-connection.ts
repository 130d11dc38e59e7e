/** Whether the client is connected, as it changes. */
import { useCallback, useSyncExternalStore } from "react";
import type { Client, ConnectionState } from "../client/index.ts";
import { useClient } from "./context.ts";

export interface Connection {
  readonly client: Client;
  readonly state: ConnectionState;
  readonly isConnected: boolean;
}

export function useConnection(): Connection {
  const client = useClient();
  const subscribe = useCallback((changed: () => void) => client.on("state", changed), [client]);
  const state = useSyncExternalStore(
    subscribe,
    () => client.state,
    () => "idle" as const,
  );
  return { client, state, isConnected: state === "connected" };
}
