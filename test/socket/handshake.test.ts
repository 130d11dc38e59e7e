import assert from "node:assert/strict";
import { describe, it } from "node:test";
import WebSocket from "ws";
import { connect, refusedHandshake } from "../support/client.ts";
import { startTestGateway, type TestGateway } from "../support/gateway.ts";
import {
  clientFrame,
  type HandshakeText,
  handshakeText,
  RawClient,
  requestFrame,
  sampleAccept,
  sampleKey,
} from "./raw-client.ts";

/** The answer to a handshake sent by hand. */
async function answerTo(t: Parameters<typeof startTestGateway>[0], gateway: TestGateway, handshake: HandshakeText) {
  const client = await RawClient.connect(t, gateway.port);
  client.write(handshakeText(handshake));
  return client.answer();
}

describe("The handshake, RFC 6455 section 4.2", () => {
  it("is answered with 101 and the digest of the client's key", async (t) => {
    const gateway = await startTestGateway(t);
    const { status, headers } = await answerTo(t, gateway, {});
    assert.equal(status, 101);
    assert.equal(headers.upgrade?.toLowerCase(), "websocket");
    assert.equal(headers.connection?.toLowerCase(), "upgrade");
    assert.equal(headers["sec-websocket-accept"], sampleAccept);
    assert.equal(headers["sec-websocket-protocol"], undefined);
    assert.equal(headers["sec-websocket-extensions"], undefined);
  });

  for (const version of ["8", "7", "0", "14", "130", "", undefined]) {
    it(`of version ${version ?? "none"} is answered with 426 and the version to use`, async (t) => {
      const gateway = await startTestGateway(t);
      const { status, headers, body } = await answerTo(t, gateway, { headers: { "Sec-WebSocket-Version": version } });
      assert.equal(status, 426);
      assert.equal(headers["sec-websocket-version"], "13");
      assert.equal(headers.upgrade, "websocket");
      assert.equal(JSON.parse(body).success, false);
    });
  }

  for (const [what, headers] of Object.entries({
    "no Connection header": { Connection: undefined },
    "a Connection header without Upgrade": { Connection: "keep-alive" },
    "a Connection header with a word that only contains Upgrade": { Connection: "no-upgrade" },
    "no Upgrade header": { Upgrade: undefined },
    "an Upgrade header for something else": { Upgrade: "h2c" },
    "a key of 24 characters that is not base64": { "Sec-WebSocket-Key": "*Ghl IHNhbXBsZSBub25jZQ=" },
    "a key of 17 bytes": { "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQA=" },
    "a key that is too short": { "Sec-WebSocket-Key": "dGhl" },
    "no key": { "Sec-WebSocket-Key": undefined },
    "two keys": { "Sec-WebSocket-Key": [sampleKey, sampleKey] },
    "two Host headers": { Host: ["127.0.0.1", "evil.example"] },
    "a body": { "Content-Length": "5" },
    "a body of two lengths": { "Content-Length": ["0", "5"] },
    "a chunked body": { "Transfer-Encoding": "chunked" },
  })) {
    it(`with ${what} is answered with 400`, async (t) => {
      const gateway = await startTestGateway(t);
      const client = await RawClient.connect(t, gateway.port);
      client.write(handshakeText({ headers }));
      const { status, body } = await client.answer();
      assert.equal(status, 400);
      assert.match(JSON.parse(body).error, /^Bad handshake: /);
      await client.over(); // nothing more is read from a peer that cannot shake hands
      assert.equal(await gateway.metric('tidegate_handshakes_total{status="400"}'), 1);
    });
  }

  for (const [what, headers] of Object.entries({
    "several words in Connection": { Connection: "keep-alive, Upgrade" },
    "several Connection headers": { Connection: ["keep-alive", "Upgrade"] },
    "a body of 0 bytes": { "Content-Length": "0" },
    "headers in another case": { Connection: "UPGRADE", Upgrade: "WebSocket" },
  })) {
    it(`with ${what} is accepted`, async (t) => {
      const gateway = await startTestGateway(t);
      const { status } = await answerTo(t, gateway, { headers });
      assert.equal(status, 101);
    });
  }

  it("is accepted at any path", async (t) => {
    const gateway = await startTestGateway(t);
    for (const target of [
      "/",
      "/chat",
      "/a/b/c/",
      "/%00%ff",
      "//",
      "/..",
      "/x?a=b&c",
      "/?",
      "/healthz/x",
      `/${"p".repeat(4000)}`,
    ]) {
      const { status } = await answerTo(t, gateway, { target });
      assert.equal(status, 101, target.slice(0, 20));
    }
  });
});

