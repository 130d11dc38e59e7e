import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { keyText } from "../../src/config/key-path.ts";
import { keysIn, settings } from "../../src/config/settings.ts";
import { faultsOf, fileWith, load, messageOf } from "./faults.ts";

/** For each key, values that are just not right. */
const broken: Readonly<Record<string, readonly unknown[]>> = {
  host: ["", "1.2.3", "a b", "http://x", 7, null],
  port: [-1, 65_536, 80_808, 1.5, "9501", true, null],
  adminHost: ["", "256.1.1.1", "-x"],
  adminPort: [-1, 65_536],
  workers: [-1, 257, 1.5, "", "two"],
  connectionTimeout: [0, 86_401],
  heartbeatInterval: [0, 3601],
  maxMessagesPerMinute: [-1, 1_000_001, "many"],
  maxConnections: [-1, 2_097_152],
  connectionsPerAddressMax: [-1],
  heartbeatsPerMinuteMax: [-1],
  floodRefusalsPerMinuteMax: [-1],
  bytesPerSecondMax: [-1, 1, 1023],
  messageBytesMax: [0, 1023, 16_777_217],
  sendQueueBytesMax: [0, 65_535, 268_435_457, 2 ** 31],
  batchItemsMax: [0, 1001],
  depthMax: [0, 129],
  channelsPerConnectionMax: [0, 1_000_001],
  origins: [
    7,
    [7],
    "example.com",
    ["https://a.example/"],
    "https://a.example:443",
    "HTTPS://a.example",
    "https://*",
    "https://a.*.example",
    null,
  ],
  trustedProxies: [
    7,
    "10.0.0.0/33",
    "10.0.0/8",
    "::1/129",
    "proxy.example",
    "10.0.0.0/08",
    "10.0.0.0/8/8",
    "fe80::1%eth0",
  ],
  compression: ["on", true],
  tls: [true, [], null],
  "tls.certFile": [7],
  "tls.keyFile": [null],
  "tls.passphrase": [1234],
  auth: ["x", [], null],
  "auth.required": ["yes", 1],
  "auth.secret": ["short", "x".repeat(31), 12_345_678_901_234, null],
  "auth.algorithm": ["none", "RS256", "hs256"],
  "auth.keys": [{}, "x", [7]],
  "auth.jwksUrl": ["x", "ftp://a.example/", "/etc/keys"],
  "auth.issuer": ["", [""], 7],
  "auth.audience": [[7]],
  "auth.roles": [{}],
  "auth.clockToleranceSeconds": [-1, 3601],
  "auth.expiringNoticeSeconds": [-1, 86_401],
  "auth.expiryGraceSeconds": [-1, 86_401],
  api: [7, "x", []],
  "api.keys": [
    "short",
    ["x"],
    [{}],
    [{ key: "short" }],
    [{ key: "x".repeat(16), keyFile: "y" }],
    [7],
    {},
    "é".repeat(16),
  ],
  "api.bodyBytesMax": [1023, 67_108_865],
  "api.bodyTimeoutSeconds": [0, 9],
  "api.answerTimeoutSeconds": [0, 301],
  "api.requestsPerSecondMax": [-1],
  "api.batchItemsMax": [0, 100_001],
  channels: [[], "x", null],
  callouts: [true],
  "callouts.connect": ["http://127.0.0.1/"],
  "callouts.connect.url": [7, "127.0.0.1", "ftp://127.0.0.1/", "http://user@127.0.0.1/", "http://:pass@127.0.0.1/"],
  "callouts.connect.timeoutMs": [9, 60_001],
  "callouts.connect.whenDown": ["wait", true],
  "callouts.secret": ["short", 7],
  "callouts.failuresMax": [0, 1001],
  "callouts.pauseSeconds": [0, 3601],
  "callouts.inFlightMax": [0, 10_001],
  "callouts.cacheEntriesMax": [-1, 1_000_001],
  hooks: ["hooks.js"],
  "hooks.module": [7, "no-such-hooks.js"],
  "hooks.timeoutMs": [9, 600_001],
  presence: [true],
  "presence.leaveGraceSeconds": [-1, 301],
  history: [100],
  "history.bytesMax": [0, 1_048_575],
  idempotency: [false],
  "idempotency.seconds": [-1, 86_401],
  "idempotency.keysMax": [-1],
  drain: [10],
  "drain.delaySeconds": [-1, 301],
  "drain.seconds": [-1, 3601],
  log: ["info"],
  "log.level": ["verbose", 30, null],
  "log.format": ["xml"],
  redis: [true],
  "redis.enabled": ["false", 1],
  "redis.url": [
    7,
    "http://127.0.0.1",
    "127.0.0.1:6379",
    "redis://user:pass/word@h",
    "redis://user:pass#word@h",
    "redis://user:1/word@h",
    "redis://h:99999",
    "redis://h:0",
    "redis://",
    "redis:///0",
    "redis://:6379",
    "redis://h/name",
    "redis://h/-1",
    "redis://h/1000001",
    "redis://h/0#word",
    "redis://user:50%@h",
    "redis://h h",
  ],
  "redis.host": ["", 7],
  "redis.port": [0, 65_536],
  "redis.password": [1234, null],
  "redis.database": [-1],
  "redis.prefix": [7],
  "redis.username": [7],
  "redis.tls": ["yes"],
  "redis.sentinels": ["127.0.0.1:26379", ["127.0.0.1"]],
  "redis.sentinelName": [7],
  "redis.sentinelPassword": [1234],
  "redis.cluster": [["127.0.0.1"], [7000]],
  "redis.shards": [0, 257],
  "redis.entriesMax": [99],
  "redis.retentionSeconds": [9],
  "redis.durable": ["true"],
  "redis.queueBytesMax": [65_535],
  "redis.leaseSeconds": [1, 301],
  webhooks: ["https://a.example/", {}, [7], null],
  webhookLimits: [7, null],
  "webhookLimits.queueMax": [0],
  "webhookLimits.queueBytesMax": [65_535],
  "webhookLimits.attemptsMax": [0, 1001],
  "webhookLimits.maxAgeSeconds": [0, 604_801],
  "webhookLimits.retryMaxSeconds": [0, 3601],
  "webhookLimits.deadLettersMax": [-1],
};

