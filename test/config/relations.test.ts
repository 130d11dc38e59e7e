import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { faultsOf, fileWith, load } from "./faults.ts";

const secret = "x".repeat(32);

describe("relations between keys", () => {
  it("sendQueueBytesMax is at least 4 x messageBytesMax, whichever of them was set", () => {
    const tooLarge = faultsOf({ env: { TIDEGATE_MESSAGE_BYTES_MAX: "262145" } });
    assert.deepEqual(tooLarge, [
      {
        source: "TIDEGATE_MESSAGE_BYTES_MAX",
        key: "sendQueueBytesMax",
        text: "must be at least 4 x messageBytesMax, here 1048580, got 1048576",
      },
    ]);
    assert.equal(faultsOf({ flags: { sendQueueBytesMax: 262_143 } }).length, 1);
    assert.deepEqual(faultsOf({ flags: { messageBytesMax: 16_777_216, sendQueueBytesMax: 67_108_864 } }), []);
  });

  it("adminPort is never the public port", () => {
    assert.match(faultsOf({ flags: { port: 9502 } })[0]!.text, /must not be the same as port/);
    assert.deepEqual(faultsOf({ flags: { port: 0, adminPort: 0 } }), []);
  });

  it("a certificate comes with its key", (t) => {
    const file = fileWith(t, "");
    assert.match(faultsOf({ flags: { tls: { certFile: file } } })[0]!.text, /together with tls\.keyFile/);
    assert.match(faultsOf({ flags: { tls: { keyFile: file } } })[0]!.text, /together with tls\.keyFile/);
    assert.deepEqual(faultsOf({ flags: { tls: { certFile: file, keyFile: file, passphrase: "x" } } }), []);
    assert.equal(faultsOf({ flags: { tls: { passphrase: "x" } } })[0]!.key, "tls.passphrase");
  });

  it("auth.required needs a key from anywhere", (t) => {
    const publicKeyFile = fileWith(t, "");
    assert.equal(faultsOf({ flags: { auth: { required: true } } })[0]!.key, "auth.required");
    for (const source of [
      { secret },
      { jwksUrl: "https://a.example/" },
      { keys: [{ algorithm: "RS256", publicKeyFile }] },
    ])
      assert.deepEqual(faultsOf({ flags: { auth: { required: true, ...source } } }), []);
  });

  it("is not looked at where one of its keys is known to be faulty", () => {
    assert.deepEqual(
      faultsOf({ flags: { auth: { required: true, secret: "short" } } }).map(({ key }) => key),
      ["auth.secret"],
    );
  });

  it("files that are named can be read", (t) => {
    const file = fileWith(t, "");
    const faults = faultsOf({ flags: { tls: { certFile: "/no/such.pem", keyFile: file } } });
    assert.deepEqual(
      faults.map(({ key, text }) => [key, text]),
      [["tls.certFile", 'must be a file that can be read, got "/no/such.pem" (ENOENT)']],
    );
  });
});

describe("warnings", () => {
  it("a heartbeat that comes after the time-out", () => {
    const { warnings } = load({ flags: { heartbeatInterval: 60, connectionTimeout: 60 } });
    assert.equal(warnings.length, 1);
    assert.match(warnings[0]!, /heartbeatInterval \(60 s\).*clients that only listen will time out/);
    assert.deepEqual(load({ flags: { heartbeatInterval: 59, connectionTimeout: 60 } }).warnings, []);
  });

  it("a limit on heartbeats below what answering them takes", () => {
    assert.match(load({ flags: { heartbeatsPerMinuteMax: 1 } }).warnings[0]!, /should be at least 2/);
    assert.deepEqual(load({ flags: { heartbeatsPerMinuteMax: 0 } }).warnings, []);
  });

  it("a history that keeps nothing", () => {
    const channels = { "a.>": { history: { size: 5, seconds: 0 } } };
    assert.match(load({ flags: { channels } }).warnings[0]!, /channels\["a\.>"\]\.history keeps nothing/);
  });

  const places: readonly (readonly [string, unknown])[] = [
    ["url", "redis://h"],
    ["sentinels", ["h:26379"]],
    ["cluster", ["h:7000"]],
  ];
  for (const [key, value] of places) {
    it(`redis.${key} without redis.enabled`, () => {
      const { warnings } = load({ flags: { redis: { [key]: value } } });
      assert.equal(warnings.length, 1);
      assert.match(warnings[0]!, new RegExp(`redis\\.${key} is given, but redis\\.enabled is false`));
      assert.deepEqual(load({ flags: { redis: { enabled: true, [key]: value } } }).warnings, []);
    });
  }

  it("what is remembered for longer than Redis keeps the log", () => {
    const channels = { "a.>": { history: { size: 5, seconds: 901 } }, "b.>": { history: { size: 5, seconds: 900 } } };
    const flags = { channels, idempotency: { seconds: 901 }, redis: { enabled: true, retentionSeconds: 900 } };
    const { warnings } = load({ flags });
    assert.equal(warnings.length, 2);
    assert.match(
      warnings[0]!,
      /^idempotency\.seconds \(901 s\) .*redis\.retentionSeconds \(900 s\): a node that starts/,
    );
    assert.match(warnings[1]!, /^channels\["a\.>"\]\.history\.seconds \(901 s\)/);
    assert.deepEqual(load({ flags: { ...flags, redis: { retentionSeconds: 900 } } }).warnings, []);
  });
});
