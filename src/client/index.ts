/** The client, `tidegate/client`: for browsers, Node, Deno and Bun. */
export type { Channel, HistoryOptions, PublishOptions } from "./channel.ts";
export type { Client } from "./client.ts";
export { type Codec, json } from "./codec.ts";
export { createClient } from "./create-client.ts";
export { type ClientErrorCode, TidegateError } from "./errors.ts";
export type * from "./frames.ts";
export type { ConnectionState } from "./link.ts";
export type { ChannelEvents, SubscribeOptions } from "./listener.ts";
export type { ClientCounters, ClientEvents, ClientOptions } from "./options.ts";
export type { BatchItem, Reply } from "./requests.ts";
export type { Socket, SocketConstructor, Surroundings } from "./surroundings.ts";
export type { TokenSource } from "./tokens.ts";
export type { ChannelMap, MessageOn } from "./typed-channels.ts";
