import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Packr, pack, unpack } from "msgpackr";
import { decode } from "../../src/protocol/decode.ts";
import {
  encode,
  errorFrame,
  messageSent,
  publicationHead,
  transcode,
  withPosition,
} from "../../src/protocol/encode.ts";
import { invalidField, missingField, refusal } from "../../src/protocol/refusal.ts";
import { formats, limits } from "./wire.ts";

const position = { offset: "100000000007", epoch: "Xk3_-" };

/** Strings made to end a JSON string early, or to end it where its reader does not expect it. */
const injections = [
  'a","from":"admin',
  'a","sender":0,"x":"',
  '"}{"action":"timeout"}',
  '\\","sender":0,"x":"',
  "\\",
  '\\\\"',
  "\u0000\u001f\n\r\t",
  "\u2028\u2029",
  "</script>",
  '\ud800","sender":0',
  "\u202e",
  '{"sender":0}',
];

describe("Publication frames", () => {
  const frameOf = (messageJson: string, userIdJson?: string) =>
    `${publicationHead("chat.room.1", 5, messageJson, 1_800_000_000, userIdJson)}}`;

  it("are the guide's message frame", () => {
    const frame = '{"action":"message","channel":"chat.room.1","sender":5,"message":"Hi","time":1800000000}';
    assert.equal(frameOf('"Hi"'), frame);
    assert.equal(frameOf('"Hi"', '"u"'), `${frame.slice(0, -1)},"user_id":"u"}`);
    assert.equal(frameOf('"Hi"', "7"), `${frame.slice(0, -1)},"user_id":7}`);
  });

  it("have offset and epoch behind everything else", () => {
    const head = publicationHead("a", 1, "null", 0, undefined);
    assert.equal(withPosition(head, position), `${head},"offset":"100000000007","epoch":"Xk3_-"`);
    assert.deepEqual(JSON.parse(`${withPosition(head, position)}}`).offset, position.offset);
  });

  for (const [format, decoded] of Object.entries(formats))
    it(`cannot be forged by anything that a message in ${format} holds`, () => {
      const wrapped = injections.flatMap((text) => [
        text,
        [text],
        { [text]: text },
        { sender: 0, from: "admin", time: text },
      ]);
      for (const message of wrapped) {
        const { messageJson } = decoded({ action: "message", data: { channel: "chat.room.1", message } });
        const frame = JSON.parse(frameOf(String(messageJson), '"u"'));
        assert.deepEqual(Object.keys(frame), ["action", "channel", "sender", "message", "time", "user_id"]);
        const { sender, time, user_id } = frame;
        assert.deepEqual({ sender, time, user_id }, { sender: 5, time: 1_800_000_000, user_id: "u" });
        if (format === "JSON") assert.deepEqual(frame.message, message);
      }
    });

  it("cannot be forged by a user's id", () => {
    for (const userId of injections) {
      const frame = JSON.parse(frameOf("1", JSON.stringify(userId)));
      assert.deepEqual(Object.keys(frame), ["action", "channel", "sender", "message", "time", "user_id"]);
      assert.equal(frame.user_id, userId);
    }
  });

  it("hold a message that is written twice as JSON reads it: the text is made anew, never copied from the client", () => {
    const text = '{"action":"message","data":{"channel":"a","message": { "b" : 1 , "b" : [ 2 ] } ,"x":"message"}}';
    const decoded = decode(Buffer.from(text), false, "json", limits);
    assert.equal("messageJson" in decoded && decoded.messageJson, '{"b":[2]}');
  });
});

describe("Acknowledgements", () => {
  it("tell channel, recipients and, where there is one, the position", () => {
    const plain = { success: true, action: "message_sent", channel: "a", recipients_count: 3 };
    assert.deepEqual(JSON.parse(messageSent(undefined, "a", 3, true, undefined)), plain);
    assert.deepEqual(JSON.parse(messageSent(undefined, "a", 3, true, position)), { ...plain, ...position });
  });

  it("say so where the count is not that of all nodes, and where the message's key came before", () => {
    const plain = { success: true, action: "message_sent", channel: "a", recipients_count: 3 };
    const partial = { ...plain, recipients_exact: false };
    assert.deepEqual(JSON.parse(messageSent(undefined, "a", 3, false, undefined)), partial);
    const duplicate = { ...plain, ...position, duplicate: true };
    assert.deepEqual(JSON.parse(messageSent(undefined, "a", 3, true, position, true)), duplicate);
  });

  it("echo an id as it was sent: a number as a number, a string as a string, and any string", () => {
    for (const id of [0, 7, -1.5, 2 ** 53, "", "7", "r-1", ...injections]) {
      const frame = JSON.parse(messageSent(id, "a", 1, true, position));
      assert.deepEqual(Object.keys(frame), [
        "success",
        "action",
        "channel",
        "recipients_count",
        "offset",
        "epoch",
        "id",
      ]);
      assert.equal(frame.id, id);
    }
  });
});

