/** The ways in which frames travel to a connection: what it chooses when it connects, and keeps. */
import type { Format } from "./decode.ts";

/** There is one object for each way. */
export interface Encoding {
  readonly format: Format;
  /** Publications that leave at the same time come in one frame: an array of what would be frames. */
  readonly isBatched: boolean;
  /** The subprotocol that asks for it. */
  readonly subprotocol: string;
  /** uWebSockets.js publishes bytes, so each encoding has topics of its own: this, and the channel's name behind it. */
  readonly topicPrefix: string;
}

/** What a connection gets that asks for nothing. */
export const plainJson: Encoding = {
  format: "json",
  isBatched: false,
  subprotocol: "tidegate.json.v1",
  topicPrefix: "",
};

/** Of several that a client offers it gets the first of these. */
export const encodings: readonly Encoding[] = [
  { format: "msgpack", isBatched: true, subprotocol: "tidegate.msgpack.batch.v1", topicPrefix: "~=" },
  { format: "msgpack", isBatched: false, subprotocol: "tidegate.msgpack.v1", topicPrefix: "~" },
  { format: "json", isBatched: true, subprotocol: "tidegate.json.batch.v1", topicPrefix: "=" },
  plainJson,
];
