import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { fingerprint, makeCertificate, replaceCertificate, servedFingerprint } from "../socket/certificate.ts";
import { until } from "../support/child.ts";
import { connect, refusedHandshake, type TestClient } from "../support/client.ts";
import { token } from "../support/tokens.ts";
import { GatewayProcess, statusOf, takenPort } from "./process.ts";

describe("tidegate serve", { concurrency: 2 }, () => {
  it("listens where its environment says, and tells in one line of JSON", async (t) => {
    const { gateway, url, port, adminPort } = await GatewayProcess.start(t, { AUTH__REQUIRED: "true" });
    const line = await gateway.logged("listening");
    assert.deepEqual([line.level, line.host, line.pid], ["info", "127.0.0.1", gateway.child.pid]);
    assert.equal((await refusedHandshake(url)).status, 401);
    await connect(t, `${url}/?token=${token({ user_id: 1 })}`);
    for (const one of [port, adminPort]) assert.equal(await statusOf(one, "/readyz"), 200);
    assert.equal(gateway.complaints, "");
  });

  it("ends with 1 and one line of advice where its port is taken", async (t) => {
    const port = await takenPort(t);
    const gateway = new GatewayProcess(t, { PORT: String(port) });
    assert.deepEqual(await gateway.ended(), { code: 1, signal: null });
    assert.match(gateway.complaints, /^tidegate: cannot listen on 127\.0\.0\.1:\d+: the port is in use; .+\n$/);
    assert.ok(gateway.complaints.includes(String(port)));
  });

  it("ends with 1 and one line of advice where its admin port is taken", async (t) => {
    const port = await takenPort(t);
    const gateway = new GatewayProcess(t, { ADMIN_PORT: String(port) });
    assert.deepEqual(await gateway.ended(), { code: 1, signal: null });
    assert.match(gateway.complaints, /^tidegate: cannot listen on 127\.0\.0\.1:\d+: the port is in use; .+\n$/);
  });

  it("ends with 1 and one line where its certificate is none", async (t) => {
    const file = fileURLToPath(import.meta.url);
    const gateway = new GatewayProcess(t, { TLS__CERT_FILE: file, TLS__KEY_FILE: file });
    assert.deepEqual(await gateway.ended(), { code: 1, signal: null });
    assert.match(gateway.complaints, /^tidegate: cannot start TLS: .+\n$/);
  });
});

const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

