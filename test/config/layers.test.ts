import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { AuthOptions } from "../../src/auth/auth-options.ts";
import type { PolicyOptions } from "../../src/channel/policy-options.ts";
import type { Config } from "../../src/config/config-schema.ts";
import { faultsOf, fileWith, load } from "./faults.ts";

describe("layers: defaults < file < environment < flags", () => {
  it("without any source every key has its default", () => {
    const { config, warnings } = load({});
    assert.equal(config.port, 9501);
    assert.equal(config.maxMessagesPerMinute, 60);
    assert.deepEqual(config.channels["private.user.{user}"], { subscribe: ["owner", "role:admin"] });
    assert.deepEqual(warnings, []);
  });

  it("a later source overrides an earlier one, key by key", (t) => {
    const file = fileWith(t, "port: 1111\nhost: 10.0.0.1\nheartbeatInterval: 11\nlog: { level: warn, format: json }\n");
    const env = { TIDEGATE_HOST: "10.0.0.2", TIDEGATE_HEARTBEAT_INTERVAL: "22", TIDEGATE_LOG__LEVEL: "error" };
    const { config } = load({ file, env, flags: { heartbeatInterval: "33" } });
    assert.equal(config.port, 1111);
    assert.equal(config.host, "10.0.0.2");
    assert.equal(config.heartbeatInterval, 33);
    assert.deepEqual(config.log, { level: "error", format: "json" });
  });

  it("a list is replaced as a whole", (t) => {
    const file = fileWith(t, "origins: [https://a.example, https://b.example]\n");
    assert.deepEqual(load({ file, env: { TIDEGATE_ORIGINS: "https://c.example" } }).config.origins, [
      "https://c.example",
    ]);
  });

  it("a file's pattern is added to the default ones, field by field", (t) => {
    const file = fileWith(t, 'channels:\n  "chat.>": { presence: true }\n  "news.*": { publish: nobody }\n');
    const { channels } = load({ file }).config;
    assert.deepEqual(channels["chat.>"], { history: { size: 100, seconds: 300 }, presence: true });
    assert.deepEqual(channels["news.*"], { publish: ["nobody"] });
    assert.deepEqual(channels["private.>"], { subscribe: ["granted"] });
  });

  it("null removes a pattern, and nothing else does", (t) => {
    const file = fileWith(t, 'channels:\n  "chat.>": null\n  "presence.>": {}\n');
    const { channels } = load({ file }).config;
    assert.equal("chat.>" in channels, false);
    assert.deepEqual(channels["presence.>"], { presence: true });
  });

  it("a pattern removed by one source can be given anew by the next", (t) => {
    const file = fileWith(t, 'channels:\n  "chat.>": null\n');
    const { channels } = load({ file, env: { TIDEGATE_CHANNELS: '{"chat.>": {"echo": false}}' } }).config;
    assert.deepEqual(channels["chat.>"], { echo: false });
  });

  it("one text stands for a list of one", (t) => {
    const file = fileWith(t, 'auth: { issuer: me, audience: [a, b] }\nchannels: { x: { subscribe: "role:admin" } }\n');
    const { auth, channels } = load({ file }).config;
    assert.deepEqual(auth.issuer, ["me"]);
    assert.deepEqual(auth.audience, ["a", "b"]);
    assert.deepEqual(channels.x, { subscribe: ["role:admin"] });
  });

  it("a file of comments only sets nothing", (t) => {
    assert.deepEqual(load({ file: fileWith(t, "# nothing\n") }).config, load({}).config);
  });

  it("flags may be values or texts, and undefined ones are not set", () => {
    const { config } = load({ flags: { port: 0, adminPort: "0", host: undefined, log: { level: undefined } } });
    assert.equal(config.port, 0);
    assert.equal(config.adminPort, 0);
    assert.equal(config.host, "0.0.0.0");
  });

  it("the configuration is frozen to the bottom, and loading twice shares nothing", () => {
    const { config } = load({});
    assert.throws(() => Object.assign(config, { port: 1 }), TypeError);
    assert.throws(() => Object.assign(config.channels[">"]!.history!, { size: 1 }), TypeError);
    assert.throws(() => (config.origins as string[]).push("x"), TypeError);
    assert.notEqual(load({}).config.channels, config.channels);
  });

  it("its slices are what their owners declare", () => {
    const { config }: { config: Config } = load({});
    const auth: AuthOptions = config.auth;
    const channels: Readonly<Record<string, PolicyOptions>> = config.channels;
    assert.deepEqual(Object.keys(auth).sort(), authKeys);
    assert.equal(typeof channels, "object");
  });
});

describe("a configuration file that cannot be read", () => {
  it("that is missing is named with the system's reason", () => {
    assert.deepEqual(faultsOf({ file: "/no/such.yaml" }), [
      { source: "/no/such.yaml", key: "", text: "cannot be read: ENOENT" },
    ]);
  });

  it("with a syntax error is named with the line, and never quoted", (t) => {
    const file = fileWith(t, 'port: 1\nauth:\n  secret: "hunter2\n');
    const [fault] = faultsOf({ file });
    assert.match(fault!.source, /gateway\.yaml:\d$/);
    assert.match(fault!.text, /^must be valid YAML: /);
    assert.doesNotMatch(JSON.stringify(faultsOf({ file })), /hunter2/);
  });

  it("with an alias in place of a secret does not quote it", (t) => {
    const faults = faultsOf({ file: fileWith(t, "auth: { secret: *hunter2 }\n") });
    assert.equal(faults.length, 1);
    assert.doesNotMatch(faults[0]!.text, /hunter2/);
  });

  it("with a key twice is refused", (t) => {
    assert.match(faultsOf({ file: fileWith(t, "port: 1\nport: 2\n") })[0]!.text, /unique/);
  });

  it("with a second document is refused: it would count for nothing", (t) => {
    const [fault] = faultsOf({ file: fileWith(t, "port: 1\n---\nport: 2\n") });
    assert.match(fault?.source ?? "", /gateway\.yaml:\d$/);
    assert.match(fault?.text ?? "", /^must be one YAML document/);
    assert.equal(load({ file: fileWith(t, "---\nport: 1\n...\n") }).config.port, 1); // the marks of one are fine
  });

  it("that refers to itself is refused", (t) => {
    assert.match(faultsOf({ file: fileWith(t, "tls: &x { certFile: *x }\n") })[0]!.text, /stands for itself/);
  });

  it("that is a list or a text is refused", (t) => {
    for (const text of ["- port: 1\n", "hello\n"])
      assert.match(faultsOf({ file: fileWith(t, text) })[0]!.text, /^must be a map of keys/);
  });

  it("does not hide the faults of other sources", () => {
    const sources = faultsOf({ file: "/no/such.yaml", env: { TIDEGATE_PORT: "x" } }).map(({ source }) => source);
    assert.deepEqual(sources, ["/no/such.yaml", "TIDEGATE_PORT"]);
  });
});

const authKeys = [
  "algorithm",
  "audience",
  "clockToleranceSeconds",
  "expiringNoticeSeconds",
  "expiryGraceSeconds",
  "issuer",
  "jwksUrl",
  "keys",
  "required",
  "roles",
  "secret",
];
