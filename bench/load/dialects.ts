/**
 * How each kind of server is spoken to: its path, its greeting, and the texts that subscribe and publish. Texts of all
 * but Socket.IO and Centrifugo are the same bytes, about 100 for a message of 40 characters; what a server makes of them
 * on the way to the subscribers is its own affair. Nobody answers pings: no measurement lasts as long as their time-outs.
 */
import { Packr } from "msgpackr";
import { clientFrame } from "./frames.ts";

/** Where a client stood in a channel with history. */
export interface Since {
  readonly offset: string;
  readonly epoch: string;
}

export interface Dialect {
  readonly path: string;
  /** Sent once the connection is open, and what stands in the answer. `greeted` alone: the server speaks first. */
  readonly greeting?: (token: string) => string;
  readonly greeted?: string;
  readonly subscribe: (channel: string, since?: Since) => string;
  /** Stands in the answer to `subscribe`, and in no frame before it. */
  readonly subscribed: string;
  readonly publish: (channel: string, text: string) => string;
  /** What stands right before the text of a message in a frame that brings one. */
  readonly mark: string;
  /** The byte that tells a message from any other frame, and its place in the payload. */
  readonly messageByte: { readonly at: number; readonly byte: number };
  /** What begins each message where one frame may bring several, parted by line feeds. */
  readonly lineOfMessage?: string;
  /** Frames are written as JSON and packed. */
  readonly isMsgpack?: boolean;
}

const code = (character: string): number => character.charCodeAt(0);

const json: Dialect = {
  path: "/",
  subscribe: (channel, since) => JSON.stringify({ action: "subscribe", data: { channel, options: { since } } }),
  subscribed: '"action":"subscribe"',
  publish: (channel, text) => `{"action":"message","data":{"channel":"${channel}","message":"${text}"}}`,
  mark: '"message":"',
  messageByte: { at: 11, byte: code("m") }, // {"action":"m
};

const tidegate: Dialect = { ...json, greeted: '"action":"welcome"' };

export const dialects = {
  tidegate,
  "tidegate-msgpack": {
    ...tidegate,
    path: "/?format=msgpack",
    greeted: "welcome",
    subscribed: "subscribe",
    messageByte: { at: 9, byte: code("m") }, // a map of less than 16 fields, then "action" and "message" with a byte of length each
    isMsgpack: true,
  },
  "tidegate-batches": { ...tidegate, path: "/?batch=true" },
  ws: json,
  raw: { ...json, subscribe: (channel) => `+${channel}`, subscribed: "+" },
  "socket.io": {
    path: "/socket.io/?EIO=4&transport=websocket",
    greeting: () => "40",
    greeted: '40{"sid"',
    subscribe: (channel) => `420["subscribe","${channel}"]`,
    subscribed: "430[]",
    publish: (channel, text) => `42["message","${channel}","${text}"]`,
    mark: '42["message","',
    messageByte: { at: 4, byte: code("m") },
  },
  centrifugo: {
    path: "/connection/websocket",
    greeting: (token) => `{"id":1,"connect":{"token":"${token}"}}`,
    greeted: '"connect":{',
    subscribe: (channel) => `{"id":2,"subscribe":{"channel":"${channel}"}}`,
    subscribed: '"subscribe":{',
    publish: (channel, text) => `{"id":3,"publish":{"channel":"${channel}","data":{"message":"${text}"}}}`,
    mark: '"message":"',
    messageByte: { at: 2, byte: code("p") }, // {"p of {"push"
    lineOfMessage: '{"push"',
  },
} satisfies Record<string, Dialect> as Readonly<Record<string, Dialect>>;

const packr = new Packr({ useRecords: false, variableMapSize: true });

/** One of a dialect's texts as a masked frame. */
export function frameOf(dialect: Dialect, text: string): Buffer {
  return dialect.isMsgpack === true ? clientFrame(packr.pack(JSON.parse(text)), true) : clientFrame(text);
}
