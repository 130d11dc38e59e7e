/** The process of `micro`: parts of the hot path by themselves, measured by mitata. Prints `Record<string, number>` in ns. */
import { do_not_optimize, measure } from "mitata";
import { connectionId, slotOf } from "../../src/connection/slots.ts";
import { TokenBuckets } from "../../src/limit/token-buckets.ts";
import { type DecodeLimits, decode } from "../../src/protocol/decode.ts";
import { messageSent, publicationHead, transcode } from "../../src/protocol/encode.ts";
import { dialects, frameOf } from "./dialects.ts";
import { answer, readJob } from "./job.ts";
import { textOf } from "./publisher.ts";

const { milliseconds } = readJob<{ milliseconds: number }>();
const limits: DecodeLimits = { depthMax: 32, batchItemsMax: 100 };
const headerBytes = 6; // a client's frame under 126 bytes
const payload = (dialect: "tidegate" | "tidegate-msgpack"): ArrayBuffer => {
  const frame = frameOf(dialects[dialect]!, dialects[dialect]!.publish("room.42", textOf(1)));
  return new Uint8Array(frame.subarray(headerBytes)).buffer;
};
const [json, packed] = [payload("tidegate"), payload("tidegate-msgpack")];
const subscribe = new TextEncoder().encode(dialects.tidegate!.subscribe("room.42"));
const text = JSON.stringify(textOf(1));
const head = publicationHead("room.42", 42, text, 1_700_000_000, '"42"');
/** Texts are written out: until then V8 only notes which parts they consist of. */
const out = Buffer.alloc(1024);
const buckets = new TokenBuckets(1000, 1, 1024);
let last = 0;
const next = (): number => {
  last = (last + 1) & 1023;
  return last;
};

const operations: Readonly<Record<string, () => unknown>> = {
  "decode message, JSON": () => decode(json, false, "json", limits),
  "decode message, MessagePack": () => decode(packed, true, "msgpack", limits),
  "decode subscribe, JSON": () => decode(subscribe, false, "json", limits),
  "encode message": () => out.write(publicationHead("room.42", next(), text, 1_700_000_000, '"42"')),
  "encode acknowledgement": () => out.write(messageSent(undefined, "room.42", next(), true, undefined)),
  "encode MessagePack from JSON": () => transcode(`${head}}`),
  "take a token": () => buckets.take(next(), 1, last),
  "connection id and its slot": () => slotOf(connectionId(3, 7, next())),
};

const results: Record<string, number> = {};
for (const [name, run] of Object.entries(operations)) {
  const stats = await measure(() => do_not_optimize(run()), { min_cpu_time: milliseconds * 1e6 });
  results[name] = stats.p50;
}
answer(results);
process.exit(0);
