import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fileWith } from "../config/faults.ts";
import { Program, run, secret } from "./program.ts";

const anyPorts = ["--port", "0", "--admin-port", "0", "--host", "127.0.0.1"];
const listening = /"port":(\d+),.*"msg":"listening"/;

describe("tidegate serve", () => {
  it("listens, is followed by tail with a token's name, and ends with status 0 at Ctrl-C", async (t) => {
    const env = { TIDEGATE_AUTH__SECRET: secret, TIDEGATE_AUTH__REQUIRED: "true" };
    const gateway = new Program(t, ["serve", ...anyPorts], env);
    const [, port] = await gateway.printed(listening);
    const url = `ws://127.0.0.1:${port}`;

    const { stdout: token } = await run(t, ["token", "--user", "ann"], env);
    const program = new Program(t, ["tail", "chat.room.1", "--url", url], { TIDEGATE_TOKEN: token.trim() });
    program.process.stdin.end("hello\n");
    await program.printed(/^\S+ ann {2}hello$/m);
    program.process.kill("SIGINT");
    assert.equal((await program.outcome()).status, 0);

    const refused = await run(t, ["tail", "chat.room.1", "--url", url]);
    assert.deepEqual([refused.status, refused.stdout], [1, ""]);
    assert.match(refused.stderr, /401 Unauthorized/);

    gateway.process.kill("SIGINT");
    assert.equal((await gateway.outcome()).status, 0);
    assert.equal(gateway.stdout.includes(secret), false);
  });

  it("with a port that is taken fails with status 1 and one line", async (t) => {
    const first = new Program(t, ["serve", ...anyPorts]);
    const [, port] = await first.printed(listening);
    const { status, stderr } = await run(t, ["serve", ...anyPorts, "--port", port!]);
    assert.equal(status, 1);
    assert.match(stderr, /^tidegate: [^\n]*\b\d+[^\n]*\n$/);
  });

  it("with a key file that holds no key fails with status 2", async (t) => {
    const env = { TIDEGATE_AUTH__KEYS: '[{"algorithm": "RS256", "publicKeyFile": "package.json"}]' };
    const { status, stderr } = await run(t, ["serve", ...anyPorts], env);
    assert.equal(status, 2);
    assert.match(stderr, /^tidegate: cannot load key: auth\.keys\[0\]\.publicKeyFile must be/);
  });

  it("with a webhook whose secret is short fails with status 2, as one process and as several", async (t) => {
    const secretFile = fileWith(t, "a short one\n", "secret");
    const env = { TIDEGATE_WEBHOOKS: JSON.stringify([{ url: "http://a.example/", secretFile }]) };
    for (const workers of ["0", "2"]) {
      const { status, stderr } = await run(t, ["serve", ...anyPorts, "--workers", workers], env);
      assert.equal(status, 2);
      assert.match(stderr, /^tidegate: cannot start webhooks: webhooks\[0\]\.secretFile must be a file with a secret/);
    }
  });

  it("writes the configuration's warnings to its log", async (t) => {
    const gateway = new Program(t, ["serve", ...anyPorts], { TIDEGATE_HEARTBEAT_INTERVAL: "300" });
    await gateway.printed(/"level":"warn".*heartbeatInterval \(300 s\)/);
  });
});
