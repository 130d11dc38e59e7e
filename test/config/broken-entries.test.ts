import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { faultsOf, fileWith } from "./faults.ts";

const hook = `url: "http://h/", secret: ${"x".repeat(32)}`;

/** Whole `channels`, `auth.keys` and `webhooks` sections, the fault's key and its rule. */
const brokenEntries: readonly (readonly [string, string, RegExp])[] = [
  ['channels: { "a b": {} }', 'channels["a b"]', /must be a channel pattern/],
  ['channels: { "": {} }', 'channels[""]', /must be a channel pattern/],
  ['channels: { "a.>.b": {} }', 'channels["a.>.b"]', /must be a channel pattern/],
  ['channels: { "{users}": {} }', 'channels["{users}"]', /must be a channel pattern/],
  ["channels: { __proto__: {} }", "channels.__proto__", /not allowed/],
  ["channels: { a: 7 }", "channels.a", /must be a map of keys, got 7/],
  ["channels: { a: { subscribe: anybody } }", "channels.a.subscribe", /must be anyone, .*, got "anybody"/],
  ["channels: { a: { subscribe: subscriber } }", "channels.a.subscribe", /must be anyone/],
  ["channels: { a: { subscribe: [] } }", "channels.a.subscribe", /got \[\]/],
  ['channels: { a: { publish: ["role:"] } }', "channels.a.publish[0]", /must be subscriber, anyone/],
  ["channels: { a: { history: { size: 5 } } }", "channels.a.history.seconds", /got nothing/],
  ["channels: { a: { history: { size: 100001, seconds: 1 } } }", "channels.a.history.size", /0 to 100000/],
  ["channels: { a: { history: { size: 1, seconds: 604801 } } }", "channels.a.history.seconds", /0 to 604800/],
  ["channels: { a: { presence: 1 } }", "channels.a.presence", /true or false/],
  ["channels: { a: { rate: -1 } }", "channels.a.rate", /whole number/],
  ["channels: { a: { echo: null } }", "channels.a.echo", /true or false/],
  ["channels: { a: { ecko: true } }", "channels.a.ecko", /did you mean echo\?/],
  ["channels: { a: { authorize: http://b/ } }", "channels.a.authorize", /a map with url/],
  ["channels: { a: { authorize: { on: publish } } }", "channels.a.authorize.url", /http:.*got nothing/],
  ["channels: { a: { authorize: { url: b } } }", "channels.a.authorize.url", /http:/],
  ["channels: { a: { authorize: { url: http://b/, on: join } } }", "channels.a.authorize.on", /subscribe or publish/],
  ["channels: { a: { authorize: { url: http://b/, whenDown: no } } }", "channels.a.authorize.whenDown", /refuse or/],
  ["channels: { a: { authorize: { url: http://b/, timeout: 5 } } }", "channels.a.authorize.timeout", /timeoutMs\?/],
  ["auth: { keys: [{ algorithm: HS256 }] }", "auth.keys[0]", /either secret or secretFile/],
  ["auth: { keys: [{ algorithm: HS256, secret: short }] }", "auth.keys[0].secret", /32 bytes, got 5 bytes/],
  ["auth: { keys: [{ algorithm: HS256, publicKeyFile: x.pem }] }", "auth.keys[0]", /either secret or secretFile/],
  ["auth: { keys: [{ algorithm: RS256, secretFile: x }] }", "auth.keys[0]", /only publicKeyFile/],
  ["auth: { keys: [{ algorithm: none, publicKeyFile: x }] }", "auth.keys[0].algorithm", /must be HS256, /],
  ["auth: { keys: [{ publicKeyFile: x }] }", "auth.keys[0].algorithm", /got nothing/],
  [
    "auth: { keys: [{ algorithm: RS256, publicKeyfile: x }] }",
    "auth.keys[0].publicKeyfile",
    /did you mean publicKeyFile\?/,
  ],
  [
    "auth: { keys: [{ algorithm: RS256, publicKeyFile: /no/such.pem }] }",
    "auth.keys[0].publicKeyFile",
    /can be read.*ENOENT/,
  ],
  ["auth: { keys: [{ algorithm: RS256, publicKeyFile: /tmp }] }", "auth.keys[0].publicKeyFile", /can be read.*EISDIR/],
  ["tls: { certFile: /tmp, keyFile: /tmp }", "tls.certFile", /can be read.*EISDIR/],
  ['webhooks: [{ url: "http://h/" }]', "webhooks[0]", /either secret or secretFile/],
  [`webhooks: [{ ${hook}, secretFile: x }]`, "webhooks[0]", /either secret or secretFile/],
  [`webhooks: [{ ${hook.slice(13)} }]`, "webhooks[0].url", /http:\/\/ or https:\/\/ URL, got nothing/],
  ['webhooks: [{ url: "ftp://h/", secretFile: x }]', "webhooks[0].url", /http:\/\/ or https:\/\/ URL, got 8 bytes/],
  ['webhooks: [{ url: "http://h/", secret: short }]', "webhooks[0].secret", /32 bytes, got 5 bytes/],
  ['webhooks: [{ url: "http://h/", secretFile: /no/such }]', "webhooks[0].secretFile", /can be read.*ENOENT/],
  [`webhooks: [{ ${hook}, events: [conected] }]`, "webhooks[0].events[0]", /connected, .*, got "conected"/],
  [`webhooks: [{ ${hook}, events: [] }]`, "webhooks[0].events", /a list of connected/],
  [`webhooks: [{ ${hook}, channels: "a.{user}" }]`, "webhooks[0].channels", /a channel pattern/],
  [`webhooks: [{ ${hook}, channels: ["a b"] }]`, "webhooks[0].channels[0]", /without \{user\}/],
  [`webhooks: [{ ${hook}, timeoutMs: 99 }]`, "webhooks[0].timeoutMs", /100 to 60000/],
  [`webhooks: [{ ${hook}, batchMax: 1001 }]`, "webhooks[0].batchMax", /1 to 1000/],
  [`webhooks: [{ ${hook}, event: [connected] }]`, "webhooks[0].event", /did you mean events\?/],
  [`webhooks: [{ ${hook} }, { ${hook} }]`, "webhooks[1].url", /a URL that no other webhook has/],
];

describe("each field of a channel's policy and of a key, broken in turn", () => {
  for (const [text, key, rule] of brokenEntries) {
    it(text, (t) => {
      const faults = faultsOf({ file: fileWith(t, text) });
      assert.deepEqual([faults[0]?.key], [key]);
      assert.match(faults[0]!.text, rule);
    });
  }

  it("two keys with one kid", (t) => {
    const key = `{ kid: a, algorithm: HS256, secret: ${"x".repeat(32)} }`;
    const faults = faultsOf({ file: fileWith(t, `auth: { keys: [${key}, ${key}] }`) });
    assert.deepEqual(
      faults.map(({ key }) => key),
      ["auth.keys[1].kid"],
    );
  });
});
