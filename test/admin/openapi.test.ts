/**
 * The document is checked against what is really answered: the validators are made of the document's own schemas, not of
 * those that it was made from.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { z } from "zod";
import { ApiKeys } from "../../src/auth/api-keys.ts";
import { callNames, callPath } from "../../src/calls/call-table.ts";
import { examples, startApi } from "./api-scene.ts";

type Node = Readonly<Record<string, unknown>>;
type Document = {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, { readonly post: Operation }>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, Node>>;
    readonly responses: Readonly<Record<string, Node>>;
  };
  readonly security: readonly Node[];
};
interface Operation {
  readonly operationId: string;
  readonly requestBody: { readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly content?: Content; readonly $ref?: string }>>;
}
type Content = Readonly<Record<string, { readonly schema: Node }>>;

async function documentOf(url: string): Promise<Document> {
  const response = await fetch(`${url}/api/openapi.json`);
  assert.deepEqual([response.status, response.headers.get("content-type")], [200, "application/json; charset=utf-8"]);
  return (await response.json()) as Document;
}

const validator = (schema: Node | undefined) => z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0]);
const schemaOf = (content: Content | undefined): Node | undefined => content?.["application/json"]?.schema;

describe("the OpenAPI document", () => {
  it("has every call, each once, with a summary, and no other path", async (t) => {
    const { openapi, paths } = await documentOf((await startApi(t)).url);
    assert.match(openapi, /^3\.1\.\d$/);
    assert.deepEqual(Object.keys(paths), callNames.map(callPath));
    assert.deepEqual(
      Object.values(paths).map(({ post }) => post.operationId),
      callNames,
    );
    for (const { post } of Object.values(paths))
      assert.match((post as unknown as { summary: string }).summary, /^[A-Z].*\.$/);
  });

  it("refers only to what is in it, and its schemas are whole", async (t) => {
    const document = await documentOf((await startApi(t)).url);
    const references: string[] = [];
    const walk = (value: unknown): void => {
      if (typeof value !== "object" || value === null) return;
      for (const [key, below] of Object.entries(value)) {
        if (key === "$ref") references.push(String(below));
        assert.notEqual(key, "$schema");
        assert.notEqual(key, "$defs");
        walk(below);
      }
    };
    walk(document);
    assert.ok(references.length > 50);
    for (const reference of references) {
      const found = reference
        .replace(/^#\//, "")
        .split("/")
        .reduce<unknown>((at, part) => (at as Node | undefined)?.[part], document);
      assert.equal(typeof found, "object", reference);
    }
  });

  it("says that a key is needed, or that none is", async (t) => {
    const withKeys = await documentOf((await startApi(t)).url);
    const without = await documentOf((await startApi(t, { keys: new ApiKeys([]) })).url);
    assert.deepEqual(withKeys.security, [{ bearer: [] }, { header: [] }]);
    assert.deepEqual(without.security, [{ bearer: [] }, { header: [] }, {}]);
  });

  for (const name of callNames) {
    it(`describes what ${name} takes and what it really answers`, async (t) => {
      const api = await startApi(t);
      const { post } = (await documentOf(api.url)).paths[callPath(name)]!;
      assert.deepEqual(validator(schemaOf(post.requestBody.content)).parse(examples[name]), examples[name]);
      const { status, json } = await api.call(name, examples[name]);
      assert.equal(status, 200);
      validator(schemaOf(post.responses["200"]?.content)).parse(json);
      assert.equal(validator(schemaOf(post.responses["200"]?.content)).safeParse({ result: 7 }).success, false);
    });

    it(`refuses for ${name} what the gateway refuses: an unknown field, and a list`, async (t) => {
      const api = await startApi(t);
      const { post } = (await documentOf(api.url)).paths[callPath(name)]!;
      for (const params of [{ ...examples[name], surplus: 1 }, [], 7]) {
        assert.equal(validator(schemaOf(post.requestBody.content)).safeParse(params).success, false);
        assert.equal((await api.call(name, params)).status, 400);
      }
    });
  }

  it("says in words that one of several fields must be there, as the page does", async (t) => {
    const { url } = await startApi(t);
    const { paths } = await documentOf(url);
    const page = await (await fetch(`${url}/api`)).text();
    for (const name of ["subscribe", "unsubscribe", "disconnect", "revoke"] as const) {
      const text = schemaOf(paths[callPath(name)]?.post.requestBody.content)?.description;
      assert.match(String(text), /^At least one of .* must be there\.$/, name);
      assert.ok(page.split(`<section id="${name}">`)[1]?.split("</section>")[0]?.includes(`<p>${text}</p>`), name);
    }
  });

  it("lists every status that is really answered, with the shape of its error", async (t) => {
    const api = await startApi(t, { bodyBytesMax: 1024, requestsPerSecondMax: 1_000_000 });
    const open = await startApi(t, { keys: new ApiKeys([]) });
    const document = await documentOf(api.url);
    const body = "{}";
    const answered = await Promise.all([
      api.ask("/api/v1/info", { body: "[]" }),
      api.ask("/api/v1/info", { body, headers: { Authorization: undefined } }),
      open.ask("/api/v1/info", { body, headers: { Origin: "https://evil.example" } }),
      api.ask("/api/v1/info", { method: "GET" }),
      api.ask("/api/v1/info", { body: " ".repeat(2000) }),
      api.ask("/api/v1/info", { body, headers: { "Content-Type": "text/plain" } }),
    ]);
    assert.deepEqual(
      answered.map(({ status }) => status),
      [400, 401, 403, 405, 413, 415],
    );
    for (const { status, json } of answered) {
      const reference = document.paths["/api/v1/info"]?.post.responses[status]?.$ref?.split("/").at(-1) ?? "";
      const response = document.components.responses[reference] as { content: Content };
      assert.deepEqual(schemaOf(response.content), { $ref: "#/components/schemas/Error" });
      validator(document.components.schemas.Error).parse(json);
    }
  });
});

describe("the page at /api", () => {
  it("names every call and its fields, and fetches and runs nothing", async (t) => {
    const { url } = await startApi(t);
    const response = await fetch(`${url}/api`);
    const text = await response.text();
    assert.deepEqual([response.status, response.headers.get("content-type")], [200, "text/html; charset=utf-8"]);
    assert.match(
      response.headers.get("content-security-policy") ?? "",
      /^default-src 'none'; style-src 'sha256-[^']+';/,
    );
    assert.equal(response.headers.get("x-frame-options"), "DENY");
    for (const name of callNames) assert.ok(text.includes(`<section id="${name}">`), name);
    for (const field of ["channel", "items[].queuedBytes", "since.epoch", "ttlSeconds"])
      assert.ok(text.includes(`<code>${field}</code>`), field);
    assert.doesNotMatch(text, /<script|\bsrc=|url\(|@import|https?:/);
  });

  for (const path of ["/api", "/api/openapi.json"]) {
    it(`${path} is read by GET and HEAD alone`, async (t) => {
      const { ask } = await startApi(t);
      assert.equal((await ask(path, { method: "HEAD" })).status, 200);
      const { status, headers } = await ask(path);
      assert.deepEqual([status, headers.allow], [405, "GET, HEAD"]);
    });

    it(`${path} needs no key, and is not there for a foreign name`, async (t) => {
      const { ask } = await startApi(t);
      assert.equal((await ask(path, { method: "GET", headers: { Authorization: undefined } })).status, 200);
      assert.equal((await ask(path, { method: "GET", headers: { Host: "evil.example" } })).status, 403);
    });
  }
});