describe("A request that is no handshake", () => {
  const plain = {
    Connection: undefined,
    Upgrade: undefined,
    "Sec-WebSocket-Version": undefined,
    "Sec-WebSocket-Key": undefined,
  };

  for (const method of ["GET", "POST", "PUT", "DELETE", "OPTIONS"]) {
    it(`by ${method} is answered with 426, and how to connect`, async (t) => {
      const gateway = await startTestGateway(t);
      const { status, headers, body } = await answerTo(t, gateway, {
        method,
        headers: { ...plain, "Content-Length": "0" },
      });
      assert.equal(status, 426);
      assert.equal(headers.upgrade, "websocket");
      assert.equal(headers["sec-websocket-version"], "13");
      assert.match(JSON.parse(body).error, /WebSocket/);
    });
  }

  it("by HEAD is answered with the same headers, no body, and the end of the connection", async (t) => {
    const gateway = await startTestGateway(t);
    for (const headers of [plain, {}, { "Sec-WebSocket-Key": "short" }]) {
      const { headers: ofGet } = await answerTo(t, gateway, { method: "OPTIONS", headers });
      const client = await RawClient.connect(t, gateway.port);
      client.write(handshakeText({ method: "HEAD", headers }));
      const { headers: ofHead } = await client.answer(true);
      await client.over();
      assert.equal(client.unread.length, 0);
      assert.equal(ofHead["content-length"], ofGet["content-length"]);
      assert.equal(ofHead["content-type"], "application/json");
    }
  });

  it("is never upgraded with another method than GET", async (t) => {
    const gateway = await startTestGateway(t);
    for (const method of ["POST", "PUT", "HEAD", "OPTIONS"]) {
      const client = await RawClient.connect(t, gateway.port);
      client.write(handshakeText({ method }));
      const { status } = await client.answer(method === "HEAD");
      assert.equal(status, 426, method);
    }
    assert.equal(await gateway.metric("tidegate_connections_opened_total"), 0);
  });

  it("made of random bytes harms nobody", async (t) => {
    const gateway = await startTestGateway(t);
    const bystander = await connect(t, gateway.url);
    for (const bytes of [
      "\0".repeat(2000),
      "GET\r\n\r\n",
      "GET / HTTP/9.9\r\n\r\n",
      "\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
      "x".repeat(70_000),
    ]) {
      const client = await RawClient.connect(t, gateway.port);
      client.write(bytes);
      client.socket.end();
      await client.over();
    }
    await bystander.settled();
  });
});

