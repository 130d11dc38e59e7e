import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile, rm, writeFile } from "node:fs/promises";
import { connect as connectTcp } from "node:net";
import { describe, it, type TestContext } from "node:test";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { encodings } from "../../src/protocol/encoding.ts";
import { connect, type TestClient } from "../support/client.ts";
import { startTestGateway, type TestGateway } from "../support/gateway.ts";
import {
  type CertificateFiles,
  fingerprint,
  makeCertificate,
  replaceCertificate,
  servedFingerprint,
} from "./certificate.ts";
import { handshakeText, RawClient, requestFrame } from "./raw-client.ts";

async function startTlsGateway(t: TestContext, settings: Record<string, unknown> = {}) {
  const files = await makeCertificate(t);
  const gateway = await startTestGateway(t, { tls: files, ...settings });
  return { files, gateway };
}

/** A client that trusts any certificate: those of the tests sign themselves. */
const trusting = (t: TestContext, url: string, subprotocols: string[] = []): Promise<TestClient> =>
  connect(t, url, { rejectUnauthorized: false, subprotocols });

/** One for each encoding. */
async function trustingInEachWay(t: TestContext, url: string): Promise<TestClient[]> {
  return Promise.all(encodings.map(({ subprotocol }) => trusting(t, url, [subprotocol])));
}

/** Renews the certificate of `gateway`; resolves to the new one's fingerprint. */
async function renew(t: TestContext, gateway: TestGateway, files: CertificateFiles): Promise<string> {
  const next = await makeCertificate(t);
  await replaceCertificate(files, next);
  gateway.reloadCertificate();
  return fingerprint(next);
}

describe("TLS on the public port", () => {
  it("carries messages to clients that verify the certificate", async (t) => {
    const { files, gateway } = await startTlsGateway(t);
    const client = await connect(t, gateway.url, { ca: await readFile(files.certFile) });
    await client.subscribe("chat.a");
    client.request("message", { channel: "chat.a", message: "over TLS" });
    await client.next({ action: "message", message: "over TLS" });
  });

  it("has room for frames larger than a TLS record, in both directions", async (t) => {
    const { gateway } = await startTlsGateway(t);
    const client = await trusting(t, gateway.url);
    await client.subscribe("chat.a");
    const message = "x".repeat(60_000);
    client.request("message", { channel: "chat.a", message });
    await client.next({ action: "message", message });
  });

  it("answers health checks", async (t) => {
    const { gateway } = await startTlsGateway(t);
    const socket = connectTls({ port: gateway.port, host: "127.0.0.1", rejectUnauthorized: false });
    t.after(() => socket.destroy());
    socket.write("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n");
    let answer = "";
    for await (const chunk of socket) answer += chunk;
    assert.match(answer, /^HTTP\/1\.1 200 OK/);
  });

  it("survives clients that do not speak it, or break off", async (t) => {
    const { gateway } = await startTlsGateway(t);
    const plain = await RawClient.connect(t, gateway.port);
    plain.write(handshakeText());
    await plain.over();
    for (let i = 0; i < 10; i += 1) {
      const socket = connectTls({ port: gateway.port, host: "127.0.0.1", rejectUnauthorized: false });
      socket.on("error", () => {});
      socket.once("connect", () => socket.destroy());
      await once(socket, "close");
    }
    await (await trusting(t, gateway.url)).settled();
  });

  it("takes a key with its passphrase, and no other", async (t) => {
    const files = await makeCertificate(t, "open sesame");
    const gateway = await startTestGateway(t, { tls: { ...files, passphrase: "open sesame" } });
    await (await trusting(t, gateway.url)).settled();
    await assert.rejects(startTestGateway(t, { tls: { ...files, passphrase: "open barley" } }), /cannot start TLS/);
  });

  it("does not start with files that are no pair, and says which they are", async (t) => {
    const [one, other] = [await makeCertificate(t), await makeCertificate(t)];
    const tls = { certFile: one.certFile, keyFile: other.keyFile };
    await assert.rejects(startTestGateway(t, { tls }), (error: Error) => {
      assert.match(error.message, /^cannot start TLS: .*matching PEM pair/);
      assert.ok(error.message.includes(tls.certFile) && error.message.includes(tls.keyFile));
      return true;
    });
  });

  it("does not share its port with another gateway, although two listeners of its own may", async (t) => {
    const { files, gateway } = await startTlsGateway(t);
    await assert.rejects(startTestGateway(t, { tls: files, port: gateway.port }), { code: "EADDRINUSE" });
    await renew(t, gateway, files);
    await assert.rejects(startTestGateway(t, { tls: files, port: gateway.port }), { code: "EADDRINUSE" });
  });
});

