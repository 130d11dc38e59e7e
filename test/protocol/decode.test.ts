import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { pack } from "msgpackr";
import { decode } from "../../src/protocol/decode.ts";
import { formats, fromText, limits, malformed, nested, refused, shown } from "./wire.ts";

/** One complete frame of each action, and the message that it becomes. */
const complete: Readonly<Record<string, { data?: Record<string, unknown>; message: Record<string, unknown> }>> = {
  subscribe: {
    data: {
      channel: "chat.room.1",
      options: { since: { offset: "100000000007", epoch: "Xk3" }, history: 20, presence: true },
      token: "t",
    },
    message: {
      channel: "chat.room.1",
      since: { offset: "100000000007", epoch: "Xk3" },
      history: 20,
      presence: true,
      token: "t",
    },
  },
  unsubscribe: { data: { channel: "chat.room.1" }, message: { channel: "chat.room.1" } },
  message: {
    data: { channel: "a", message: { text: "Hi" }, recipients: [1, "2"], users: ["u", 7], echo: false, key: "k" },
    message: {
      channel: "a",
      messageJson: '{"text":"Hi"}',
      target: { connections: [1, 2], users: ["u", "7"] },
      echo: false,
      key: "k",
    },
  },
  authenticate: { data: { token: "t" }, message: { token: "t" } },
  presence: { data: { channel: "a" }, message: { channel: "a" } },
  history: { data: { channel: "a", limit: 0, before: "9" }, message: { channel: "a", limit: 0, before: "9" } },
  ping: { message: {} },
  batch: { data: { items: [{ action: "ping", id: 1 }] }, message: { items: [{ action: "ping", id: 1 }] } },
};

/** What is expected of each field, where it may stand, and values that it must not have. */
const fields: readonly { of: string; field: string; expected: string; isRequired?: true; wrong: unknown[] }[] = [
  ...["subscribe", "unsubscribe", "message", "presence", "history"].map((of) => ({
    of,
    field: "channel",
    expected: "string",
    isRequired: true as const,
    wrong: [0, 7, 1.5, true, false, [], ["a"], {}, { a: 1 }],
  })),
  { of: "subscribe", field: "options", expected: "object", wrong: [7, false, "x", "", [], [{}]] },
  {
    of: "subscribe",
    field: "options.since",
    expected: "object with offset and epoch",
    wrong: [7, true, "9", [], ["9"]],
  },
  ...["options.since.offset", "options.since.epoch"].map((field) => ({
    of: "subscribe",
    field,
    expected: "string of 1 to 128 characters",
    wrong: [7, true, [], {}, "", "x".repeat(129), null, undefined],
  })),
  {
    of: "subscribe",
    field: "options.history",
    expected: "whole number, 0 or more",
    wrong: [-1, 1.5, "1", true, [], {}, 2 ** 53],
  },
  { of: "subscribe", field: "options.presence", expected: "boolean", wrong: [0, 1, "true", [], {}] },
  { of: "subscribe", field: "token", expected: "string", wrong: [0, 7, true, [], {}] },
  { of: "message", field: "echo", expected: "boolean", wrong: [0, 1, "false", "", [], {}] },
  {
    of: "message",
    field: "key",
    expected: "string of 1 to 128 characters",
    wrong: [7, true, [], {}, "", "x".repeat(129)],
  },
  ...["recipients", "connections", "users"].map((field) => ({
    of: "message",
    field,
    expected: "array of numbers or strings",
    wrong: [7, true, "1", "", {}, { 0: 1 }, [true], [null], [[1]], [{}], [1, "2", null]],
  })),
  { of: "authenticate", field: "token", expected: "string", isRequired: true, wrong: [0, 7, true, [], ["t"], {}] },
  {
    of: "history",
    field: "limit",
    expected: "whole number, 0 or more",
    wrong: [-1, 0.5, "1", true, [], {}, 2 ** 53],
  },
  {
    of: "history",
    field: "before",
    expected: "string of 1 to 128 characters",
    wrong: [7, true, [], {}, "", "x".repeat(129)],
  },
  { of: "batch", field: "items", expected: "array", isRequired: true, wrong: [7, true, "x", "", {}, { 0: {} }] },
];

