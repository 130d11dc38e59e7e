import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parse } from "yaml";
import { fileWith, load } from "../config/faults.ts";
import { makeCertificate } from "../socket/certificate.ts";
import { run, secret } from "./program.ts";

describe("tidegate check", () => {
  it("prints the effective configuration as YAML, with secrets masked", async (t) => {
    const file = fileWith(t, "port: 1234\nauth: { required: true }\n");
    const { status, stdout, stderr } = await run(t, ["check", "--config", file], { TIDEGATE_AUTH__SECRET: secret });
    assert.deepEqual([status, stderr], [0, ""]);
    assert.equal(stdout.includes(secret), false);
    const { config } = load({ flags: { port: 1234, auth: { required: true, secret: "*".repeat(32) } } });
    assert.deepEqual(parse(stdout), { ...config, auth: { ...config.auth, secret: "********" } });
  });

  it("writes warnings to standard error, and succeeds", async (t) => {
    const { status, stdout, stderr } = await run(t, ["check"], { TIDEGATE_HEARTBEAT_INTERVAL: "300" });
    assert.equal(status, 0);
    assert.match(stderr, /^tidegate: warning: heartbeatInterval \(300 s\) should be below/);
    assert.equal(parse(stdout).heartbeatInterval, 300);
  });

  it("reports every fault at once, with status 2 and nothing on standard output", async (t) => {
    const env = { TIDEGATE_PORT: "x", TIDEGATE_AUTH_SECRET: secret };
    const { status, stdout, stderr } = await run(t, ["check", "--config", fileWith(t, "depthMax: 0\n")], env);
    assert.deepEqual([status, stdout], [2, ""]);
    assert.match(stderr, /TIDEGATE_PORT: port must be/);
    assert.match(stderr, /TIDEGATE_AUTH_SECRET: is not a known variable; did you mean TIDEGATE_AUTH__SECRET\?/);
    assert.match(stderr, /gateway\.yaml:1: depthMax must be/);
    assert.equal(stderr.includes(secret), false);
  });

  it("reads the certificate: one that is none, or another's, is a fault", async (t) => {
    const [own, other] = [await makeCertificate(t), await makeCertificate(t)];
    const check = (certFile: string, keyFile: string) =>
      run(t, ["check"], { TIDEGATE_TLS__CERT_FILE: certFile, TIDEGATE_TLS__KEY_FILE: keyFile });
    const foreign = await check(own.certFile, other.keyFile);
    assert.deepEqual([foreign.status, foreign.stdout], [2, ""]);
    assert.match(foreign.stderr, /tls: tls\.keyFile must be the key of tls\.certFile, got another one/);
    const none = await check(fileWith(t, "no certificate\n", "cert.pem"), own.keyFile);
    assert.equal(none.status, 2);
    assert.match(none.stderr, /tls: tls\.certFile must be a PEM file with a certificate, got /);
    assert.equal((await check(own.certFile, own.keyFile)).status, 0);
  });

  it("reads the key files: one that holds no key is a fault", async (t) => {
    const keyFile = fileWith(t, "no key\n", "key.pem");
    const env = { TIDEGATE_AUTH__KEYS: JSON.stringify([{ algorithm: "RS256", publicKeyFile: keyFile }]) };
    const { status, stderr } = await run(t, ["check"], env);
    assert.equal(status, 2);
    assert.match(stderr, /auth\.keys\[0\]\.publicKeyFile must be a file with a public key/);
  });

  it("reads the secrets of webhooks: a file with a short one is a fault", async (t) => {
    const secretFile = fileWith(t, "hunter2\n", "hooks");
    const env = { TIDEGATE_WEBHOOKS: JSON.stringify([{ url: "http://a.example/", secretFile }]) };
    const { status, stderr } = await run(t, ["check"], env);
    assert.equal(status, 2);
    assert.match(stderr, /webhooks\[0\]\.secretFile must be a file with a secret of at least 32 bytes, got 7 bytes/);
  });
});
