/** What campaigns have found, as it was written to the socket, whatever becomes of the generator. */
import { clientFrame, frameHeader, handshakeText } from "../socket/raw-client.ts";
import type { FuzzCase } from "./cases.ts";

const handshake = Buffer.from(handshakeText());
const times = (count: number, bytes: Buffer): Buffer => Buffer.concat(Array<Buffer>(count).fill(bytes));

export const found: readonly FuzzCase[] = [
  {
    // Each is answered by the library before a handler sees it: 0.2 s of nothing else for anybody. Now it is a flood.
    name: "pings of WebSocket's own without a pause",
    port: "public",
    writes: [handshake, times(300_000, clientFrame("", 9))],
    end: "wait",
  },
  {
    // No handler sees any of them, and the library reads on while its buffer of 512 KiB is filled. See SECURITY.md.
    name: "fragments of no bytes without a pause",
    port: "public",
    writes: [handshake, frameHeader(0, 1, false), times(300_000, frameHeader(0, 0, false))],
    end: "wait",
  },
];