describe("The subprotocol and the format", () => {
  async function negotiated(t: Parameters<typeof startTestGateway>[0], protocols: string[], target = "") {
    const gateway = await startTestGateway(t);
    const client = await connect(t, `${gateway.url}/${target}`, { subprotocols: protocols });
    return { client, protocol: client.socket.protocol };
  }

  it("is MessagePack where the client offers tidegate.msgpack.v1", async (t) => {
    const { client, protocol } = await negotiated(t, ["tidegate.json.v1", "tidegate.msgpack.v1"]);
    assert.equal(protocol, "tidegate.msgpack.v1");
    await client.settled(); // both directions are packed
  });

  it("is JSON where the client offers tidegate.json.v1", async (t) => {
    const { client, protocol } = await negotiated(t, ["tidegate.json.v1"]);
    assert.equal(protocol, "tidegate.json.v1");
    await client.settled();
  });

  it("is MessagePack without a subprotocol for ?format=msgpack", async (t) => {
    const { client, protocol } = await negotiated(t, [], "?format=msgpack");
    assert.equal(protocol, "");
    await client.settled();
  });

  it("is decided by the subprotocol where ?format= says something else", async (t) => {
    const { protocol, client } = await negotiated(t, ["tidegate.msgpack.v1"], "?format=json");
    assert.equal(protocol, "tidegate.msgpack.v1");
    await client.settled();
  });

  it("selects none of the subprotocols that the gateway does not know", async (t) => {
    const gateway = await startTestGateway(t);
    const { status, headers } = await answerTo(t, gateway, { headers: { "Sec-WebSocket-Protocol": "mqtt, soap" } });
    assert.equal(status, 101);
    assert.equal(headers["sec-websocket-protocol"], undefined);
  });

  it("may ask for batches, in both formats, and then needs no ?batch=true", async (t) => {
    const { protocol, client } = await negotiated(t, ["tidegate.json.v1", "tidegate.json.batch.v1"], "?batch=false");
    assert.equal(protocol, "tidegate.json.batch.v1");
    await client.settled();
    const packed = await negotiated(t, ["tidegate.msgpack.v1", "tidegate.msgpack.batch.v1"]);
    assert.equal(packed.protocol, "tidegate.msgpack.batch.v1");
    await packed.client.settled();
  });

  it("is refused with 400 where ?batch= is neither true nor false", async (t) => {
    const gateway = await startTestGateway(t);
    const { status, body } = await refusedHandshake(`${gateway.url}/?batch=yes`);
    assert.equal(status, 400);
    assert.match(JSON.parse(body).error, /true or false/);
  });

  it("is refused with 400 where ?format= is unknown", async (t) => {
    const gateway = await startTestGateway(t);
    const { status, body } = await refusedHandshake(`${gateway.url}/?format=xml`);
    assert.equal(status, 400);
    assert.match(JSON.parse(body).error, /json or msgpack/);
  });
});

describe("Frames on the heels of the handshake", () => {
  it("are answered in order, after the welcome, where they are sent as soon as the handshake is answered", async (t) => {
    const gateway = await startTestGateway(t);
    const socket = new WebSocket(gateway.url);
    t.after(() => socket.terminate());
    const frames: Record<string, unknown>[] = [];
    await new Promise<void>((resolve) => {
      socket.on("upgrade", () => {
        // the head of the connection: before any frame of the server has been read
        setImmediate(() => {
          for (const id of [1, 2, 3]) socket.send(JSON.stringify({ action: "ping", id }));
        });
      });
      socket.on("message", (data) => {
        frames.push(JSON.parse(String(data)));
        if (frames.length === 4) resolve();
      });
    });
    assert.deepEqual(
      frames.map(({ action, id }) => id ?? action),
      ["welcome", 1, 2, 3],
    );
  });

  // RFC 6455, section 4.1: a client must wait for the answer. uWebSockets.js throws away what comes in the packet of the
  // handshake before a handler could see it; what counts is that the connection is a good one afterwards.
  it("in the packet of the handshake itself do no harm: welcome first, and later frames are answered", async (t) => {
    const gateway = await startTestGateway(t);
    const client = await RawClient.connect(t, gateway.port);
    client.write(
      Buffer.concat([Buffer.from(handshakeText()), requestFrame("ping", undefined, "early"), clientFrame("{")]),
    );
    assert.equal((await client.answer()).status, 101);
    assert.equal((await client.json()).action, "welcome");
    client.write(requestFrame("ping", undefined, "later"));
    await client.next({ action: "pong", id: "later" });
  });
});
