import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { describe, it } from "node:test";
import { pack } from "msgpackr";
import { nested, publication, str } from "../protocol/wire.ts";
import { connect, type Frame, type TestClient } from "../support/client.ts";
import { startTestGateway, testSecret } from "../support/gateway.ts";
import { token } from "../support/tokens.ts";
import { bystanders } from "./company.ts";

const ways = { JSON: "", MessagePack: "/?format=msgpack" };

/** The refusal of the one request or frame that `send` sends; fails where it is answered by anything else. */
async function refusalOf(client: TestClient, send: () => void): Promise<Frame> {
  send();
  const reply = await client.next();
  assert.equal(reply.action, "error", JSON.stringify(reply).slice(0, 300));
  assert.equal(reply.success, false);
  return reply;
}

describe("Hostile frames", () => {
  it("that are no JSON are answered Invalid message format, each of them, and the connection stays", async (t) => {
    const gateway = await startTestGateway(t);
    const others = await bystanders(t, gateway);
    const client = await connect(t, gateway.url);
    const texts = [
      "",
      " ",
      "{",
      "null",
      "true",
      "7",
      '"ping"',
      "[]",
      '[{"action":"ping"}]',
      "{}",
      '{"action":7}',
      "NaN",
      "'x'",
    ];
    texts.push(
      '{"action":"ping"}{"action":"ping"}',
      '{"action":"ping"',
      '{"action":"pi\u0000ng"}',
      nested(30_000),
      "\ufeff{}",
    );
    texts.push('{"__proto__":{"action":"ping"}}', "\u202e", "%00", "<xml/>", "GET / HTTP/1.1\r\n\r\n");
    for (const text of texts) {
      const { error, code } = await refusalOf(client, () => client.sendRaw(text));
      assert.deepEqual([code, error], ["invalid_message", "Invalid message format"], JSON.stringify(text.slice(0, 99)));
    }
    for (const bytes of [[0xff], [0xc0, 0xaf], [0x00], [0x80, 0x80], [0xed, 0xa0, 0x80]])
      assert.equal((await refusalOf(client, () => client.sendRaw(Buffer.from(bytes)))).code, "invalid_message");
    await client.settled();
    await others.stop();
  });

  it("that are no MessagePack, or more than plain MessagePack, are answered the same", async (t) => {
    const gateway = await startTestGateway(t);
    const others = await bystanders(t, gateway);
    const client = await connect(t, gateway.url + ways.MessagePack);
    const hex = (digits: string) => Buffer.from(digits.replaceAll(" ", ""), "hex");
    const frames: (string | Uint8Array)[] = [
      "",
      "c0",
      "c1",
      "01",
      "a4 70696e67",
      "90",
      "80",
      "80 80",
      "dd ffffffff",
      "df ffffffff",
    ];
    frames.push(
      "db ffffffff",
      "c6 ffffffff",
      "c9 ffffffff 00",
      "81 01 01",
      "d4 72 40 91 a1 61 01",
      "d6 69 00000001 90",
      "91".repeat(60_000),
    );
    frames.push(
      publication("d4 72 40 91 a1 61 01"),
      publication("d6 62 00000006 c1 01"),
      publication("c7 09 42 010000000000000000"),
    );
    frames.push(
      publication(Buffer.concat([hex("81"), str("__proto__"), hex("01")])),
      publication("dd ffffffff".repeat(9000)),
    );
    for (const frame of frames) {
      const bytes = typeof frame === "string" ? hex(frame) : frame;
      const { error, code } = await refusalOf(client, () => client.sendRaw(bytes));
      assert.deepEqual([code, error], ["invalid_message", "Invalid message format"], bytes.toString().slice(0, 99));
    }
    await client.settled();
    await others.stop();
  });

  for (const [format, path] of Object.entries(ways)) {
    it(`with fields that are missing or of a wrong type are answered one by one, in ${format}`, async (t) => {
      const gateway = await startTestGateway(t);
      const others = await bystanders(t, gateway);
      const client = await connect(t, gateway.url + path);
      const wrong = [null, 7, -1, 1.5, true, "", "a b", "x".repeat(10_000), [], [[]], [null], {}, { a: { b: {} } }];
      const fields: Record<string, readonly string[]> = {
        subscribe: ["channel", "options"],
        unsubscribe: ["channel"],
        message: ["channel", "recipients", "users", "connections", "echo", "key"],
        authenticate: ["token"],
        presence: ["channel"],
        history: ["channel", "limit", "before"],
        batch: ["items"],
      };
      await client.subscribe("chat.a");
      let count = 0;
      for (const [action, names] of Object.entries(fields))
        for (const name of names)
          for (const value of wrong) {
            if (name === "items" && Array.isArray(value)) continue; // a batch has no reply but those of its items
            count += 2;
            client.request(action, { channel: "chat.a", message: 1, token: "t", items: [], [name]: value }, count - 1);
            client.request(action, value as object, count);
          }
      await client.settled();
      const answered = client.frames.map(({ id }) => id).filter((id) => typeof id === "number");
      assert.deepEqual(
        answered,
        Array.from({ length: count }, (_, i) => i + 1),
      );
      for (const { code } of client.of("error"))
        assert.match(
          String(code),
          /^(?:missing_field|invalid_field|invalid_channel|invalid_token|invalid_message|unknown_action)$/,
        );
      await others.stop();
    });

    it(`nested beyond the limit are refused, and at the limit delivered, in ${format}`, async (t) => {
      const gateway = await startTestGateway(t, { depthMax: 8 });
      const others = await bystanders(t, gateway);
      const client = await connect(t, gateway.url + path);
      await client.subscribe("a");
      for (const levels of [9, 10, 100, 400]) {
        const refusal = await refusalOf(client, () =>
          client.request("message", { channel: "a", message: JSON.parse(nested(levels)) }),
        );
        assert.equal(
          refusal.error,
          "Invalid value for required field message, expected type: JSON value of at most 8 levels",
        );
      }
      client.request("message", { channel: "a", message: JSON.parse(nested(8)) });
      assert.equal(JSON.stringify((await client.next({ action: "message" })).message), nested(8));
      await others.stop();
    });

    it(`with names that are no channel's are refused, and the name is not sent back, in ${format}`, async (t) => {
      const gateway = await startTestGateway(t);
      const others = await bystanders(t, gateway);
      const client = await connect(t, gateway.url + path);
      const names = [
        "",
        "x".repeat(201),
        "x".repeat(10_000),
        "x".repeat(65_000),
        "*",
        "chat.>",
        "a..b",
        "a b",
        "a\n",
        "\u202ea",
        'a","from":"admin',
        "~a",
        "a\u0000",
      ];
      for (const action of ["subscribe", "unsubscribe", "message", "presence", "history"])
        for (const channel of names) {
          const refusal = await refusalOf(client, () => client.request(action, { channel, message: 1 }));
          assert.deepEqual(Object.keys(refusal), ["success", "action", "error", "code", "request"]);
          assert.equal(refusal.code, "invalid_channel");
        }
      await client.subscribe("x".repeat(200));
      assert.equal(await gateway.metric("tidegate_subscriptions"), 3);
      await others.stop();
    });

    it(`cannot forge a field of the frame that others get, in ${format}`, async (t) => {
      const gateway = await startTestGateway(t);
      const userId = 'u","sender":0,"x":"';
      const client = await connect(
        t,
        `${gateway.url}/?token=${token({ user_id: userId })}${path === "" ? "" : "&format=msgpack"}`,
      );
      const listener = await connect(t, gateway.url);
      for (const each of [client, listener]) await each.subscribe("a");
      const forgeries = [
        'a","from":"admin',
        '","sender":0,"message":"',
        '"}',
        "\\",
        '\\","from":"admin',
        "\n",
        "\u2028",
        '{"sender":0}',
      ];
      for (const text of forgeries)
        for (const message of [text, { [text]: text, sender: 0, from: "admin" }]) {
          client.request(
            "message",
            { channel: "a", message, from: "admin", sender: 0, time: 0, user_id: "admin" },
            text,
          );
          const frame = await listener.next({ action: "message" });
          assert.deepEqual(Object.keys(frame), ["action", "channel", "sender", "message", "time", "user_id"]);
          assert.deepEqual([frame.sender, frame.user_id, frame.message], [client.connectionId, userId, message]);
          assert.deepEqual(Object.keys(await client.next({ action: "message_sent", id: text })), [
            "success",
            "action",
            "channel",
            "recipients_count",
            "id",
          ]);
        }
    });

    it(`over messageBytesMax close the connection with 1009, and at it are carried, in ${format}`, async (t) => {
      const gateway = await startTestGateway(t);
      const others = await bystanders(t, gateway);
      const exact = await connect(t, gateway.url + path);
      await exact.subscribe("a");
      const frame = (message: string) => ({ action: "message", data: { channel: "a", message } });
      const send = (client: TestClient, message: string) => client.send(frame(message));
      const envelopeBytes = path === "" ? JSON.stringify(frame("")).length : pack(frame("")).length + 2; // a longer header
      const text = "x".repeat(65_536 - envelopeBytes);
      send(exact, text);
      assert.equal((await exact.next({ action: "message" })).message, text);
      send(exact, `${text}x`);
      assert.deepEqual(await exact.close(), { code: 1009, reason: "message too big: at most 65536 bytes" });
      const large = await connect(t, gateway.url + path);
      send(large, "x".repeat(1024 * 1024));
      assert.equal((await large.close()).code, 1009);
      await others.stop();
    });
  }

  it("beyond the native limit, or with invalid UTF-8 in a text, end their connection and no other", async (t) => {
    const gateway = await startTestGateway(t);
    const others = await bystanders(t, gateway);
    const frames = [
      Buffer.alloc(2 * 1024 * 1024 + 1, "x"),
      Buffer.from([0x7b, 0xff, 0x7d]),
      Buffer.from('"\xed\xa0\x80"', "latin1"),
    ];
    for (const bytes of frames) {
      const client = await connect(t, gateway.url);
      client.socket.on("error", () => {});
      client.socket.send(bytes, { binary: false });
      assert.equal((await client.close()).code, 1006);
    }
    assert.equal(await gateway.metric('tidegate_connections{format="json"}'), 1);
    await others.stop();
  });

  it("of 100,000 subscriptions are refused past the limit, and leave nothing behind", async (t) => {
    const gateway = await startTestGateway(t, { heartbeatsPerMinuteMax: 0 });
    const others = await bystanders(t, gateway);
    const client = await connect(t, gateway.url);
    for (let batch = 0; batch < 1000; batch += 1) {
      const items = Array.from({ length: 100 }, (_, i) => ({
        action: "subscribe",
        data: { channel: `c.${batch}.${i}` },
      }));
      client.request("batch", { items });
      if (batch % 20 === 19) await client.settled();
    }
    assert.equal(client.of("subscribe").length, 1000);
    const errors = client.of("error");
    assert.equal(errors.length, 99_000);
    assert.deepEqual(errors.at(-1), {
      success: false,
      action: "error",
      error: "Limit reached: at most 1000 channels for one connection",
      code: "limit_reached",
      request: "subscribe",
      channel: "c.999.99",
    });
    assert.equal(await gateway.metric("tidegate_subscriptions"), 1002);
    assert.equal(await gateway.metric('tidegate_refusals_total{code="limit_reached"}'), 99_000);
    client.request("unsubscribe", { channel: "c.0.0" });
    assert.equal((await client.subscribe("one.more")).success, true);
    client.socket.terminate();
    await client.close();
    while ((await gateway.metric("tidegate_subscriptions")) !== 2);
    await others.stop();
  });
});

