/** MessagePack for the client, an import of its own because it brings msgpackr along: `{ format: msgpack }`. */
import { Packr, Unpackr } from "msgpackr";
import type { Codec } from "./codec.ts";

const packr = new Packr({ useRecords: false, variableMapSize: true });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: "number" });

export const msgpack: Codec = {
  protocols: ["tidegate.msgpack.batch.v1", "tidegate.msgpack.v1"],
  // Through JSON: what has no form there is treated as JSON treats it, and absent fields are absent.
  encode(frame) {
    const text = JSON.stringify(frame);
    // The gateway does not read such a map, and could not say whose it was. In a text the quotes would be escaped.
    if (text.includes('"__proto__":')) throw new TypeError("MessagePack has no field __proto__");
    return packr.pack(JSON.parse(text));
  },
  decode: (data) => unpackr.unpack(new Uint8Array(data as ArrayBuffer)),
};
