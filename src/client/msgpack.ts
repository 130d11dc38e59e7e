/** MessagePack for the client, an import of its own because it brings msgpackr along: `{ format: msgpack }`. */
import { Packr, Unpackr } from "msgpackr";
import type { Codec } from "./codec.ts";

const packr = new Packr({ useRecords: false, variableMapSize: true });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: "number" });

export const msgpack: Codec = {
  protocol: "tidegate.msgpack.v1",
  // Through JSON: what has no form there is treated as JSON treats it, and absent fields are absent.
  encode: (frame) => packr.pack(JSON.parse(JSON.stringify(frame))),
  decode: (data) => unpackr.unpack(new Uint8Array(data as ArrayBuffer)),
};