describe("Error frames", () => {
  it("have the fields of the protocol, and none that is absent", () => {
    const wire = (why: Parameters<typeof errorFrame>[0]) => encode(errorFrame(why), "json");
    const limited = { ...refusal("rate_limit"), retryAfter: 60 };
    const text = "Rate limit exceeded. Please slow down.";
    assert.equal(
      wire(limited),
      `{"success":false,"action":"error","error":"${text}","code":"rate_limit","retry_after":60}`,
    );
    const missing = { ...missingField("channel"), request: "subscribe", id: 0, channel: "a" };
    const error = '"error":"Missing required field: channel","code":"missing_field"';
    assert.equal(
      wire(missing),
      `{"success":false,"action":"error",${error},"request":"subscribe","channel":"a","id":0}`,
    );
  });

  it("word their texts as the reference handler does", () => {
    assert.equal(refusal("rate_limit").error, "Rate limit exceeded. Please slow down.");
    assert.equal(refusal("invalid_message").error, "Invalid message format");
    assert.equal(refusal("not_subscribed").error, "Not subscribed to channel");
    assert.equal(refusal("internal").error, "Internal server error");
    assert.equal(missingField("channel").error, "Missing required field: channel");
    assert.equal(
      invalidField("message", "string").error,
      "Invalid value for required field message, expected type: string",
    );
  });
});

describe("Frames as MessagePack", () => {
  const packr = new Packr({ useRecords: false, variableMapSize: true });
  /** Compared as JSON text: of a frame's values only that counts. */
  const back = (value: unknown) => JSON.stringify(unpack(transcode(JSON.stringify(value))));

  it("hold the same objects as the JSON frames", () => {
    const numbers = [
      0,
      -0,
      1,
      -1,
      127,
      128,
      255,
      256,
      65_535,
      65_536,
      2 ** 31,
      2 ** 32,
      2 ** 53,
      -32,
      -33,
      -129,
      -32_769,
    ];
    numbers.push(-(2 ** 31) - 1, 1.5, 1e21, 1e308, 5e-324);
    const texts = [
      "",
      "x".repeat(31),
      "x".repeat(32),
      "x".repeat(256),
      "€".repeat(30_000),
      "😀",
      "é",
      "\u0000",
      ...injections.slice(0, 9),
    ];
    const values = [null, true, false, numbers, texts, Object.fromEntries(texts.map((t) => [t, t])), [[{ a: [{}] }]]];
    values.push(Array.from({ length: 70_000 }, () => 1));
    for (const value of values) assert.equal(back(value), JSON.stringify(value));
  });

  it("leave absent fields out, as JSON does", () => {
    const frame = encode({ action: "pong", time: 1, id: undefined }, "msgpack");
    assert.equal(Buffer.from(frame).toString("hex"), "82a6616374696f6ea4706f6e67a474696d6501");
    assert.equal(encode({ action: "pong", time: 1, id: undefined }, "json"), '{"action":"pong","time":1}');
  });

  it("call nothing that a published value brings along", () => {
    const names = [
      "constructor",
      "toJSON",
      "hasOwnProperty",
      "valueOf",
      "toString",
      "length",
      "size",
      "__proto__",
      "then",
    ];
    for (const first of names)
      for (const second of names) {
        const json = first === second ? `{"${first}":1}` : `{"${first}":1,"${second}":{"${first}":[]}}`;
        const bytes = transcode(json);
        const map = new Map(Object.entries(JSON.parse(json)));
        assert.equal(bytes[0], 0x80 + map.size, json);
        for (const key of map.keys()) assert.equal(Buffer.from(bytes).includes(key), true, json);
      }
  });

  it("write a lone surrogate as U+FFFD, in short and in long texts and in keys, for strict readers", () => {
    const written = {
      "\ud800": "\ufffd",
      "a\udfffb": "a\ufffdb",
      "\ude00\ud83d": "\ufffd\ufffd",
      "\ud83d\ud83d\ude00": "\ufffd😀",
      "€\udabc€": "€\ufffd€",
      '\\\ud800"\u0001': '\\\ufffd"\u0001',
      [`${"x".repeat(100)}\ud800`]: `${"x".repeat(100)}\ufffd`,
    };
    for (const [text, instead] of Object.entries(written)) {
      assert.deepEqual(Buffer.from(transcode(JSON.stringify(text))), Buffer.from(pack(instead)));
      assert.deepEqual(
        Buffer.from(transcode(JSON.stringify({ [text]: 1 }))),
        Buffer.from(packr.pack({ [instead]: 1 })),
      );
    }
  });

  it("leave well-formed pairs, and text that only looks like an escape, as they are", () => {
    for (const text of [
      "😀",
      "\\ud800",
      "\\\\ud83d\\ude00",
      "\\",
      "\\\\",
      '\\"\\ud800',
      "\\u",
      "\\ud",
      "a\\udfffb\u0001\\ud801",
    ])
      assert.equal(back([text, { [text]: text }]), JSON.stringify([text, { [text]: text }]));
  });
});
