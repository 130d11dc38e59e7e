/**
 * The topics of the node's sockets, and which channel each of them is. uWebSockets.js publishes bytes, so a channel has a
 * topic for each encoding; `~`, `=` and `!` occur in no channel's name.
 */
import type { Socket } from "../connection/connection.ts";
import type { EncodedFrame } from "../protocol/encode.ts";
import type { Encoding } from "../protocol/encoding.ts";

export interface Topics {
  /** `except` is left out, where it has subscribed to `topic`. */
  publish(topic: string, frame: EncodedFrame, isBinary: boolean, except: Socket | undefined): void;
  numSubscribers(topic: string): number;
}

export const topicOf = (channel: string, { topicPrefix }: Encoding): string => topicPrefix + channel;
/** `undefined` for a topic that is no channel's: a connection's own. */
export const channelOf = (topic: string): string | undefined =>
  topic.startsWith("!") ? undefined : topic.replace(/^[~=]+/, "");
/** The channels among a connection's topics. */
export const channelsOf = (topics: readonly string[]): string[] =>
  topics.map(channelOf).filter((channel) => channel !== undefined);
