import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { assetPaths, pageModules, pagePaths, servedPage } from "../../src/console/console.ts";

const setting = { host: "chat.example", publicPort: 9501, tls: false, version: '<b>"' };
const served = async (path: string) => {
  const found = await servedPage(path, setting);
  assert.ok(found, path);
  return found;
};
const folder = new URL("../../src/console/page/", import.meta.url);
const documents = { "the console's document": await served("/"), "the chat page's document": await served("/chat") };

for (const [name, { body, headers }] of Object.entries(documents)) {
  describe(name, () => {
    it("loads what is served beside it, and nothing else", () => {
      const loaded = [...body.matchAll(/<(?:link|script)[^>]*?(?:href|src)="([^"]*)"/g)].map(([, path]) => path!);
      assert.ok(loaded.length > 5);
      assert.deepEqual(
        loaded.filter((path) => !assetPaths.includes(path) && !path.startsWith("data:image/svg+xml,")),
        [],
      );
    });

    it("has no script, style or handler of its own, which its policy would refuse", () => {
      assert.doesNotMatch(body, /<style|<script(?![^>]*\ssrc=)|\s(?:style|on\w+)=/);
    });

    it("escapes the version, and tells where clients connect to", () => {
      assert.match(body, /Tidegate &#60;b&#62;&#34;/);
      assert.match(body, /data-public-port="9501" data-tls="false"/);
    });

    it("labels every field, and gives every id once", () => {
      const ids = [...body.matchAll(/\sid="([^"]*)"/g)].map(([, id]) => id!);
      assert.deepEqual(
        ids.filter((id, i) => ids.indexOf(id) !== i),
        [],
      );
      const fields = [...body.matchAll(/<(?:input|textarea|select)[^>]*?\sid="([^"]*)"/g)].map(([, id]) => id!);
      assert.ok(fields.length > 1);
      const isLabelled = (id: string): boolean =>
        body.includes(`for="${id}"`) || new RegExp(`<label>[^<]*<(?:input|select) id="${id}"`).test(body);
      assert.deepEqual(
        fields.filter((id) => !isLabelled(id)),
        [],
      );
    });

    it("has a policy of its own origin and the gateway on the page's host, with Trusted Types", () => {
      assert.equal(
        headers?.["Content-Security-Policy"],
        "default-src 'none'; script-src 'self'; style-src 'self'; " +
          "connect-src 'self' ws://chat.example:9501 wss://chat.example:9501; img-src data:; " +
          "require-trusted-types-for 'script'; trusted-types 'none'; base-uri 'none'; form-action 'none'; " +
          "frame-ancestors 'none'",
      );
    });
  });
}

it("A host that has no form in a policy cannot write into it: any WebSocket is allowed then", async () => {
  for (const host of ["[::1]", "", "a b", "x;script-src *", "ü"]) {
    const found = await servedPage("/chat", { ...setting, host });
    assert.match(found?.headers?.["Content-Security-Policy"] ?? "", /connect-src 'self' ws: wss:; img-src/);
  }
});

describe("what they load", () => {
  it("is there, with the type that browsers ask of it", async () => {
    for (const path of assetPaths) {
      const { contentType, body } = await served(path);
      const type = /\.css$/.test(path) ? "text/css" : /\.txt$/.test(path) ? "text/plain" : "text/javascript";
      assert.equal(contentType, `${type}; charset=utf-8`, path);
      assert.ok(body.length > 100, path);
    }
    assert.match((await served("/console/uplot-license.txt")).body, /MIT License|Permission is hereby granted/);
  });

  it("lets pages elsewhere load the client, and nothing else", async () => {
    const policy = async (path: string) => (await served(path)).headers?.["Cross-Origin-Resource-Policy"];
    assert.equal(await policy("/tidegate.min.js"), "cross-origin");
    assert.match((await served("/tidegate.min.js")).body, /\.Tidegate=\{createClient:/);
    for (const path of [...pagePaths, ...assetPaths])
      if (path !== "/tidegate.min.js") assert.equal(await policy(path), undefined, path);
  });

  it("is every module of the pages, as JavaScript", async () => {
    const names = readdirSync(folder).filter((name) => name.endsWith(".ts"));
    assert.deepEqual(names.sort(), pageModules.map((name) => `${name}.ts`).sort());
    const { body } = await served("/console/api.ts");
    assert.doesNotMatch(body, /readonly|: string/);
    assert.match(body, /export async function call\(/);
  });

  it("never turns text into markup or code", () => {
    for (const name of pageModules) {
      const text = readFileSync(new URL(`${name}.ts`, folder), "utf8");
      assert.doesNotMatch(text, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function/, name);
    }
  });

  it("is all there is: other paths are none of these pages", async () => {
    for (const path of [
      "/console",
      "/console/",
      "/console/../package.json",
      "/console/toString",
      "/chat/",
      "/index.html",
    ])
      assert.equal(await servedPage(path, setting), undefined, path);
    for (const path of pagePaths) await served(path);
  });
});