/** The complete data of an action with one field replaced; `undefined` leaves it out. */
function changed(action: string, path: string, value: unknown): Record<string, unknown> {
  const data = structuredClone(complete[action]!.data ?? {});
  const names = path.split(".");
  const last = names.pop()!;
  const holder = names.reduce((object, name) => object[name] as Record<string, unknown>, data);
  holder[last] = value;
  return data;
}

const said = (value: unknown): string => {
  const text = value === undefined ? "left out" : JSON.stringify(value);
  return text.length > 40 ? `a string of ${text.length - 2}` : text;
};

for (const [format, decoded] of Object.entries(formats)) {
  describe(`decode: a complete frame in ${format}`, () => {
    for (const [action, { data, message }] of Object.entries(complete))
      it(`reads ${action}`, () => {
        assert.deepEqual(decoded({ action, data, id: "r1" }), { action, id: "r1", ...message });
      });

    it("reads pong, to which there is no reply and no id", () => {
      assert.deepEqual(decoded({ action: "pong", id: 1 }), { action: "pong" });
      assert.deepEqual(decoded({ action: "pong", data: {} }), { action: "pong" });
    });

    it("ignores unknown keys at every level", () => {
      for (const [action, { data = {}, message }] of Object.entries(complete)) {
        const options = data.options && { ...data.options, more: [1], limit: "x" };
        const frame = { action, time: 1, error: "x", data: { ...data, options, more: { a: [] }, code: 1 }, version: 2 };
        assert.deepEqual(decoded(frame), { action, ...message });
      }
    });

    it("takes null for an optional field as if it were absent", () => {
      for (const { of, field, isRequired, wrong } of fields) {
        if (isRequired || wrong.includes(null)) continue;
        const without = decoded({ action: of, data: changed(of, field, undefined) });
        assert.equal(without.success, undefined, `${of} without ${field}`);
        assert.deepEqual(decoded({ action: of, data: changed(of, field, null) }), without, `${of} with ${field}: null`);
      }
    });

    it("reads absent options as: nothing replayed, no members", () => {
      const plain = { action: "subscribe", channel: "a", history: 0, presence: false };
      for (const options of [undefined, null, {}, { since: null, history: null, presence: null }])
        assert.deepEqual(decoded({ action: "subscribe", data: { channel: "a", options } }), plain);
    });
  });

  describe(`decode: a field that is missing or of a wrong type, in ${format}`, () => {
    for (const { of, field, expected, isRequired, wrong } of fields) {
      const context = { request: of, id: 7 };
      const channelOf = (data: Record<string, unknown>) =>
        typeof data.channel === "string" ? { channel: data.channel } : {};
      if (isRequired)
        it(`answers Missing required field: ${field} when ${of} has none`, () => {
          const answer = refused("missing_field", `Missing required field: ${field}`, context);
          assert.deepEqual(decoded({ action: of, data: changed(of, field, undefined), id: 7 }), answer);
          assert.deepEqual(decoded({ action: of, data: changed(of, field, null), id: 7 }), answer);
          assert.deepEqual(decoded({ action: of, data: {}, id: 7 }), answer);
          assert.deepEqual(decoded({ action: of, data: null, id: 7 }), answer);
          assert.deepEqual(decoded({ action: of, id: 7 }), answer);
        });
      it(`answers Invalid value for required field ${field} when that of ${of} is no ${expected}`, () => {
        const error = `Invalid value for required field ${field}, expected type: ${expected}`;
        for (const value of wrong) {
          const data = changed(of, field, value);
          const answer = refused("invalid_field", error, { ...context, ...channelOf(data) });
          assert.deepEqual(decoded({ action: of, data, id: 7 }), answer, said(value));
        }
      });
    }

    it("answers Missing required field: message when a message has none, and takes null for a message", () => {
      const answer = refused("missing_field", "Missing required field: message", { request: "message", channel: "a" });
      assert.deepEqual(decoded({ action: "message", data: { channel: "a" } }), answer);
      assert.equal(decoded({ action: "message", data: { channel: "a", message: null } }).messageJson, "null");
    });

    it("answers for data that is no object, whatever the action", () => {
      const error = "Invalid value for required field data, expected type: object";
      for (const action of [...Object.keys(complete), "pong"])
        for (const data of ["x", "", 0, 7, true, false, [], [{ channel: "a" }]])
          assert.deepEqual(decoded({ action, data }), refused("invalid_field", error, { request: action }), said(data));
    });

    it("takes any JSON value for a message", () => {
      for (const message of ["", "a", 0, -1.5, 1e21, true, false, null, [], {}, [[], {}], { a: { b: [null] } }])
        assert.equal(
          decoded({ action: "message", data: { channel: "a", message } }).messageJson,
          JSON.stringify(message),
        );
    });

    it("accepts texts at their longest and refuses them one character longer", () => {
      const longest = "x".repeat(128);
      const since = { offset: longest, epoch: longest };
      assert.deepEqual(decoded({ action: "subscribe", data: { channel: "a", options: { since } } }).since, since);
      assert.equal(decoded({ action: "message", data: { channel: "a", message: 1, key: longest } }).key, longest);
      assert.equal(decoded({ action: "history", data: { channel: "a", before: longest } }).before, longest);
    });
  });

  describe(`decode: what is no request, in ${format}`, () => {
    it("answers Invalid message format when the frame is no object with an action", () => {
      const frames = [null, true, 7, "ping", "", [], [{ action: "ping" }], {}, { Action: "ping" }, { data: {} }];
      for (const frame of frames) assert.deepEqual(decoded(frame), malformed, JSON.stringify(frame));
      for (const action of [null, 7, true, [], ["ping"], {}])
        assert.deepEqual(decoded({ action, id: 7 }), malformed, said(action));
    });

    it("answers Unknown action when there is none of that name, and quotes no more than 64 characters", () => {
      const names = [
        "",
        "Subscribe",
        "ping ",
        "publish",
        "__proto__",
        "constructor",
        "toString",
        "error",
        "a\n\u202eb",
      ];
      for (const action of names)
        assert.deepEqual(decoded({ action, id: 1 }), refused("unknown_action", `Unknown action: ${action}`, { id: 1 }));
      const long = decoded({ action: "x".repeat(10_000) });
      assert.deepEqual(long, refused("unknown_action", `Unknown action: ${"x".repeat(64)}`));
    });

    it("names the channel in a refusal only where it is a well-formed name", () => {
      const about = (channel: unknown) => decoded({ action: "nonsense", data: { channel } }).channel;
      assert.equal(about("chat.room.1"), "chat.room.1");
      for (const channel of ["", "a b", "*", 'a","from":"admin', "x".repeat(201), 7, null, ["a"]])
        assert.equal(about(channel), undefined, said(channel));
    });

    it("echoes an id that is a string or a number, and ignores any other", () => {
      for (const id of ["", "r-1", "x".repeat(1000), 0, 7, -1.5, 2 ** 53]) {
        assert.deepEqual(decoded({ action: "ping", id }), { action: "ping", id });
        assert.equal(decoded({ action: "nonsense", id }).id, id);
        assert.equal(decoded({ action: "presence", id }).id, id);
      }
      for (const id of [true, null, [], [1], {}, { a: 1 }])
        assert.deepEqual(decoded({ action: "ping", id }), { action: "ping" });
    });
  });

  describe(`decode: recipients, in ${format}`, () => {
    const target = (data: object) => decoded({ action: "message", data: { channel: "a", message: 1, ...data } }).target;
    const nobody = { connections: [], users: [] };

    it("reads absent, null and empty recipients as everyone", () => {
      for (const data of [
        {},
        { recipients: null },
        { recipients: [] },
        { recipients: [], users: null, connections: null },
      ])
        assert.equal(target(data), undefined, JSON.stringify(data));
    });

    it("compares ids loosely: a number, and its text, are the same connection", () => {
      assert.deepEqual(target({ recipients: ["1", 2, " 3 ", "4.0"] }), { connections: [1, 2, 3, 4], users: [] });
      assert.deepEqual(target({ connections: ["1", 2] }), { connections: [1, 2], users: [] });
      assert.deepEqual(target({ users: [7, "7", "x"] }), { connections: [], users: ["7", "7", "x"] });
    });

    it("ignores ids that can be no connection's, and never widens to everyone for it", () => {
      for (const recipients of [["x"], [1.5], [2 ** 53], ["NaN", "Infinity", "1e400"], ["9007199254740993"]])
        assert.deepEqual(target({ recipients }), nobody, JSON.stringify(recipients));
      assert.deepEqual(target({ recipients: ["x", 3] }), { connections: [3], users: [] });
    });

    it("reads empty connections or users as nobody", () => {
      for (const data of [
        { connections: [] },
        { users: [] },
        { connections: [], users: [] },
        { recipients: [], users: [] },
      ])
        assert.deepEqual(target(data), nobody, JSON.stringify(data));
    });

    it("means whoever stands in one of the lists, where several are given", () => {
      const data = { recipients: [1], connections: [2], users: ["u"] };
      assert.deepEqual(target(data), { connections: [1, 2], users: ["u"] });
      assert.deepEqual(target({ recipients: [], users: ["u"] }), { connections: [], users: ["u"] });
      assert.deepEqual(target({ recipients: [1], connections: [] }), { connections: [1], users: [] });
    });
  });

  describe(`decode: batch, in ${format}`, () => {
    const batch = (items: unknown[], given = limits) => decode(encoded(items), format !== "JSON", kind, given);
    const kind = format === "JSON" ? "json" : "msgpack";
    const encoded = (items: unknown[]) => {
      const frame = { action: "batch", data: { items } };
      return format === "JSON" ? Buffer.from(JSON.stringify(frame)) : pack(frame);
    };
    const items = (list: unknown[], given = limits) => {
      const message = batch(list, given);
      if (!("items" in message)) throw new Error(`no batch: ${JSON.stringify(message)}`);
      return message.items.map(shown);
    };

    it("decodes each item by itself: a bad one does not spoil the others", () => {
      const list = [
        { action: "ping", id: 1 },
        7,
        { action: "presence", id: 2 },
        null,
        [],
        { action: "x" },
        { action: "pong" },
      ];
      assert.deepEqual(items(list), [
        { action: "ping", id: 1 },
        malformed,
        refused("missing_field", "Missing required field: channel", { request: "presence", id: 2 }),
        malformed,
        malformed,
        refused("unknown_action", "Unknown action: x"),
        { action: "pong" },
      ]);
    });

    it("refuses a batch inside a batch with its own id, and looks no further into it", () => {
      const inner = { action: "batch", id: "in", data: { items: [{ action: "ping" }] } };
      const answer = refused("invalid_message", "Invalid message format: a batch inside a batch", { request: "batch" });
      assert.deepEqual(items([inner, { action: "batch" }]), [{ ...answer, id: "in" }, answer]);
    });

    it("takes as many items as allowed, and refuses the whole batch for one more", () => {
      const pings = (count: number) => Array.from({ length: count }, () => ({ action: "ping" }));
      assert.equal(items(pings(100)).length, 100);
      assert.deepEqual(items([]), []);
      const error = "Invalid value for required field items, expected type: array of at most 100 items";
      assert.deepEqual(shown(batch(pings(101))), refused("invalid_field", error, { request: "batch" }));
    });
  });

  describe(`decode: depth, in ${format}`, () => {
    const publish = (messageJson: string, depthMax = 32) =>
      decoded({ action: "message", data: { channel: "a", message: JSON.parse(messageJson) } }, { ...limits, depthMax });
    const objects = (levels: number) => '{"a":'.repeat(levels) + "1".concat("}".repeat(levels));
    const tooDeep = (depthMax: number) => {
      const error = `Invalid value for required field message, expected type: JSON value of at most ${depthMax} levels`;
      return refused("invalid_field", error, { request: "message", channel: "a" });
    };

    it("carries a message at the deepest allowed level, and refuses one level more", () => {
      for (const depthMax of [1, 2, 32, 128]) {
        for (const message of [
          nested(depthMax),
          nested(depthMax, '"x"'),
          objects(depthMax),
          nested(depthMax - 1, "{}"),
        ])
          assert.equal(publish(message, depthMax).messageJson, message);
        for (const message of [nested(depthMax + 1), objects(depthMax + 1), `[0,${nested(depthMax)}]`])
          assert.deepEqual(publish(message, depthMax), tooDeep(depthMax));
      }
    });

    it("counts the levels of a message in a batch from the message, not from the batch", () => {
      const item = (levels: number) => ({
        action: "message",
        data: { channel: "a", message: JSON.parse(nested(levels)) },
      });
      const { items } = decoded({ action: "batch", data: { items: [item(32), item(33)] } }) as { items: object[] };
      assert.equal((items[0] as { messageJson: string }).messageJson, nested(32));
      assert.equal((items[1] as { code: string }).code, "invalid_field");
    });
  });
}