describe("each key, broken in turn", () => {
  it("the table names every key", () => {
    assert.deepEqual(Object.keys(broken).sort(), settings.map(({ path }) => keyText(path)).sort());
  });

  for (const { path } of settings) {
    const key = keyText(path);
    for (const value of broken[key] ?? []) {
      it(`${key}: ${JSON.stringify(value)} is one fault that names the key and says what it must be`, (t) => {
        const faults = faultsOf({ file: fileWith(t, JSON.stringify(at(path, value))) });
        assert.equal(faults.length, 1, JSON.stringify(faults));
        assert.equal(faults[0]!.key.startsWith(key), true, faults[0]!.key);
        assert.match(faults[0]!.text, /^must be .+, got ./);
      });
    }
  }

  for (const section of ["", "tls", "auth", "presence", "history", "idempotency", "drain", "log", "redis"]) {
    const path = section === "" ? [] : [section];
    for (const key of keysIn(path)) {
      const misspelt = `${key.slice(0, -1)}x${key.slice(-1)}`;
      it(`${keyText([...path, misspelt])} is unknown, and ${key} is meant`, (t) => {
        const faults = faultsOf({ file: fileWith(t, JSON.stringify(at([...path, misspelt], 1))) });
        assert.deepEqual(
          faults.map(({ text }) => text),
          [`is not a known key; did you mean ${key}?`],
        );
      });
    }
  }
});