describe("Hostile tokens", () => {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const signed = (header: unknown, claims: unknown, key = testSecret, hash = "sha256") => {
    const input = `${part(header)}.${part(claims)}`;
    return `${input}.${createHmac(hash, key).update(input).digest("base64url")}`;
  };
  const now = Math.floor(Date.now() / 1000);
  const claims = { user_id: 7, role: "admin", exp: now + 3600 };
  const good = signed({ alg: "HS256", typ: "JWT" }, claims);
  const [header = "", payload = "", signature = ""] = good.split(".");
  const invalid: Record<string, string> = {
    "with alg none": `${part({ alg: "none" })}.${payload}.`,
    "with alg None and a signature": `${part({ alg: "None" })}.${payload}.${signature}`,
    "with another HS algorithm and the right secret": signed({ alg: "HS512" }, claims, testSecret, "sha512"),
    "with RS256 and the secret as an HMAC": signed({ alg: "RS256" }, claims),
    "signed with another secret": signed({ alg: "HS256" }, claims, "another secret of thirty-two bytes or more"),
    "without exp": signed({ alg: "HS256" }, { user_id: 7 }),
    "with an exp that is a text": signed({ alg: "HS256" }, { user_id: 7, exp: String(now + 3600) }),
    "with other claims under the same signature": `${header}.${part({ ...claims, user_id: 1 })}.${signature}`,
    "without its signature": `${header}.${payload}.`,
    "without a user": signed({ alg: "HS256" }, { exp: now + 3600 }),
    "that is empty": "",
    "that is no token": "x",
    "of dots": "...",
    "with control characters": `${good}\n\u0000`,
    "of 20 kB": `${header}.${"x".repeat(20_000)}.${signature}`,
  };

  it("are answered Invalid token or Token expired, never accepted, and appear in no frame and no log", async (t) => {
    const gateway = await startTestGateway(t);
    const others = await bystanders(t, gateway);
    for (const path of Object.values(ways)) {
      const client = await connect(t, gateway.url + path);
      for (const [name, given] of Object.entries(invalid)) {
        const refusal = await refusalOf(client, () => client.request("authenticate", { token: given }, name));
        const expected = { error: "Invalid token", code: "invalid_token", request: "authenticate", id: name };
        assert.deepEqual(refusal, { success: false, action: "error", ...expected });
      }
      const expired = signed({ alg: "HS256" }, { user_id: 7, exp: now - 60 }); // far beyond any tolerance
      const refusal = await refusalOf(client, () => client.request("authenticate", { token: expired }, 1));
      const expected = { error: "Token expired", code: "token_expired", request: "authenticate", id: 1 };
      assert.deepEqual(refusal, { success: false, action: "error", ...expected });
      assert.equal((await client.ask("subscribe", { channel: "private.user.7" })).code, "unauthenticated");
      assert.equal((await client.ask("authenticate", { token: good })).user_id, 7);
      assert.equal((await client.ask("subscribe", { channel: "private.user.7" })).success, true);
      const texts = JSON.stringify([client.frames, gateway.logLines]);
      for (const secret of [payload, signature, testSecret]) assert.equal(texts.includes(secret), false);
    }
    await others.stop();
  });

  it("of another user do not take over a connection that has one", async (t) => {
    const client = await connect(t, (await startTestGateway(t)).url);
    await client.ask("authenticate", { token: token({ user_id: 7 }) });
    const refusal = await client.ask("authenticate", { token: token({ user_id: 8 }) });
    assert.deepEqual([refusal.code, refusal.success], ["forbidden", false]);
    assert.equal((await client.ask("subscribe", { channel: "private.user.8" })).code, "forbidden");
    assert.equal((await client.ask("subscribe", { channel: "private.user.7" })).success, true);
  });
});