describe("decode: JSON of its own kind", () => {
  const publish = (message: string) => fromText(`{"action":"message","data":{"channel":"a","message":${message}}}`);

  it("answers Invalid message format for everything that is no JSON", () => {
    const texts = [
      "",
      " ",
      "{",
      "}",
      "[",
      "nul",
      "NaN",
      "Infinity",
      "undefined",
      "'a'",
      "{'action':'ping'}",
      "01",
      "1.",
      ".5",
    ];
    texts.push('{"action":"ping",}', '{"action":"ping"}{"action":"ping"}', '{"action":"ping"} x', '{action:"ping"}');
    texts.push(
      '{"action":"pi\nng"}',
      '{"action":"\\x70ing"}',
      '{"action":"\\u00"}',
      '/**/{"action":"ping"}',
      "+1",
      "0x1",
    );
    texts.push(
      '\ufeff{"action":"ping"}',
      '{"action":"ping"}\u0000',
      '{"action"}',
      '{"action":}',
      "[1,]",
      "{,}",
      "--1",
      "1e",
    );
    for (const text of texts) assert.deepEqual(fromText(text), malformed, JSON.stringify(text));
  });

  it("answers Invalid message format for invalid UTF-8, which only a binary frame can bring this far", () => {
    const bytes = (hex: string) =>
      Buffer.concat([Buffer.from('{"action":"'), Buffer.from(hex, "hex"), Buffer.from('"}')]);
    for (const hex of ["ff", "c0af", "eda080", "f5808080", "e282", "80"])
      assert.deepEqual(shown(decode(bytes(hex), true, "json", limits)), malformed, hex);
    assert.equal(shown(decode(bytes("e282ac"), true, "json", limits)).error, "Unknown action: €");
  });

  it("reads white space around and inside a frame", () => {
    assert.deepEqual(fromText(' \t\r\n{ "action" :\n"ping" } '), { action: "ping" });
  });

  it("takes the last of duplicate keys", () => {
    assert.deepEqual(fromText('{"action":"pong","id":1,"action":"ping","id":2}'), { action: "ping", id: 2 });
    const data = '{"channel":"*","channel":"b","message":1,"message":{"a":1,"a":2}}';
    const { channel, messageJson } = fromText(`{"action":"message","data":{"channel":"a"},"data":${data}}`);
    assert.deepEqual({ channel, messageJson }, { channel: "b", messageJson: '{"a":2}' });
    assert.equal(fromText('{"action":"ping","action":7}').code, "invalid_message");
  });

  it("refuses a number that JSON cannot hold, at any level", () => {
    const error = "Invalid value for required field message, expected type: JSON value (a number must be finite)";
    const answer = refused("invalid_field", error, { request: "message", channel: "a" });
    for (const message of ["1e400", "-1e400", "[1e400]", '{"a":[0,{"b":-1e999}]}'])
      assert.deepEqual(publish(message), answer);
    assert.equal(publish("[1e308,1e-400,-0]").messageJson, "[1e+308,0,0]");
  });

  it("ignores 1e400 as an id or a recipient, and refuses it as a count", () => {
    assert.deepEqual(fromText('{"action":"ping","id":1e400}'), { action: "ping" });
    const { target } = fromText('{"action":"message","data":{"channel":"a","message":1,"recipients":[1e400,-1e400]}}');
    assert.deepEqual(target, { connections: [], users: [] });
    assert.equal(fromText('{"action":"history","data":{"channel":"a","limit":1e400}}').code, "invalid_field");
  });

  it("carries lone surrogates as escapes, so that the frame stays UTF-8", () => {
    for (const message of ['"\\ud800"', '"\\udfff\\ud83d"', '{"\\ud800":"\\udc00x"}'])
      assert.equal(publish(message).messageJson, message);
    assert.equal(publish('"\\ud83d\\ude00"').messageJson, '"😀"');
    assert.equal(fromText('{"action":"ping","id":"\\ud800"}').id, "\ud800");
    assert.equal(fromText('{"action":"\\ud800"}').error, "Unknown action: \ud800");
  });

  it("survives nesting of 100,000 levels, wherever it stands", () => {
    const deep = nested(100_000);
    const keys = `${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`;
    for (const value of [deep, keys]) {
      assert.equal(publish(value).code, "invalid_field");
      assert.deepEqual(fromText(value), malformed);
      assert.equal(fromText(`{"action":"presence","data":{"channel":${value}}}`).code, "invalid_field");
      assert.equal(
        fromText(`{"action":"batch","data":{"items":${value}}}`).code,
        value === deep ? undefined : "invalid_field",
      );
      assert.deepEqual(fromText(`{"action":"ping","id":${value},"more":${value}}`), { action: "ping" });
    }
  });

  it("refuses a text frame cut off after any of its bytes", () => {
    const text = JSON.stringify({ action: "message", data: complete.message!.data, id: 12 });
    for (let end = 0; end < text.length; end += 1)
      assert.deepEqual(fromText(text.slice(0, end)), malformed, text.slice(0, end));
    assert.equal(fromText(text).action, "message");
  });
});