describe("SIGTERM", { concurrency: 3 }, () => {
  it("makes it not ready at once, keeps the listener for the delay, sends all away spread over the drain, and ends with 0", async (t) => {
    const { gateway, url, port, adminPort } = await GatewayProcess.start(t, {
      DRAIN__DELAY_SECONDS: "4",
      DRAIN__SECONDS: "2",
    });
    const clients = await Promise.all(numbers(40).map(() => connect(t, url)));
    const closedAt = new Map<TestClient, number>();
    for (const client of clients) client.socket.on("close", () => closedAt.set(client, Date.now()));
    gateway.kill("SIGTERM");
    await gateway.logged("draining; a second signal ends at once");
    for (const one of [port, adminPort]) {
      assert.equal(await statusOf(one, "/readyz"), 503);
      assert.equal(await statusOf(one, "/healthz"), 200);
    }
    const late = await connect(t, url); // a balancer that has not noticed yet
    await late.settled();
    assert.equal(
      clients.every(({ closed }) => closed === undefined),
      true,
    );

    for (const client of [...clients, late]) {
      const { retry_in_ms } = await client.next({ action: "reconnect" });
      assert.ok(Number.isInteger(retry_in_ms) && Number(retry_in_ms) >= 0, `${retry_in_ms}`);
      assert.equal((await client.close()).code, 1001);
      assert.equal(client.frames.at(-1)?.action, "reconnect");
    }
    assert.ok(new Set(clients.map((client) => client.of("reconnect")[0]?.retry_in_ms)).size > 20);
    const moments = new Set([...closedAt.values()].map((ms) => Math.floor(ms / 200)));
    assert.ok(moments.size >= 4, `40 clients were closed within ${moments.size} fifths of a second`);
    assert.deepEqual(await gateway.ended(), { code: 0, signal: null });
    assert.equal(await statusOf(port, "/healthz"), "refused");
    await gateway.logged("stopped");
  });

  it("closes the listener after the delay, and before the first client is sent away", async (t) => {
    const { gateway, url, port } = await GatewayProcess.start(t, { DRAIN__DELAY_SECONDS: "0", DRAIN__SECONDS: "3" });
    const clients = await Promise.all(numbers(20).map(() => connect(t, url)));
    gateway.kill("SIGTERM");
    await Promise.race(clients.map((client) => client.close()));
    assert.equal(await statusOf(port, "/readyz"), "refused");
    assert.ok(clients.some(({ closed }) => closed === undefined));
  });

  it("for a second time ends it at once, with the status of a signal", async (t) => {
    const { gateway, url } = await GatewayProcess.start(t, { DRAIN__DELAY_SECONDS: "300" });
    const client = await connect(t, url);
    gateway.kill("SIGTERM");
    await gateway.logged("draining; a second signal ends at once");
    gateway.kill("SIGTERM");
    assert.deepEqual(await gateway.ended(), { code: 143, signal: null });
    assert.equal((await client.close()).code, 1006);
    await gateway.logged("ended at once");
  });

  it("with nobody connected ends it after the delay alone", async (t) => {
    const { gateway } = await GatewayProcess.start(t, { DRAIN__DELAY_SECONDS: "0", DRAIN__SECONDS: "3600" });
    gateway.kill("SIGTERM");
    assert.deepEqual(await gateway.ended(), { code: 0, signal: null });
  });

  it("while it is starting ends it at once", async (t) => {
    const keyServer = createServer().listen(0, "127.0.0.1"); // which takes the question and never answers it
    await once(keyServer, "listening");
    t.after(() => keyServer.close());
    const { port } = keyServer.address() as AddressInfo;
    const gateway = new GatewayProcess(t, { AUTH__JWKS_URL: `http://127.0.0.1:${port}/keys` });
    await once(keyServer, "connection");
    gateway.kill("SIGTERM");
    assert.deepEqual(await gateway.ended(), { code: 143, signal: null });
    await gateway.logged("ended at once");
  });

  it("reaches it as process 1 too, which has no default for signals", async (t) => {
    const unshare = ["/usr/bin/unshare", "/bin/unshare"];
    const found = await Promise.any(unshare.map(async (path) => readFile(path).then(() => path))).catch(
      () => undefined,
    );
    if (found === undefined || process.getuid?.() !== 0) return t.skip("needs unshare(1) and root");
    const { gateway, url } = await GatewayProcess.start(t, { DRAIN__DELAY_SECONDS: "0", DRAIN__SECONDS: "0" }, [
      found,
      "--fork",
      "--pid",
      "--kill-child",
    ]).catch((error: Error) => assert.fail(`unshare(1) is here but cannot make a process 1: ${error.message}`));
    assert.equal((await gateway.logged("listening")).pid, 1);
    const client = await connect(t, url);
    const { pid } = gateway.child;
    const children = (await readFile(`/proc/${pid}/task/${pid}/children`, "latin1")).trim();
    process.kill(Number(children), "SIGTERM");
    assert.equal((await client.close()).code, 1001);
    assert.deepEqual(await gateway.ended(), { code: 0, signal: null });
  });
});

