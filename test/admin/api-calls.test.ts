import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { callNames } from "../../src/calls/call-table.ts";
import { CallError } from "../../src/calls/calls.ts";
import { RawClient } from "../socket/raw-client.ts";
import { apiKey, examples, plainCalls, startApi } from "./api-scene.ts";

describe("a call over HTTP", () => {
  for (const name of plainCalls) {
    it(`POST /api/v1/${name} hands its arguments on as they came, and answers the result`, async (t) => {
      const api = await startApi(t);
      const { status, headers, json } = await api.call(name, examples[name]);
      assert.deepEqual([status, headers["content-type"]], [200, "application/json"]);
      assert.deepEqual(Object.keys(json), ["result"]);
      const method = name === "presence_stats" ? "presenceStats" : name;
      assert.deepEqual(api.done, [
        { name: method, call: name === "info" || name === "stats" ? undefined : examples[name] },
      ]);
    });
  }

  it("authorize/explain says which rule decides, by the gateway's own rules", async (t) => {
    const api = await startApi(t);
    const { status, json } = await api.call("authorize/explain", examples["authorize/explain"]);
    const { decision, decidedBy, reason } = json.result as Record<string, unknown>;
    assert.deepEqual([status, decision, decidedBy], [200, "allow", "private.user.{user}"]);
    assert.equal(reason, "owner of private.user.{user} holds");
    assert.equal((await api.call("authorize/explain", { action: "join", channel: "a" })).status, 400);
  });

  it("token is signed with the gateway's own secret, and says when it ends and what it is revoked by", async (t) => {
    const api = await startApi(t);
    const before = Math.floor(Date.now() / 1000);
    const { status, json } = await api.call("token", examples.token);
    const { token, jti, expiresAt } = json.result as { token: string; jti: string; expiresAt: number };
    assert.equal(status, 200);
    const claims = JSON.parse(Buffer.from(token.split(".")[1]!, "base64url").toString());
    assert.deepEqual([claims.jti, claims.exp, claims.user_id, claims.role], [jti, expiresAt, "42", "editor"]);
    assert.deepEqual([claims.channels, claims.publish], [["private.team.>"], ["a.b"]]);
    assert.ok(expiresAt >= before + 60 && expiresAt <= Date.now() / 1000 + 60, `${expiresAt}`);
  });

  it("token for a channel is a subscribe token for that user", async (t) => {
    const api = await startApi(t);
    const { json } = await api.call("token", { user: 7, channel: "private.team.a", ttlSeconds: 60 });
    const { token, jti } = json.result as { token: string; jti: string };
    const claims = JSON.parse(Buffer.from(token.split(".")[1]!, "base64url").toString());
    assert.deepEqual(
      [claims.channel, claims.user_id, claims.jti, claims.exp - claims.iat, claims.role, claims.channels],
      ["private.team.a", "7", jti, 60, undefined, undefined],
    );
  });

  it("token without a secret to sign with says so", async (t) => {
    const api = await startApi(t, { auth: {} });
    const { status, json } = await api.call("token", { user: "42" });
    assert.deepEqual([status, json.error?.code], [404, "not_found"]);
    assert.match(json.error?.message ?? "", /^cannot sign token: auth\.secret must be set/);
  });

  it("token with a role that the gateway would refuse is refused", async (t) => {
    const api = await startApi(t, { auth: { secret: "x".repeat(32), roles: ["user"] } });
    const { status, json } = await api.call("token", { user: "42", role: "root" });
    assert.deepEqual([status, json.error?.code], [400, "invalid_call"]);
  });

  it("broadcast tells the outcome channel by channel", async (t) => {
    const api = await startApi(t);
    const { json } = await api.call("broadcast", { channels: ["chat.a", "chat.full"], message: 1 });
    assert.deepEqual(json.result, {
      results: [
        { result: { offset: "1", epoch: "e1" } },
        { error: { code: "unavailable", message: "the log is away" } },
      ],
    });
  });

  const faults = [
    ["invalid_call", 400],
    ["invalid_channel", 400],
    ["not_found", 404],
    ["too_large", 413],
    ["unavailable", 503],
    ["internal", 500],
  ] as const;
  for (const [code, expected] of faults) {
    it(`that fails with ${code} is answered with ${expected}`, async (t) => {
      const history = () => Promise.reject(new CallError(code, "why"));
      const api = await startApi(t, {}, { history });
      const { status, json, headers } = await api.call("history", { channel: "a" });
      assert.deepEqual([status, json], [expected, { error: { code, message: "why" } }]);
      assert.equal(headers["retry-after"], code === "unavailable" ? "1" : undefined);
    });
  }

  it("that breaks, by a throw or a rejection, is answered with 500 and logged, and tells nothing of it", async (t) => {
    const broken = () => {
      throw new Error("hunter2");
    };
    const api = await startApi(t, {}, { info: broken, history: () => Promise.reject(new Error("hunter2")) });
    for (const name of ["info", "history"] as const) {
      const { status, json } = await api.call(name, name === "info" ? {} : { channel: "a" });
      assert.deepEqual([status, json.error?.code], [500, "internal"]);
      assert.doesNotMatch(json.error?.message ?? "", /hunter2/);
    }
    assert.equal(api.logLines.filter((line) => line.includes("hunter2")).length, 2);
  });

  it("needs no connection of its own: many go over one, also pipelined", async (t) => {
    const api = await startApi(t);
    const client = await RawClient.connect(t, api.port);
    const body = '{"channel":"a","message":1}';
    const head = `POST /api/v1/publish HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${apiKey}\r\n`;
    const request = `${head}Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    client.write(request);
    assert.equal((await client.answer()).status, 200);
    client.write(request.repeat(20));
    for (let i = 0; i < 20; i += 1) assert.equal((await client.answer()).status, 200);
    assert.equal(api.done.length, 21);
  });

  it("is counted by its name and status, an unknown path as none", async (t) => {
    const api = await startApi(t);
    await api.call("info", {});
    await api.call("info", {});
    await api.call("publish", {});
    await api.ask("/api/v1/nothing");
    await api.ask("/api/v1/info", { method: "GET" });
    await api.call("batch", { calls: [{ method: "info" }, { method: "x" }] });
    const counted = api.counters.requests.map(({ value, labels }) => `${labels.call} ${labels.status} ${value}`);
    assert.deepEqual(counted.sort(), ["batch 200 1", "info 200 2", "info 405 1", "none 404 1", "publish 400 1"]);
    assert.deepEqual([api.counters.itemsOk, api.counters.itemsRefused], [1, 1]);
  });
});

describe("a batch", () => {
  const calls = [
    { method: "publish", params: { channel: "chat.a", message: 1 } },
    { method: "publish", params: { channel: "not a channel", message: 2 } },
    { method: "publsh", params: {} },
    { method: "batch", params: { calls: [] } },
    7,
    { method: "info", parms: {} },
    { method: "publish", params: { channel: "chat.a", message: 3, key: "again" } },
    { method: "info" },
  ];
  const codes = [undefined, "invalid_channel", "invalid_call", "invalid_call", "invalid_call", "invalid_call"];
  type Item = { result?: unknown; error?: { code: string; message: string } };

  it("carries out its good items in order, and answers each item in its place", async (t) => {
    const api = await startApi(t);
    const { status, json } = await api.call("batch", { calls });
    const { results } = json.result as { results: Item[] };
    assert.equal(status, 200);
    assert.deepEqual(
      results.map(({ error }) => error?.code),
      [...codes, undefined, undefined],
    );
    assert.deepEqual(results[6], { result: { offset: "12", epoch: "e1", duplicate: true } });
    assert.deepEqual(
      api.done.map(({ name, call }) => [name, (call as { message?: unknown } | undefined)?.message]),
      [
        ["publish", 1],
        ["publish", 3],
        ["info", undefined],
      ],
    );
    assert.match(results[2]?.error?.message ?? "", /did you mean publish\?, got "publsh"/);
  });

  it("starts each item without waiting for the one before, and answers in order all the same", async (t) => {
    const waiting: ((value: object) => void)[] = [];
    const publish = () => new Promise<object>((resolve) => void waiting.push(resolve));
    // The third item lets the second end, and then the first: had they waited for each other, nothing would end.
    const presence = async () => {
      waiting[1]?.({ offset: "2" });
      waiting[0]?.({ offset: "1" });
      return { members: [] };
    };
    const api = await startApi(t, {}, { publish, presence });
    const one = { method: "publish", params: { channel: "a", message: 1 } };
    const answer = api.call("batch", { calls: [one, one, { method: "presence", params: { channel: "a" } }] });
    const { json } = await answer;
    assert.deepEqual((json.result as { results: Item[] }).results, [
      { result: { offset: "1" } },
      { result: { offset: "2" } },
      { result: { members: [] } },
    ]);
  });

  for (const type of ["application/x-ndjson", "application/ndjson; charset=utf-8"]) {
    it(`takes NDJSON (${type}), a call a line, and answers a line for each`, async (t) => {
      const api = await startApi(t);
      const lines = [JSON.stringify(calls[0]), "", "{", '{"method":"info"}\r', "   "];
      const { status, headers, text } = await api.ask("/api/v1/batch", {
        body: lines.join("\n"),
        headers: { "Content-Type": type },
      });
      assert.deepEqual([status, headers["content-type"]], [200, "application/x-ndjson"]);
      const results = text
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line) as Item);
      assert.deepEqual(
        results.map(({ error }) => error?.code),
        [undefined, "invalid_call", undefined],
      );
      assert.match(results[1]?.error?.message ?? "", /^cannot batch: line 3 must be JSON/);
      assert.deepEqual(
        api.done.map(({ name }) => name),
        ["publish", "info"],
      );
    });
  }

  it("has a hundred calls at once answered by all processes, and keeps the order across the wait", async (t) => {
    let open = 0;
    let openMax = 0;
    const subscribe = async () => {
      open += 1;
      openMax = Math.max(openMax, open);
      await new Promise((resolve) => setImmediate(resolve));
      open -= 1;
      return { connections: 1 };
    };
    const api = await startApi(t, {}, { subscribe, stats: subscribe as never });
    const questions = Array<object>(250).fill({ method: "stats" });
    assert.equal((await api.call("batch", { calls: questions })).status, 200);
    assert.equal(openMax, 100);
    api.done.length = 0;
    const items = [...Array(250).keys()].flatMap((n) => [
      { method: "subscribe", params: { channel: `chat.c${n}`, users: ["42"] } },
      { method: "publish", params: { channel: `chat.c${n}`, message: n } },
    ]);
    const { json } = await api.call("batch", { calls: items });
    assert.equal((json.result as { results: Item[] }).results.filter(({ result }) => result !== undefined).length, 500);
    assert.equal(openMax, 100);
    assert.deepEqual(
      api.done.map(({ name, call }) => [name, (call as { channel: string }).channel]),
      items.map(({ method, params }) => [method, params.channel]),
    );
  });

  it("of more items than api.batchItemsMax is refused as a whole", async (t) => {
    const api = await startApi(t, { batchItemsMax: 2 });
    const { status, json } = await api.call("batch", { calls: Array(3).fill({ method: "info" }) });
    assert.deepEqual([status, json.error?.code, api.done.length], [413, "too_large", 0]);
    assert.match(json.error?.message ?? "", /must be 2 at most, got 3/);
  });

  it("takes every other call", async (t) => {
    const api = await startApi(t);
    const others = callNames.filter((name) => name !== "batch");
    const { json } = await api.call("batch", { calls: others.map((method) => ({ method, params: examples[method] })) });
    const { results } = json.result as { results: Item[] };
    assert.deepEqual(
      results.filter(({ error }) => error !== undefined),
      [],
    );
    assert.equal(results.length, others.length);
  });
});
