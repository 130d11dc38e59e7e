/** React hooks over the client, `tidegate/react`. */
export { TidegateProvider, type TidegateProviderProps, useClient } from "./context.ts";
export { type ListedMessage, type UseChannelOptions, type UsedChannel, useChannel } from "./use-channel.ts";
export { type Connection, useConnection } from "./use-connection.ts";
export { type UsedPresence, usePresence } from "./use-presence.ts";