describe("decode: keys that name prototypes", () => {
  const before = Reflect.ownKeys(Object.prototype);
  const polluting =
    '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"toString":1,"hasOwnProperty":0}';

  const untouched = () => {
    assert.deepEqual(Reflect.ownKeys(Object.prototype), before);
    assert.equal(Reflect.get({}, "polluted"), undefined);
  };

  it("carries them in a published value as plain data", () => {
    const frame = `{"action":"message","data":{"channel":"a","message":[${polluting}]}}`;
    assert.equal(fromText(frame).messageJson, `[${polluting}]`);
    untouched();
  });

  it("reads no field through __proto__", () => {
    assert.deepEqual(fromText('{"__proto__":{"action":"ping"}}'), malformed);
    const data = '{"__proto__":{"channel":"a","message":1,"token":"t","items":[]}}';
    for (const [action, field] of [
      ["message", "channel"],
      ["authenticate", "token"],
      ["batch", "items"],
    ])
      assert.equal(fromText(`{"action":"${action}","data":${data}}`).error, `Missing required field: ${field}`);
    const options = '{"__proto__":{"presence":true,"history":5}}';
    const subscribe = fromText(`{"action":"subscribe","data":{"channel":"a","options":${options}}}`);
    assert.deepEqual(subscribe, { action: "subscribe", channel: "a", history: 0, presence: false });
    untouched();
  });

  it("ignores them as unknown keys of a frame", () => {
    assert.deepEqual(fromText(`{"action":"ping","id":1,${polluting.slice(1)}`), { action: "ping", id: 1 });
    untouched();
  });
});
