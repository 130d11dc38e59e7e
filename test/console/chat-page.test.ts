import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";
import { Script } from "node:vm";
import { chatPage, chatPagePolicy } from "../../src/console/chat-page.ts";

const page = chatPage({ publicPort: 9501, tls: false, version: "1.2.3" });
const inside = (tag: string) => page.match(new RegExp(`<${tag}>([\\s\\S]*?)</${tag}>`))?.[1] ?? "";
const hash = (text: string) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

describe("the chat page", () => {
  it("loads nothing from anywhere", () => {
    const addresses = page.match(/(?:https?:)?\/\/[\w.-]+/g) ?? [];
    assert.deepEqual(
      addresses.filter((address) => address !== "http://www.w3.org"),
      [],
    );
    assert.doesNotMatch(page, /\ssrc=|@import|url\(/);
    assert.deepEqual(
      [...page.matchAll(/<link[^>]*href="([^"]{5})/g)].map(([, href]) => href),
      ["data:"],
    );
  });

  it("has a script that parses", () => {
    assert.doesNotThrow(() => new Script(inside("script")));
  });

  it("never turns text into markup or code", () => {
    assert.doesNotMatch(inside("script"), /innerHTML|outerHTML|insertAdjacent|document\.write|eval|Function\(|\.src\b/);
  });

  it("carries no style or handler in attributes, which its policy would refuse", () => {
    assert.doesNotMatch(page.replace(inside("script"), ""), /\s(?:style|on\w+)=/);
  });

  it("escapes the version", () => {
    assert.match(chatPage({ publicPort: 1, tls: true, version: '<b>"' }), /Tidegate &#60;b&#62;&#34;/);
  });
});

describe("the policy of the chat page", () => {
  it("names the page's own script and style, and the gateway on the page's host", () => {
    assert.equal(
      chatPagePolicy("chat.example", 9501),
      `default-src 'none'; script-src ${hash(inside("script"))}; style-src ${hash(inside("style"))}; ` +
        "connect-src ws://chat.example:9501 wss://chat.example:9501; img-src data:; base-uri 'none'; " +
        "form-action 'none'; frame-ancestors 'none'",
    );
  });

  it("allows any WebSocket where the host has no form in a policy", () => {
    for (const host of ["[::1]", "", "a b", "x;script-src *", "ü"])
      assert.match(chatPagePolicy(host, 9501), /connect-src ws: wss:; img-src/);
  });
});
