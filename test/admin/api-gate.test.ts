import assert from "node:assert/strict";
import { networkInterfaces } from "node:os";
import { describe, it } from "node:test";
import { ApiKeys } from "../../src/auth/api-keys.ts";
import { type Asked, apiKey, otherKey, startApi } from "./api-scene.ts";

const info = "/api/v1/info";
const noKeys = new ApiKeys([]);
const without = { Authorization: undefined };

describe("the server API with keys", () => {
  const letIn: readonly (readonly [string, NonNullable<Asked["headers"]>])[] = [
    ["Authorization: Bearer", { Authorization: `Bearer ${otherKey}` }],
    ["the scheme in any letter case", { Authorization: `bearer  ${apiKey}` }],
    ["X-API-Key", { ...without, "X-API-Key": apiKey }],
    ["X-API-Key beside what is for a proxy", { Authorization: "Basic YTpi", "X-API-Key": apiKey }],
    ["a page of its own port", { Origin: "http://127.0.0.1:1", Host: "127.0.0.1:1" }],
    ["a proxy in front", { "X-Forwarded-For": "1.2.3.4" }],
  ];
  for (const [what, headers] of letIn) {
    it(`lets in ${what}`, async (t) => {
      const api = await startApi(t);
      assert.equal((await api.ask(info, { body: "{}", headers })).status, 200);
    });
  }

  const refused: readonly (readonly [string, NonNullable<Asked["headers"]>])[] = [
    ["no key", without],
    ["an empty key", { Authorization: "Bearer " }],
    ["a wrong key", { Authorization: "Bearer a-key-of-the-tests-0009" }],
    ["the beginning of a key", { Authorization: `Bearer ${apiKey.slice(0, -1)}` }],
    ["a key and more", { Authorization: `Bearer ${apiKey}0` }],
    ["two keys", { Authorization: `Bearer ${apiKey} ${otherKey}` }],
    ["another scheme", { Authorization: `Basic ${Buffer.from(apiKey).toString("base64")}` }],
    ["a wrong X-API-Key", { ...without, "X-API-Key": "x" }],
    ["a wrong Authorization beside a right X-API-Key", { Authorization: "Bearer x", "X-API-Key": apiKey }],
    ["a very long key", { Authorization: `Bearer ${"x".repeat(10_000)}` }],
  ];
  for (const [what, headers] of refused) {
    it(`refuses ${what} with 401, and carries nothing out`, async (t) => {
      const api = await startApi(t);
      const { status, json, headers: answered } = await api.ask(info, { body: "{}", headers });
      assert.deepEqual([status, json.error?.code], [401, "unauthorized"]);
      assert.equal(answered["www-authenticate"], 'Bearer realm="Tidegate"');
      assert.deepEqual(api.done, []);
    });
  }

  for (const query of [`key=${apiKey}`, `api_key=${apiKey}`, "token=x", "x"]) {
    it(`refuses ?${query.split("=")[0]}: a key in a URL ends up in logs`, async (t) => {
      const api = await startApi(t);
      const { status, json } = await api.ask(`${info}?${query}`, { body: "{}", headers: without });
      assert.deepEqual([status, json.error?.code], [400, "invalid_call"]);
      assert.match(json.error?.message ?? "", /an API key into the header Authorization: Bearer KEY/);
      assert.doesNotMatch(json.error?.message ?? "", new RegExp(apiKey));
    });
  }

  it("takes no query beside a right key either, and carries nothing out", async (t) => {
    const api = await startApi(t);
    const { status, json } = await api.ask(`${info}?api_key=${apiKey}`, { body: "{}" });
    assert.deepEqual([status, json.error?.code, api.done], [400, "invalid_call", []]);
    assert.equal((await api.ask(`${info}?`, { body: "{}" })).status, 200, "a question mark alone asks nothing");
  });

  it("never says a key, right or wrong, in an answer or the log", async (t) => {
    const api = await startApi(t);
    const wrong = await api.ask(info, { headers: { Authorization: "Bearer hunter2-hunter2-hunter2" } });
    const right = await api.ask(info, { body: "no JSON" });
    for (const text of [wrong.text, right.text, ...api.logLines]) assert.doesNotMatch(text, /hunter2|a-key-of/);
  });
});