describe("A renewed certificate", () => {
  it("is served to new connections", async (t) => {
    const { files, gateway } = await startTlsGateway(t);
    assert.equal(await servedFingerprint(gateway.port), await fingerprint(files));
    for (let i = 0; i < 3; i += 1) {
      const renewed = await renew(t, gateway, files);
      for (let j = 0; j < 5; j += 1) assert.equal(await servedFingerprint(gateway.port), renewed);
    }
  });

  it("leaves the connections open, and what one publishes reaches all, older and newer, in every encoding", async (t) => {
    const { files, gateway } = await startTlsGateway(t);
    const clients: TestClient[] = [];
    for (let generation = 0; generation < 3; generation += 1) {
      if (generation > 0) await renew(t, gateway, files);
      clients.push(...(await trustingInEachWay(t, gateway.url)));
    }
    for (const client of clients) await client.subscribe("chat.a");
    for (const [i, publisher] of clients.entries()) {
      const { recipients_count } = await publisher.ask("message", { channel: "chat.a", message: i });
      assert.equal(recipients_count, clients.length);
      for (const client of clients)
        await client.next({ action: "message", message: i, sender: publisher.connectionId });
    }
    assert.deepEqual(
      clients.map((client) => client.of("message").length),
      clients.map(() => clients.length),
    );
  });

  it("leaves echo:false alone: everyone but the publisher, whether older or newer", async (t) => {
    const { files, gateway } = await startTlsGateway(t);
    const older = await trustingInEachWay(t, gateway.url);
    await renew(t, gateway, files);
    const newer = await trustingInEachWay(t, gateway.url);
    const clients = [...older, ...newer];
    for (const client of clients) await client.subscribe("chat.a");
    for (const [i, publisher] of clients.entries()) {
      const reply = await publisher.ask("message", { channel: "chat.a", message: i, echo: false });
      assert.equal(reply.recipients_count, clients.length - 1);
    }
    for (const client of clients) await client.ask("message", { channel: "chat.a", message: "last" });
    for (const [i, client] of clients.entries()) {
      await client.settled();
      const got = client.of("message").map(({ message }) => message);
      const expected = clients.map((_, from) => from).filter((from) => from !== i);
      assert.deepEqual(got, [...expected, ...clients.map(() => "last")]);
    }
  });

  it("keeps targeted messages and history working over the renewal", async (t) => {
    const { files, gateway } = await startTlsGateway(t);
    const older = await trusting(t, gateway.url);
    await older.subscribe("chat.a");
    await older.ask("message", { channel: "chat.a", message: "before" });
    await renew(t, gateway, files);
    const newer = await trusting(t, gateway.url);
    await newer.subscribe("chat.a", { history: 10 });
    await newer.next({ action: "message", message: "before", replayed: true });
    await newer.ask("message", { channel: "chat.a", message: "only you", recipients: [older.connectionId] });
    await older.next({ action: "message", message: "only you" });
  });

  // A handshake under way belongs to the older app, which has no connection at that moment.
  it("leaves nobody out whose handshake began before it", async (t) => {
    const { files, gateway } = await startTlsGateway(t);
    const tcp = connectTcp({ port: gateway.port, host: "127.0.0.1" });
    t.after(() => tcp.destroy());
    await once(tcp, "connect");
    await (await RawClient.connect(t, gateway.port)).write(""); // accepted in order: so the one before is accepted
    assert.equal(await servedFingerprint(gateway.port), await fingerprint(files));
    await renew(t, gateway, files);
    const early: TLSSocket = connectTls({ socket: tcp, rejectUnauthorized: false });
    await once(early, "secureConnect");
    early.write(handshakeText());
    const received: Buffer[] = [];
    early.on("data", (chunk) => received.push(chunk));
    const until = async (text: string): Promise<void> => {
      while (!Buffer.concat(received).includes(text)) await once(early, "data");
    };
    await until('"action":"welcome"');
    early.write(requestFrame("subscribe", { channel: "chat.a" }));
    await until('"action":"subscribe"');
    const publisher = await trusting(t, gateway.url);
    await publisher.subscribe("chat.a");
    const { recipients_count } = await publisher.ask("message", { channel: "chat.a", message: "to all" });
    assert.equal(recipients_count, 2);
    await until("to all");
  });

  it("ends with the gateway: older and newer connections are told and closed", async (t) => {
    const { files, gateway } = await startTlsGateway(t);
    const older = await trusting(t, gateway.url);
    await renew(t, gateway, files);
    const newer = await trusting(t, gateway.url);
    await gateway.stop();
    for (const client of [older, newer]) assert.equal((await client.close()).code, 1001);
  });
});

describe("New certificate files that cannot be used", () => {
  const breakages: Record<string, (files: CertificateFiles, t: TestContext) => Promise<void>> = {
    "are no pair": async (files, t) => replaceCertificate(files, { certFile: (await makeCertificate(t)).certFile }),
    "have a garbled certificate": (files) => writeFile(files.certFile, "-----BEGIN CERTIFICATE-----\ngarbage\n"),
    "have an empty key": (files) => writeFile(files.keyFile, ""),
    "are gone": (files) => rm(files.certFile),
  };
  for (const [what, damage] of Object.entries(breakages)) {
    it(`because they ${what}, are refused: the old certificate and all connections stay`, async (t) => {
      const { files, gateway } = await startTlsGateway(t);
      const before = await fingerprint(files);
      const older = await trusting(t, gateway.url);
      await damage(files, t);
      assert.throws(() => gateway.reloadCertificate(), /cannot start TLS/);
      assert.equal(await servedFingerprint(gateway.port), before);
      const newer = await trusting(t, gateway.url);
      for (const client of [older, newer]) await client.subscribe("chat.a");
      await older.ask("message", { channel: "chat.a", message: "still here" });
      await newer.next({ action: "message", message: "still here" });
    });
  }

  it("may be followed by good ones", async (t) => {
    const { files, gateway } = await startTlsGateway(t);
    await writeFile(files.certFile, "garbage");
    assert.throws(() => gateway.reloadCertificate());
    const renewed = await renew(t, gateway, files);
    assert.equal(await servedFingerprint(gateway.port), renewed);
  });
});

describe("reloadCertificate without TLS", () => {
  it("does nothing", async (t) => {
    const gateway = await startTestGateway(t);
    gateway.reloadCertificate();
    await connect(t, gateway.url);
  });
});
