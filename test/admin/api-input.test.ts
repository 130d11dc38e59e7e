import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { RawClient } from "../socket/raw-client.ts";
import { apiKey, startApi } from "./api-scene.ts";

const channelRule = "a channel name \\(words of letters";

/** The call, its arguments as JSON text, the code, and what is said. */
const bad: readonly (readonly [name: string, body: string, code: string, text: RegExp])[] = [
  ["publish", "", "invalid_call", /^cannot publish: the body must be JSON, got nothing$/],
  ["publish", "{", "invalid_call", /the body must be JSON/],
  ["publish", '{"channel":"a","message":1}}', "invalid_call", /unexpected at character 28$/],
  ["publish", "[]", "invalid_call", /^cannot publish: it must be a JSON object, got a list of 0$/],
  ["publish", "null", "invalid_call", /it must be a JSON object, got null/],
  ["publish", '"a"', "invalid_call", /it must be a JSON object, got "a"/],
  ["publish", "{}", "invalid_call", /channel must be .*, got nothing; message must be a JSON value, got nothing/],
  ["publish", '{"channel":"a"}', "invalid_call", /^cannot publish: message must be a JSON value, got nothing$/],
  ["publish", '{"channel":7,"message":1}', "invalid_call", new RegExp(`channel must be ${channelRule}.*got 7$`)],
  ["publish", '{"channel":"a b","message":1}', "invalid_channel", new RegExp(`channel must be ${channelRule}.*"a b"$`)],
  ["publish", `{"channel":"${"x".repeat(201)}","message":1}`, "invalid_channel", /x…$/],
  ["publish", '{"channel":"","message":1}', "invalid_channel", /got ""$/],
  ["publish", '{"chanel":"a","message":1}', "invalid_call", /chanel is not a known field; did you mean channel\?/],
  ["publish", '{"channel":"a","message":1,"__proto__":{}}', "invalid_call", /__proto__ is not a known field/],
  ["publish", '{"channel":"a","message":1,"users":"42"}', "invalid_call", /users must be a list of .* users at most/],
  ["publish", '{"channel":"a","message":1,"users":[""]}', "invalid_call", /users\[0\] must be a user's id/],
  ["publish", '{"channel":"a","message":1,"users":[1.5]}', "invalid_call", /users\[0\] must be a user's id.*got 1\.5/],
  [
    "publish",
    '{"channel":"a","message":1,"connections":["x"]}',
    "invalid_call",
    /connections\[0\] must be a connection's/,
  ],
  ["publish", '{"channel":"a","message":1,"key":""}', "invalid_call", /key must be a text of 1 to 128 characters/],
  [
    "publish",
    '{"channel":"a","message":1e400}',
    "invalid_call",
    /message must be a JSON value \(a number must be finite/,
  ],
  [
    "publish",
    `{"channel":"a","message":${"[".repeat(33)}${"]".repeat(33)}}`,
    "invalid_call",
    /message must be a JSON value with less nesting \(32 levels at most\)/,
  ],
  ["publish", `{"channel":"a","message":${"[".repeat(300_000)}${"]".repeat(300_000)}}`, "invalid_call", /less nesting/],
  ["broadcast", '{"channels":[],"message":1}', "invalid_call", /channels must be a list of 1 to 1000 channels/],
  ["broadcast", '{"channels":["a","b c"],"message":1}', "invalid_channel", /channels\[1\] must be/],
  ["subscribe", '{"channel":"a"}', "invalid_call", /it must be an object with at least one of users, connections and/],
  ["subscribe", '{"channel":"a","user":"42"}', "invalid_call", /user is not a known field; did you mean users\?/],
  ["disconnect", "{}", "invalid_call", /at least one of users, connections and sessions/],
  [
    "disconnect",
    '{"users":["1"],"code":1000}',
    "invalid_call",
    /code must be a whole number from 4000 to 4999, got 1000/,
  ],
  [
    "disconnect",
    `{"users":["1"],"reason":"${"é".repeat(62)}"}`,
    "invalid_call",
    /reason must be a text of at most 123/,
  ],
  ["revoke", "{}", "invalid_call", /at least one of tokens and users/],
  [
    "history",
    '{"channel":"a","limit":0}',
    "invalid_call",
    /^cannot read history: limit must be a whole number from 1 to 1000, got 0$/,
  ],
  ["history", '{"channel":"a","since":{"offset":"1"}}', "invalid_call", /since\.epoch must be a text/],
  ["history", '{"channel":"a","reverse":1}', "invalid_call", /reverse must be true or false, got 1/],
  ["channels", '{"pattern":"a.>.b"}', "invalid_call", /^cannot list channels: pattern must be a pattern/],
  [
    "connections",
    '{"limit":"10"}',
    "invalid_call",
    /^cannot list connections: limit must be a whole number .*, got "10"$/,
  ],
  ["info", '{"verbose":true}', "invalid_call", /^cannot tell info: verbose is not a known field$/],
  ["info", `{"${"x".repeat(100_000)}":1}`, "invalid_call", /x… is not a known field$/],
  [
    "publish",
    `{"channel":"a","message":1,${[...Array(50_000).keys()].map((n) => `"kee${n}":1`)}}`,
    "invalid_call",
    /: kee0 is not a known field; did you mean key\?; kee1 is [^;]*; did you mean key\?; kee2 is [^;]*; did you mean key\?$/,
  ],
  ["stats", "7", "invalid_call", /^cannot tell stats: it must be a JSON object, got 7$/],
  ["presence", "{}", "invalid_call", /^cannot list members: channel must be/],
  ["presence_stats", "{}", "invalid_call", /^cannot count members: channel must be/],
  ["authorize/explain", "[", "invalid_call", /^cannot explain authorization: the body must be JSON/],
  [
    "token",
    '{"user":"42","ttlSeconds":86401}',
    "invalid_call",
    /^cannot issue token: ttlSeconds must be a whole number/,
  ],
  ["token", '{"user":"42","channel":"a.>"}', "invalid_channel", /channel must be a channel name/],
  [
    "token",
    '{"user":"42","channel":"a","channels":[]}',
    "invalid_call",
    /channel must be given without role, channels and publish, got both$/,
  ],
  ["token", `{"user":"${"x".repeat(20_000)}"}`, "invalid_call", /claims must be short enough for a token of 16384/],
  ["token", '{"user":"42","channels":["a b"]}', "invalid_call", /channels\[0\] must be a pattern/],
  [
    "subscribe",
    '{"channel":"a","connections":[1e300]}',
    "invalid_call",
    /connections\[0\] must be [^;]*, got 1e\+300$/,
  ],
  ["batch", '{"calls":{}}', "invalid_call", /calls must be a list of calls, got an object/],
  ["batch", "[]", "invalid_call", /it must be a JSON object/],
];

describe("bad input", () => {
  it("is told what is wrong with it, with 400, and nothing is carried out", async (t) => {
    const api = await startApi(t);
    for (const [name, body, code, text] of bad) {
      const { status, json } = await api.ask(`/api/v1/${name}`, { body });
      assert.deepEqual([status, json.error?.code], [400, code], `${name} ${body.slice(0, 100)}`);
      assert.match(json.error?.message ?? "", text);
      assert.ok((json.error?.message.length ?? 0) < 700, json.error?.message);
    }
    assert.deepEqual([api.done, api.logLines], [[], []]);
  });

  it("that is no UTF-8 is refused; of several lines those alone that are none", async (t) => {
    const api = await startApi(t);
    const body = Buffer.from('{"channel":"a","message":"\xff"}', "latin1");
    const { status, json } = await api.ask("/api/v1/publish", { body });
    assert.deepEqual([status, json.error?.message], [400, "cannot publish: the body must be UTF-8"]);
    const line = (message: string) => `{"method":"publish","params":{"channel":"a","message":"${message}"}}`;
    const lines = [Buffer.from(line("é")), Buffer.from(line("\xff"), "latin1"), Buffer.from(line("last"))];
    const { text } = await api.ask("/api/v1/batch", {
      body: Buffer.concat(lines.flatMap((bytes) => [bytes, Buffer.from("\r\n")]).slice(0, -1)),
      headers: { "Content-Type": "application/x-ndjson" },
    });
    const answers = text
      .trimEnd()
      .split("\n")
      .map((answer) => JSON.parse(answer) as { readonly error?: { readonly message: string } });
    assert.deepEqual(
      answers.map(({ error }) => error?.message),
      [undefined, "cannot batch: line 2 must be UTF-8", undefined],
    );
    assert.deepEqual(
      api.done.map(({ call }) => (call as { message: unknown }).message),
      ["é", "last"],
    );
  });

  it("in another charset is refused with 415; UTF-8 may be named", async (t) => {
    const api = await startApi(t);
    const statusOf = async (type: string) =>
      (await api.ask("/api/v1/info", { body: "{}", headers: { "Content-Type": type } })).status;
    assert.equal(await statusOf("application/json; charset=UTF-8"), 200);
    assert.equal(await statusOf('Application/JSON;charset="utf-8"'), 200);
    assert.equal(await statusOf("application/json; charset=latin1"), 415);
    assert.equal(await statusOf("application/x-ndjson"), 415, "only batch takes lines");
  });

  it("with names of Object's own in the message is handed on as it came", async (t) => {
    const api = await startApi(t);
    const message = JSON.parse('{"__proto__":{"a":1},"constructor":2}');
    assert.equal((await api.call("publish", { channel: "a", message })).status, 200);
    assert.equal(JSON.stringify(api.done[0]?.call), JSON.stringify({ channel: "a", message }));
  });
});

describe("odd methods and paths", () => {
  for (const method of ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"]) {
    it(`${method} on a call is answered with 405, JSON and Allow: POST`, async (t) => {
      const api = await startApi(t);
      const { status, headers, json } = await api.ask("/api/v1/publish", { method });
      assert.deepEqual([status, headers.allow], [405, "POST"]);
      if (method !== "HEAD") assert.equal(json.error?.code, "method_not_allowed");
    });
  }

  for (const method of ["post", "FOO", "PoSt"]) {
    it(`${method} is no POST`, async (t) => {
      const api = await startApi(t);
      const client = await RawClient.connect(t, api.port);
      client.write(`${method} /api/v1/info HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n{}`);
      const { status, headers, body } = await client.answer();
      assert.deepEqual([status, headers.allow, JSON.parse(body).error.code], [405, "POST", "method_not_allowed"]);
    });
  }

  const paths: readonly (readonly [string, string])[] = [
    ["/api/v1/publish/", "/api/v1/publish"],
    ["/api/v1//publish", "/api/v1/publish"],
    ["//api/v1/publish", "/api/v1/publish"],
    ["/api/v1/%70ublish", "/api/v1/publish"],
    ["/api/v1/%2e/publish", "/api/v1/publish"],
    ["/api/v1/../v1/publish", "/api/v1/publish"],
    ["/api/v1/x/%2e%2e/publish", "/api/v1/publish"],
    ["/api/v1%2fpublish", "/api/v1/publish"],
    ["/API/v1/Publish", "/api/v1/publish"],
    ["/api/v1/publsh", "/api/v1/publish"],
    ["/api/publish", "/api/v1/publish"],
    ["/api/v1/publish/1", "/api/v1/publish"],
  ];
  it("are never taken for a call, but answered with 404, JSON, and what was meant", async (t) => {
    const api = await startApi(t);
    for (const method of ["POST", "GET", "DELETE"]) {
      for (const [path, meant] of paths) {
        const { status, json } = await api.ask(path, { method, body: '{"channel":"a","message":1}' });
        assert.deepEqual([status, json.error?.code], [404, "not_found"], path);
        assert.equal(json.error?.message, `No such path; did you mean ${meant}?`, path);
      }
    }
    assert.deepEqual(api.done, []);
  });

  it("on the page and the document are answered with 405, JSON and Allow: GET, HEAD", async (t) => {
    const api = await startApi(t);
    for (const path of ["/api", "/api/openapi.json"])
      for (const method of ["POST", "DELETE"]) {
        const { status, headers, json } = await api.ask(path, { method, body: "{}" });
        assert.deepEqual([status, headers.allow], [405, "GET, HEAD"], path);
        assert.deepEqual(json.error, { code: "method_not_allowed", message: "Use GET" });
      }
  });

  it("that are far from any path lead to the page", async (t) => {
    const api = await startApi(t);
    for (const path of ["/api/zzzzzzzzzzzz", "/api/v1/%", `/api/${"x".repeat(8000)}`, "/api/v1/%ff%fe", "/api/%00"]) {
      const { status, json } = await api.ask(path);
      assert.equal(status, 404, path);
      assert.match(json.error?.message ?? "", /^No such path; (?:see \/api|did you mean \/api.*\?)$/);
    }
    for (const path of ["/api/v1/nope", "/api/v1/xyz", "/api/v1/users", "/api/v1/webhooks"])
      assert.equal((await api.ask(path)).json.error?.message, "No such path; see /api", path);
  });
});

describe("the limits of a body", () => {
  const head = (length: number | string) =>
    `POST /api/v1/publish HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${apiKey}\r\n` +
    `Content-Type: application/json\r\n${typeof length === "number" ? `Content-Length: ${length}` : length}\r\n\r\n`;
  const good = '{"channel":"a","message":1}';

  it("come in any pieces, also chunked", async (t) => {
    const api = await startApi(t);
    const text = `{"channel":"a","message":"${"é".repeat(30_000)}"}`;
    const bytes = Buffer.from(text);
    const client = await RawClient.connect(t, api.port);
    client.write(head(bytes.length));
    for (let at = 0; at < bytes.length; at += 7001) {
      client.write(bytes.subarray(at, at + 7001));
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.equal((await client.answer()).status, 200);
    client.write(head("Transfer-Encoding: chunked"));
    client.write(`5\r\n${good.slice(0, 5)}\r\n`);
    await new Promise((resolve) => setImmediate(resolve));
    client.write(`${(good.length - 5).toString(16)}\r\n${good.slice(5)}\r\n0\r\n\r\n`);
    assert.equal((await client.answer()).status, 200);
    assert.deepEqual(
      api.done.map(({ call }) => call),
      [JSON.parse(text), JSON.parse(good)],
    );
  });

  it("of more than api.bodyBytesMax is answered with 413, whether its length was told or not", async (t) => {
    const api = await startApi(t, { bodyBytesMax: 1024 });
    const body = `{"channel":"a","message":"${"x".repeat(200_000)}"}`;
    const { status, json } = await api.ask("/api/v1/publish", { body });
    assert.deepEqual([status, json.error?.code], [413, "too_large"]);
    const client = await RawClient.connect(t, api.port);
    client.write(head("Transfer-Encoding: chunked"));
    client.write(`${(4000).toString(16)}\r\n${"x".repeat(4000)}\r\n`);
    assert.equal((await client.answer()).status, 413);
    assert.deepEqual(api.done, []);
    assert.equal((await api.call("publish", { channel: "a", message: "x".repeat(1024 - 30) })).status, 200);
  });

  it("that does not come in time is answered with 408, and its connection closed", async (t) => {
    const api = await startApi(t, { bodyTimeoutSeconds: 1 });
    const client = await RawClient.connect(t, api.port);
    const silent = await RawClient.connect(t, api.port);
    client.write(head(good.length) + good.slice(0, -1));
    silent.write(head(good.length));
    const { status, headers, body } = await client.answer();
    assert.deepEqual([status, headers.connection, JSON.parse(body).error.code], [408, "close", "timeout"]);
    await client.over();
    assert.equal((await silent.answer()).status, 408, "not a byte of it came");
    assert.deepEqual(api.done, []);
  });

  it("whose call has no answer in time is answered with 503: the log may be away for long", async (t) => {
    const published: (() => void)[] = [];
    const publish = () => new Promise<object>((resolve) => published.push(() => resolve({})));
    const api = await startApi(t, { answerTimeoutSeconds: 1 }, { publish });
    const call = { channel: "a", message: 1 };
    const items = [
      { method: "publish", params: call },
      { method: "nothing" },
      { method: "token", params: { user: 1 } },
    ];
    const [single, batch] = await Promise.all([api.call("publish", call), api.call("batch", { calls: items })]);
    const text = "cannot publish in time: the log is away. It may still be carried out.";
    assert.deepEqual([single.status, single.json.error], [503, { code: "unavailable", message: text }]);
    assert.equal(single.headers["retry-after"], "1");
    const { results } = batch.json.result as { results: { error?: { code: string; message: string } }[] };
    assert.deepEqual(
      [batch.status, results.map(({ error }) => error?.code), results[0]?.error?.message],
      [200, ["unavailable", "invalid_call", undefined], text],
    );
    for (const answer of published) answer(); // too late: nobody is there to be answered
    assert.deepEqual([(await api.call("info", {})).status, api.logLines], [200, []]);
  });

  it("whose client goes away half way leads to nothing", async (t) => {
    const api = await startApi(t);
    const client = await RawClient.connect(t, api.port);
    client.write(head(good.length) + good.slice(0, -1));
    client.socket.resetAndDestroy();
    assert.equal((await api.call("info", {})).status, 200);
    assert.deepEqual(
      api.done.map(({ name }) => name),
      ["info"],
    );
  });

  it("a client that goes away before the answer has its call carried out, and the port goes on", async (t) => {
    let answerIt = (_: object): void => {};
    let begun = (): void => {};
    const hasBegun = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const publish = () => {
      begun();
      return new Promise<object>((resolve) => {
        answerIt = resolve;
      });
    };
    const api = await startApi(t, {}, { publish });
    const client = await RawClient.connect(t, api.port);
    client.write(head(good.length) + good);
    await hasBegun;
    client.socket.resetAndDestroy();
    await api.call("info", {}); // by now the reset was seen as well
    answerIt({ offset: "1" });
    assert.equal((await api.call("info", {})).status, 200);
    assert.equal(api.counters.requests.find(({ labels }) => labels.call === "publish")?.labels.status, 200);
  });
});
