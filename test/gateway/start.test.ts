import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Callouts } from "../../src/callout/callouts.ts";
import { makeCertificate } from "../socket/certificate.ts";
import { freePort } from "../support/child.ts";
import { connect } from "../support/client.ts";
import { startTestGateway } from "../support/gateway.ts";
import { statusOf, takenPort } from "./process.ts";

describe("startGateway", () => {
  it("rejects where its port is taken, and says what to do", async (t) => {
    const port = await takenPort(t);
    await assert.rejects(startTestGateway(t, { port }), (error: NodeJS.ErrnoException) => {
      assert.equal(error.code, "EADDRINUSE");
      assert.match(error.message, /^cannot listen on 127\.0\.0\.1:\d+: the port is in use; .*configure another port$/);
      return true;
    });
  });

  it("leaves nothing open where its admin port is taken", async (t) => {
    const adminPort = await takenPort(t);
    const port = await freePort();
    await assert.rejects(startTestGateway(t, { port, adminPort }), { code: "EADDRINUSE" });
    assert.equal(await statusOf(port, "/healthz"), "refused");
    await startTestGateway(t, { port });
  });

  it("ends what it had begun, where its port is taken", async (t) => {
    const stopped = t.mock.method(Callouts.prototype, "stop"); // seen from outside only once a backend was asked
    await assert.rejects(startTestGateway(t, { port: await takenPort(t) }), { code: "EADDRINUSE" });
    assert.equal(stopped.mock.callCount(), 1);
  });

  it("rejects for an address that this machine does not have", async (t) => {
    await assert.rejects(startTestGateway(t, { host: "192.0.2.1" }), { code: "EADDRNOTAVAIL" });
  });

  it("rejects for a certificate that is none, and leaves nothing open", async (t) => {
    const { keyFile } = await makeCertificate(t);
    await assert.rejects(startTestGateway(t, { tls: { certFile: keyFile, keyFile } }), /^Error: cannot start TLS: /);
  });

  it("may be called several times in a process: each gateway has its own ports, connections and channels", async (t) => {
    const [one, other] = [await startTestGateway(t), await startTestGateway(t)];
    const [here, there] = [await connect(t, one.url), await connect(t, other.url)];
    for (const client of [here, there]) await client.subscribe("chat.a");
    assert.equal((await here.ask("message", { channel: "chat.a", message: "?" })).recipients_count, 1);
    await there.settled();
    assert.deepEqual(there.of("message"), []);
  });
});