describe("the server API without keys", () => {
  it("answers this machine", async (t) => {
    const api = await startApi(t, { keys: noKeys });
    assert.equal((await api.ask(info, { body: "{}", headers: without })).status, 200);
    assert.equal((await api.ask(info, { body: "{}" })).status, 200);
  });

  for (const host of ["0.0.0.0", "::"]) {
    it(`answers this machine also where the port is bound to ${host}`, async (t) => {
      const api = await startApi(t, { keys: noKeys, host });
      assert.equal((await api.ask(info, { body: "{}", headers: without })).status, 200);
    });
  }

  it("refuses whoever comes by an address of the network, with 403", async (t) => {
    const outside = Object.values(networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .find(({ family, internal }) => family === "IPv4" && !internal)?.address;
    if (outside === undefined) return t.skip("this machine has no address but loopback");
    const api = await startApi(t, { keys: noKeys, host: "0.0.0.0" });
    const { status, json } = await api.ask(info, { body: "{}", headers: without, address: outside });
    assert.deepEqual([status, json.error?.code, api.done.length], [403, "forbidden", 0]);
    assert.match(json.error?.message ?? "", /Without api\.keys/);
  });

  const foreign: readonly (readonly [string, NonNullable<Asked["headers"]>])[] = [
    ["a page of another site", { Origin: "https://evil.example" }],
    ["a page of another port", { Origin: "http://127.0.0.1:80" }],
    ["a page without an origin", { Origin: "null" }],
    [
      "a page whose name was pointed at this machine",
      { Host: "evil.example:9502", Origin: "http://evil.example:9502" },
    ],
    ["a proxy on this machine", { "X-Forwarded-For": "1.2.3.4" }],
    ["a proxy that says Forwarded", { Forwarded: "for=1.2.3.4" }],
    ["a proxy that says Via", { Via: "1.1 shop.example" }],
    ["a proxy that says X-Real-IP alone", { "X-Real-IP": "1.2.3.4" }],
    ["a proxy that says X-Forwarded-Host alone", { "X-Forwarded-Host": "shop.example" }],
    ["a proxy that says X-Forwarded-Proto alone", { "X-Forwarded-Proto": "https" }],
  ];
  for (const host of ["127.0.0.1", "0.0.0.0"]) {
    for (const [what, headers] of foreign) {
      it(`refuses ${what} with 403 (bound to ${host})`, async (t) => {
        const api = await startApi(t, { keys: noKeys, host });
        const { status, json } = await api.ask(info, { body: "{}", headers: { ...without, ...headers } });
        assert.deepEqual([status, json.error?.code, api.done.length], [403, "forbidden", 0]);
      });
    }
  }

  for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", undefined]) {
    it(`takes no ${type ?? "missing type"}, which a page may send without asking: 415`, async (t) => {
      const api = await startApi(t, { keys: noKeys });
      const { status, json } = await api.ask(info, { body: "{}", headers: { "Content-Type": type } });
      assert.deepEqual([status, json.error?.code, api.done.length], [415, "unsupported_media_type", 0]);
    });
  }

  it("answers no preflight", async (t) => {
    const api = await startApi(t, { keys: noKeys });
    const headers = { "Access-Control-Request-Method": "POST", Origin: "https://evil.example" };
    const { status, headers: answered } = await api.ask(info, { method: "OPTIONS", headers });
    assert.equal(status, 405);
    assert.equal(answered["access-control-allow-origin"], undefined);
  });
});

describe("the rate of a key", () => {
  it("is counted key by key; past it come 429 and Retry-After, and nothing is carried out", async (t) => {
    const api = await startApi(t, { requestsPerSecondMax: 2 });
    const statuses: number[] = [];
    for (let i = 0; i < 40; i += 1) statuses.push((await api.ask(info, { body: "{}" })).status);
    const { headers, json, status } = await api
      .ask(info, { body: "{}" })
      .then(async (answered) => (answered.status === 429 ? answered : api.ask(info, { body: "{}" })));
    assert.ok(statuses.includes(429) && statuses[0] === 200 && statuses[1] === 200, String(statuses));
    assert.deepEqual([status, json.error?.code, headers["retry-after"]], [429, "rate_limited", "1"]);
    assert.equal((await api.ask(info, { body: "{}", headers: { Authorization: `Bearer ${otherKey}` } })).status, 200);
    assert.equal(api.done.length, api.counters.requests.find(({ labels }) => labels.status === 200)?.value);
  });
});
