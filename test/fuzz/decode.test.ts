/**
 * Mutated frames through the decoder, and a naive model's opinion on each. Bounded and repeatable: run `i` uses the seed
 * `FUZZ_SEED + i`, so a failure names the one seed that shows it again, and `FUZZ_RUNS` asks for more of them.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { decode, type Format } from "../../src/protocol/decode.ts";
import { publicationHead, transcode } from "../../src/protocol/encode.ts";
import type { ClientMessage } from "../../src/protocol/messages.ts";
import { isRefusal, type Refusal } from "../../src/protocol/refusal.ts";
import { bytePieces, corpus, foreign, keys, packrs, plain, pool, textPieces } from "./material.ts";
import { judgeBytes, judgeText, type Verdict } from "./model.ts";
import { altered, Dice, damaged } from "./mutate.ts";

const firstSeed = Number(process.env.FUZZ_SEED ?? 20_260_101);
/** Of each of the four kinds. */
const runs = Number(process.env.FUZZ_RUNS ?? 50_000);
const limits = { depthMax: 6, batchItemsMax: 4 };

const kinds: Readonly<Record<string, { format: Format; frame(dice: Dice): Buffer }>> = {
  "JSON with damaged bytes": {
    format: "json",
    frame: (dice) => damaged(Buffer.from(JSON.stringify(dice.of(corpus))), textPieces, dice),
  },
  "JSON with other values": {
    format: "json",
    frame: (dice) => Buffer.from(JSON.stringify(altered(dice.of(corpus), pool, keys, dice))),
  },
  "MessagePack with damaged bytes": {
    format: "msgpack",
    frame: (dice) => damaged(plain.pack(dice.of(corpus)), bytePieces, dice),
  },
  "MessagePack with other values": {
    format: "msgpack",
    frame: (dice) => Buffer.from(dice.of(packrs).pack(altered(dice.of(corpus), [...pool, ...foreign], keys, dice))),
  },
};

const codes = ["invalid_message", "unknown_action", "missing_field", "invalid_field", "invalid_channel"];
const actions = ["subscribe", "unsubscribe", "message", "authenticate", "presence", "history", "ping", "pong", "batch"];

describe("decode, against a naive model", () => {
  for (const [kind, { format, frame }] of Object.entries(kinds))
    it(`agrees on ${runs} frames of ${kind}, and never throws`, () => {
      const seen = new Set<string>();
      for (let i = 0; i < runs; i += 1) {
        const bytes = frame(new Dice(firstSeed + i));
        try {
          seen.add(compare(bytes, format));
        } catch (error) {
          const input = format === "json" ? JSON.stringify(bytes.toString()) : bytes.toString("hex");
          assert.fail(`FUZZ_SEED=${firstSeed + i} shows it: ${input.slice(0, 2000)}\n${(error as Error).stack}`);
        }
      }
      // The mutations are worth something only while they still reach every outcome.
      if (runs >= 50_000) for (const outcome of [...codes, ...actions]) assert.equal(seen.has(outcome), true, outcome);
    });
});

/** Throws where the decoder and the model differ; otherwise what both found: a code, or an action. */
function compare(bytes: Buffer, format: Format): string {
  const decoded = decode(bytes, true, format, limits);
  const verdict = format === "json" ? judgeText(bytes, limits) : judgeBytes(bytes, limits);
  assert.deepEqual(summary(decoded), expected(verdict));
  if (isRefusal(decoded)) return decoded.code;
  if (decoded.action === "message") checkOutgoing(decoded.channel, decoded.messageJson, bytes.length);
  return decoded.action;
}

/** A published value is no larger than its frame allows, and goes out whole in both encodings. */
function checkOutgoing(channel: string, messageJson: string, frameBytes: number): void {
  assert.equal(messageJson.length <= 6 * frameBytes, true, "a frame unfolds"); // a control character becomes \u0000
  const frame = `${publicationHead(channel, 1, messageJson, 2, '"u"')}}`;
  assert.deepEqual(Object.keys(JSON.parse(frame)), ["action", "channel", "sender", "message", "time", "user_id"]);
  assert.equal(transcode(frame)[0], 0x86);
}

function summary(result: ClientMessage | Refusal): unknown {
  if (isRefusal(result)) return { code: result.code };
  const items = result.action === "batch" ? { items: result.items.map(summary) } : {};
  return { message: withoutAbsent({ ...result, ...items }) };
}

function expected(verdict: Verdict): unknown {
  if ("code" in verdict) return verdict;
  const { items } = verdict.message;
  return items === undefined ? verdict : { message: { ...verdict.message, items: (items as Verdict[]).map(expected) } };
}

const withoutAbsent = (message: object): object =>
  Object.fromEntries(Object.entries(message).filter(([, value]) => value !== undefined));
