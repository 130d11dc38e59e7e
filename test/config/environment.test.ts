import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { keyText, variableName } from "../../src/config/key-path.ts";
import { clientToken } from "../../src/config/process-environment.ts";
import { settings } from "../../src/config/settings.ts";
import { faultsOf, load } from "./faults.ts";

describe("environment variables", () => {
  it("are TIDEGATE_ and the key in capitals, with __ for a step down", () => {
    assert.equal(variableName(["port"]), "TIDEGATE_PORT");
    assert.equal(variableName(["heartbeatInterval"]), "TIDEGATE_HEARTBEAT_INTERVAL");
    assert.equal(variableName(["auth", "clockToleranceSeconds"]), "TIDEGATE_AUTH__CLOCK_TOLERANCE_SECONDS");
    assert.equal(variableName(["auth", "jwksUrl"]), "TIDEGATE_AUTH__JWKS_URL");
  });

  it("are different for different keys", () => {
    assert.equal(new Set(settings.map(({ path }) => variableName(path))).size, settings.length);
  });

  it("set every key: the default, written as text, is read back", () => {
    const { config } = load({});
    for (const { path } of settings) {
      const value = path.reduce<unknown>((tree, part) => (tree as Record<string, unknown>)[part], config);
      const text = typeof value === "string" ? value : JSON.stringify(value);
      assert.deepEqual(load({ env: { [variableName(path)]: text } }).config, config, keyText(path));
    }
  });

  it("are read by the type of their key", () => {
    const { config } = load({
      env: {
        TIDEGATE_PORT: " 8080 ",
        TIDEGATE_AUTH__REQUIRED: "Yes",
        TIDEGATE_AUTH__SECRET: " spaces are part of a secret, also at the end ",
        TIDEGATE_AUTH__ISSUER: "a, b,",
        TIDEGATE_AUTH__AUDIENCE: '["c", "d,e"]',
        TIDEGATE_CHANNELS: '{"a.>": {"echo": false}}',
        TIDEGATE_LOG: "{level: warn}",
        TIDEGATE_REDIS__PASSWORD: "12345",
      },
    });
    assert.equal(config.port, 8080);
    assert.equal(config.auth.required, true);
    assert.equal(config.auth.secret, " spaces are part of a secret, also at the end ");
    assert.deepEqual(config.auth.issuer, ["a", "b"]);
    assert.deepEqual(config.auth.audience, ["c", "d,e"]);
    assert.deepEqual(config.channels["a.>"], { echo: false });
    assert.equal(config.log.level, "warn");
    assert.equal(config.redis.password, "12345");
  });

  for (const [text, value] of Object.entries({
    true: true,
    "1": true,
    on: true,
    false: false,
    "0": false,
    no: false,
  })) {
    it(`a switch may be ${text}`, () => {
      const secret = "x".repeat(32);
      const env = { TIDEGATE_AUTH__REQUIRED: text, TIDEGATE_AUTH__SECRET: secret };
      assert.equal(load({ env }).config.auth.required, value);
    });
  }

  for (const text of ["0x10", "1e3", "12px", "-1", "1.5", "NaN", "Infinity", "1_000"]) {
    it(`${text} is no port`, () => {
      assert.deepEqual(
        faultsOf({ env: { TIDEGATE_PORT: text } }).map(({ source, key }) => [source, key]),
        [["TIDEGATE_PORT", "port"]],
      );
    });
  }

  it("that are empty are not set", () => {
    assert.equal(load({ env: { TIDEGATE_PORT: "", TIDEGATE_HOOST: "" } }).config.port, 9501);
  });

  it("of a key override that of its section", () => {
    const env = { TIDEGATE_LOG__LEVEL: "error", TIDEGATE_LOG: '{"level": "warn", "format": "json"}' };
    assert.deepEqual(load({ env }).config.log, { level: "error", format: "json" });
  });

  it("that are unknown are faults with the nearest known name", () => {
    const texts = faultsOf({ env: { TIDEGATE_AUTH_SECRET: "hunter2", TIDEGATE_MAXCONNECTIONS: "1" } }).map(
      (f) => f.text,
    );
    assert.deepEqual(texts, [
      "is not a known variable; did you mean TIDEGATE_AUTH__SECRET?",
      "is not a known variable; did you mean TIDEGATE_MAX_CONNECTIONS?",
    ]);
  });

  it("of other programs do not matter", () => {
    assert.deepEqual(faultsOf({ env: { PORT: "x", TIDE: "x", tidegate_port: "x" } }), []);
  });

  it("that Kubernetes adds for a service named tidegate do not matter", () => {
    const env = {
      TIDEGATE_PORT: "tcp://10.0.0.1:9501",
      TIDEGATE_PORT_9501_TCP: "tcp://10.0.0.1:9501",
      TIDEGATE_PORT_9501_TCP_PROTO: "tcp",
      TIDEGATE_PORT_9501_TCP_PORT: "9501",
      TIDEGATE_PORT_9501_TCP_ADDR: "10.0.0.1",
      TIDEGATE_SERVICE_HOST: "10.0.0.1",
      TIDEGATE_SERVICE_PORT: "9501",
      TIDEGATE_SERVICE_PORT_WS: "9501",
      TIDEGATE_ADMIN_PORT: "tcp://10.0.0.2:9502",
      TIDEGATE_ADMIN_SERVICE_HOST: "10.0.0.2",
    };
    assert.equal(load({ env }).config.port, 9501);
  });

  it("TIDEGATE_TOKEN is the client's", () => {
    assert.deepEqual(faultsOf({ env: { TIDEGATE_TOKEN: "x" } }), []);
    assert.equal(clientToken({ TIDEGATE_TOKEN: "x" }), "x");
    assert.equal(clientToken({ TIDEGATE_TOKEN: "" }), undefined);
  });
});
