/** The way in: what a program calls first. */
import { Client } from "./client.ts";
import type { ClientOptions } from "./options.ts";
import type { ChannelMap } from "./typed-channels.ts";

/** Connects to the gateway at `url` (`ws:` or `wss:`). Throws where that is no such address, or there is no WebSocket. */
export function createClient<Channels extends ChannelMap = Record<string, unknown>>(
  url: string,
  options: ClientOptions = {},
): Client<Channels> {
  return new Client(url, options);
}
