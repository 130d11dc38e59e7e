import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { maskSecrets } from "../../src/config/secrets.ts";
import { fileWith, load, messageOf } from "./faults.ts";

const secret = `hunter2${"x".repeat(32)}`;

describe("secrets", () => {
  it("are masked for printing, and the rest is not touched", (t) => {
    const file = fileWith(t, "");
    const { config } = load({
      flags: {
        auth: {
          secret,
          keys: [{ algorithm: "HS256", secret, kid: "a" }],
          jwksUrl: "https://me:hunter2@a.example/keys",
        },
        callouts: { secret, connect: { url: "https://a.example/?key=hunter2" } },
        api: { keys: [secret, { name: "shop", key: `${secret}2` }] },
        redis: { password: "hunter2" },
        tls: { certFile: file, keyFile: file, passphrase: "hunter2" },
        webhooks: [{ url: "https://me:hunter2@a.example/hooks?key=hunter2", secret }],
      },
    });
    const masked = maskSecrets(config);
    assert.doesNotMatch(JSON.stringify(masked), /hunter2/);
    assert.equal(masked.auth.jwksUrl, "https://********@a.example/keys");
    assert.equal(masked.auth.keys[0]?.kid, "a");
    assert.deepEqual(
      masked.api.keys.map(({ name }) => name),
      ["key 1", "shop"],
    );
    assert.equal(masked.webhooks[0]?.url, "https://********@a.example/hooks?********");
    assert.deepEqual(masked.channels, config.channels);
    assert.match(JSON.stringify(config), /hunter2/);
  });

  const printed: readonly (readonly [given: string, shown: string])[] = [
    ["redis://user:hunter2@h:1/2", "redis://********@h:1/2"],
    ["rediss://:hunter2%2F@h", "rediss://********@h"],
    ["redis://h/0?password=hunter2", "redis://h/0?********"],
    ["redis://u:p@h/0?password=hunter2&x=hunter2", "redis://********@h/0?********"],
    ["redis://h/0?password=p@hunter2", "redis://********"],
    ["redis://h:6379/0", "redis://h:6379/0"],
  ];
  for (const [given, shown] of printed) {
    it(`${given} is printed as ${shown}`, () => {
      assert.equal(maskSecrets(load({ flags: { redis: { url: given } } }).config).redis.url, shown);
    });
  }

  it("that a URL does not escape are masked up to the last @, whatever stands before it", () => {
    const { config } = load({});
    for (const password of [
      "hun/hunter2",
      "hun#hunter2",
      "hun?x=hunter2",
      "hun@hunter2",
      "hun:hunter2",
      "hun\nhunter2",
    ]) {
      for (const scheme of ["redis://", "https://", ""]) {
        const url = `${scheme}user:${password}@h`;
        const masked = maskSecrets({ ...config, redis: { ...config.redis, url, cluster: [url] } });
        assert.doesNotMatch(JSON.stringify(masked), /hun/, url);
      }
    }
  });

  it("that are empty stay empty", () => {
    assert.deepEqual(maskSecrets(load({}).config), load({}).config);
  });

  const misplaced: readonly (readonly [string, object])[] = [
    ["a short secret", { auth: { secret: "hunter2" } }],
    ["a secret in place of its section", { auth: "hunter2" }],
    ["a secret in place of the list of keys", { auth: { keys: ["hunter2"] } }],
    ["a short secret of a key", { auth: { keys: [{ algorithm: "HS256", secret: "hunter2" }] } }],
    ["a list of secrets", { auth: { secret: ["hunter2"] } }],
    ["a short API key", { api: { keys: ["hunter2"] } }],
    ["an API key in place of the list", { api: { keys: "hunter2" } }],
    ["an API key in place of its section", { api: "hunter2" }],
    ["a map with a short API key", { api: { keys: [{ key: "hunter2" }] } }],
    ["a misspelt key", { auth: { sercet: "hunter2" }, redis: { pasword: "hunter2" } }],
    ["a password in place of its section", { redis: "hunter2" }],
    ["a password in a URL", { auth: { jwksUrl: "ftp://me:hunter2@a.example/" } }],
    ["a password in a URL without a scheme", { redis: { url: "user:hunter2@host:6379" } }],
    ["a text in place of Redis' URL", { redis: { url: "hunter2" } }],
    ["a list in place of Redis' URL", { redis: { url: ["hunter2"] } }],
    ["a password that Redis' URL does not escape", { redis: { url: "redis://user:hun/hunter2@h" } }],
    ["a password in a query of a wrong URL", { redis: { url: "redis://h/x?password=hunter2" } }],
    ["a password in the address of a Cluster", { redis: { cluster: ["u:hunter2@h:1"] } }],
    ["a password in the address of a Cluster that is no list", { redis: { cluster: { u: "hunter2@h:1" } } }],
    ["a password in the address of a Sentinel", { redis: { sentinels: ["u:hunter2@h:1"] } }],
    ["a password in Redis' host", { redis: { host: "u:hunter2@h:1" } }],
    ["a password in a query beside Redis' host", { redis: { host: "h?password=hunter2" } }],
    ["a password in the name of a file", { tls: { certFile: "https://u:hunter2@h/a.pem", keyFile: "/no/such.pem" } }],
    ["a webhook's short secret", { webhooks: [{ url: "http://h/", secret: "hunter2" }] }],
    ["a webhook's secret in place of the webhook", { webhooks: ["hunter2"] }],
    ["a password in a webhook's wrong URL", { webhooks: [{ url: "ftp://u:hunter2@h/", secret }] }],
    [
      "a password in a webhook's URL that another has",
      { webhooks: Array(2).fill({ url: "http://u:hunter2@h/", secret }) },
    ],
    ["a key of the wrong kind", { auth: { keys: [{ algorithm: "RS256", secret }] } }],
  ];
  for (const [what, tree] of misplaced) {
    it(`${what} is a fault that does not quote it`, (t) => {
      assert.doesNotMatch(messageOf({ file: fileWith(t, JSON.stringify(tree)) }), /hunter2/);
      assert.doesNotMatch(messageOf({ flags: tree }), /hunter2/);
    });
  }

  for (const name of [
    "TIDEGATE_AUTH",
    "TIDEGATE_AUTH__KEYS",
    "TIDEGATE_AUTH__SECRET",
    "TIDEGATE_API__KEYS",
    "TIDEGATE_SECRET",
    "TIDEGATE_TLS",
  ]) {
    it(`${name} is not quoted where it is broken`, () => {
      assert.doesNotMatch(messageOf({ env: { [name]: "{hunter2: [hunter2" } }), /hunter2/);
    });
  }
});