describe("SIGINT", { concurrency: 2 }, () => {
  it("drains without the delay, which is for balancers", async (t) => {
    const { gateway, url } = await GatewayProcess.start(t, { DRAIN__DELAY_SECONDS: "300", DRAIN__SECONDS: "0" });
    const client = await connect(t, url);
    gateway.kill("SIGINT");
    await client.next({ action: "reconnect" });
    assert.equal((await client.close()).code, 1001);
    assert.deepEqual(await gateway.ended(), { code: 0, signal: null });
  });

  it("for a second time ends it at once", async (t) => {
    const { gateway, url } = await GatewayProcess.start(t, { DRAIN__SECONDS: "3600" });
    for (let i = 0; i < 3; i += 1) await connect(t, url);
    gateway.kill("SIGINT");
    await gateway.logged("draining; a second signal ends at once");
    gateway.kill("SIGINT");
    assert.deepEqual(await gateway.ended(), { code: 130, signal: null });
  });
});

describe("SIGHUP", () => {
  it("serves a renewed certificate and says so; a bad one is refused and said too", async (t) => {
    const files = await makeCertificate(t);
    const settings = { TLS__CERT_FILE: files.certFile, TLS__KEY_FILE: files.keyFile };
    const { gateway, port } = await GatewayProcess.start(t, settings);
    const client = await connect(t, `wss://127.0.0.1:${port}`, { rejectUnauthorized: false });
    const next = await makeCertificate(t);
    await replaceCertificate(files, next);
    gateway.kill("SIGHUP");
    await gateway.logged("certificate reloaded");
    assert.equal(await servedFingerprint(port), await fingerprint(next));
    await replaceCertificate(files, { keyFile: (await makeCertificate(t)).keyFile });
    gateway.kill("SIGHUP");
    const { level } = await gateway.logged("certificate not reloaded: the old one stays");
    assert.equal(level, "error");
    assert.equal(await servedFingerprint(port), await fingerprint(next));
    await client.settled();
  });

  it("renews the certificate of all workers, or of none where it is bad", async (t) => {
    const files = await makeCertificate(t);
    const settings = { TLS__CERT_FILE: files.certFile, TLS__KEY_FILE: files.keyFile, WORKERS: "2" };
    const { gateway, port } = await GatewayProcess.start(t, settings);
    const next = await makeCertificate(t);
    await replaceCertificate(files, { keyFile: next.keyFile });
    gateway.kill("SIGHUP");
    const refused = "certificate not reloaded: the old one stays";
    const { err } = await gateway.logged(refused);
    assert.match((err as Error).message, /^tls\.keyFile must be the key of tls\.certFile/);
    await replaceCertificate(files, next);
    gateway.kill("SIGHUP");
    const times = (text: string): number => gateway.log.filter(({ msg }) => msg === text).length;
    await until(
      () => times("certificate reloaded") === 3,
      () => "not all have said so",
    );
    assert.equal(times(refused), 1, "no worker was told of the bad one");
    assert.equal(await servedFingerprint(port), await fingerprint(next));
  });

  it("while it is starting is obeyed, and said, once it listens", async (t) => {
    const keyServer = createServer().listen(0, "127.0.0.1"); // which takes the question and never answers it
    await once(keyServer, "listening");
    t.after(() => keyServer.close());
    const { port } = keyServer.address() as AddressInfo;
    const files = await makeCertificate(t);
    const settings = { TLS__CERT_FILE: files.certFile, TLS__KEY_FILE: files.keyFile };
    const gateway = new GatewayProcess(t, { ...settings, AUTH__JWKS_URL: `http://127.0.0.1:${port}/keys` });
    await once(keyServer, "connection");
    gateway.kill("SIGHUP");
    await gateway.logged("certificate reloaded");
    const said = gateway.log.map(({ msg }) => msg);
    assert.ok(said.indexOf("listening") < said.indexOf("certificate reloaded"), said.join());
    assert.ok(said.includes("listening"));
  });

  it("without TLS ends nothing, and says that there is nothing to reload", async (t) => {
    const { gateway, url } = await GatewayProcess.start(t);
    const client = await connect(t, url);
    gateway.kill("SIGHUP");
    await gateway.logged("no certificate to reload: TLS is off");
    await client.settled();
    assert.equal(
      gateway.log.some(({ msg }) => msg === "certificate reloaded"),
      false,
    );
  });
});
