/** Frames to and from what travels. JSON is here; MessagePack is `msgpack.ts`, for whoever imports it. */
export interface Codec {
  /** The subprotocol that asks the gateway for this encoding. */
  readonly protocol: string;
  encode(frame: object): string | Uint8Array;
  /** Throws where `data` is no frame. */
  decode(data: unknown): unknown;
}

export const json: Codec = {
  protocol: "tidegate.json.v1",
  encode: (frame) => JSON.stringify(frame),
  decode: (data) => JSON.parse(data as string),
};

const utf8 = new TextEncoder();

export const byteLength = (data: string | Uint8Array): number =>
  typeof data === "string" ? utf8.encode(data).length : data.length;