describe("faults", () => {
  it("of all keys of all sources come at once, each with its place", (t) => {
    const file = fileWith(
      t,
      "# a comment\nport: x\nauth:\n  required: maybe\n  keys:\n    - kid: a\n      algorithm: none\n",
    );
    const env = { TIDEGATE_HOST: "a b", TIDEGATE_HOOST: "x" };
    const faults = faultsOf({ file, env, flags: { log: { level: "loud" } } });
    assert.deepEqual(
      faults.map(({ source, key }) => `${source.replace(file, "FILE")} ${key}`),
      [
        "TIDEGATE_HOOST ",
        "FILE:2 port",
        "FILE:4 auth.required",
        "FILE:7 auth.keys[0].algorithm",
        "TIDEGATE_HOST host",
        "--log-level log.level",
      ],
    );
  });

  it("the message has a line for each, with source, key, rule and value", (t) => {
    const file = fileWith(t, "port: 99999\nprot: 1\n");
    assert.equal(
      messageOf({ file }),
      [
        "the configuration is not valid:",
        `  ${file}:1: port must be a whole number from 0 to 65535, got 99999`,
        `  ${file}:2: prot is not a known key; did you mean port?`,
      ].join("\n"),
    );
  });

  it("a faulty value is a fault also where a later source overrides it", (t) => {
    assert.equal(faultsOf({ file: fileWith(t, "port: x\n"), flags: { port: 1 } }).length, 1);
  });

  it("a known key at the wrong level is told its place", () => {
    assert.match(faultsOf({ flags: { jwksUrl: "x" } })[0]!.text, /did you mean auth\.jwksUrl\?/);
  });

  it("a key that resembles nothing is offered nothing", () => {
    assert.equal(faultsOf({ flags: { zzzzzzzz: 1 } })[0]!.text, "is not a known key");
  });

  it("a URL of Redis that is wrong is told how to write it, not what was given", () => {
    const { text } = faultsOf({ flags: { redis: { url: "redis://user:pass/word@h" } } })[0]!;
    assert.match(
      text,
      /^must be empty, or redis:\/\/user:password@host:port\/database .*\/ as %2F.*, got 24 bytes \(not shown\)$/,
    );
  });

  it("a long value is cut", () => {
    assert.ok(faultsOf({ flags: { compression: "x".repeat(10_000) } })[0]!.text.length < 200);
  });
});

describe("values at the edge that are right", () => {
  const right: readonly (readonly [string, unknown])[] = [
    ["host", "::"],
    ["host", "localhost"],
    ["port", 65_535],
    ["bytesPerSecondMax", 1024],
    ["origins", []],
    [
      "origins",
      ["null", "*", "https://a.example:8443", "http://*.localhost:3000", "capacitor://localhost", "http://[::1]:8080"],
    ],
    ["trustedProxies", ["10.0.0.0/8", "::1", "fd00::/8", "0.0.0.0/0", "192.168.1.1"]],
    ["auth.secret", "é".repeat(16)],
    ["auth.jwksUrl", "http://127.0.0.1:8080/keys"],
    ["redis.url", ""],
    ["redis.url", "redis://h"],
    ["redis.url", "redis://h/"],
    ["redis.url", "rediss://user:pass%2Fword@[::1]:65535/1000000?family=6"],
  ];
  for (const [key, value] of right) {
    it(`${key}: ${JSON.stringify(value)}`, () => {
      assert.deepEqual(faultsOf({ flags: at(key.split("."), value) }), []);
    });
  }

  it("every policy field at once", (t) => {
    const policy =
      '{ subscribe: [anyone, "role:a.b"], publish: subscriber, history: { size: 0, seconds: 0 }, presence: true, rate: 5, echo: false }';
    const { channels } = load({ file: fileWith(t, `channels: { "a.*.{user}.>": ${policy} }`) }).config;
    assert.equal(channels["a.*.{user}.>"]?.rate, 5);
  });
});

function at(path: readonly (string | number)[], value: unknown): object {
  return path.reduceRight<unknown>((below, part) => ({ [part]: below }), value) as object;
}
