/** Frames to and from what travels. JSON is here; MessagePack is `msgpack.ts`, for whoever imports it. */
export interface Codec {
  /** The subprotocols that ask the gateway for this encoding, the best first; the others are for older gateways. */
  readonly protocols: readonly string[];
  encode(frame: object): string | Uint8Array;
  /** To a frame, or to an array of them. Throws where `data` is neither. */
  decode(data: unknown): unknown;
}

export const json: Codec = {
  protocols: ["tidegate.json.batch.v1", "tidegate.json.v1"],
  encode: (frame) => JSON.stringify(frame),
  decode: (data) => JSON.parse(data as string),
};

const utf8 = new TextEncoder();

export const byteLength = (data: string | Uint8Array): number =>
  typeof data === "string" ? utf8.encode(data).length : data.length;
