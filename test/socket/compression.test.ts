import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { connect } from "../support/client.ts";
import { startTestGateway } from "../support/gateway.ts";
import { type HandshakeText, handshakeText, RawClient, requestFrame } from "./raw-client.ts";

const offer: HandshakeText = { headers: { "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits" } };
const texts = [
  "",
  "short",
  "ü€😀 ".repeat(500),
  "a".repeat(50_000),
  JSON.stringify({ deep: [1, 2, { x: "y".repeat(3000) }] }),
];

for (const compression of ["shared", "dedicated"]) {
  describe(`compression: ${compression}`, () => {
    it("carries every message unchanged, both ways and in either format, between clients with and without it", async (t) => {
      const gateway = await startTestGateway(t, { compression });
      const clients = [
        await connect(t, gateway.url, { perMessageDeflate: { threshold: 0 } }),
        await connect(t, gateway.url, { perMessageDeflate: false }),
        await connect(t, gateway.url, { perMessageDeflate: { threshold: 0 }, subprotocols: ["tidegate.msgpack.v1"] }),
      ];
      assert.deepEqual(
        clients.map(({ socket }) => socket.extensions.split(";")[0]),
        ["permessage-deflate", "", "permessage-deflate"],
      );
      for (const client of clients) await client.subscribe("chat.a");
      for (const publisher of clients) {
        for (const message of texts) {
          publisher.request("message", { channel: "chat.a", message });
          for (const client of clients) assert.equal((await client.next({ action: "message" })).message, message);
        }
      }
    });

    it("really compresses what is sent: welcome, replies, publications and replays", async (t) => {
      const gateway = await startTestGateway(t, { compression });
      const client = await RawClient.connect(t, gateway.port);
      client.write(handshakeText(offer));
      const { headers } = await client.answer();
      assert.match(headers["sec-websocket-extensions"] ?? "", /^permessage-deflate/);
      assert.equal((await client.frame()).isCompressed, true);
      client.write(requestFrame("subscribe", { channel: "chat.a" }));
      assert.equal((await client.frame()).isCompressed, true);
      const publisher = await connect(t, gateway.url);
      await publisher.subscribe("chat.a");
      publisher.request("message", { channel: "chat.a", message: "a".repeat(10_000) });
      const { isCompressed, payload } = await client.frame();
      assert.equal(isCompressed, true);
      assert.ok(payload.length < 1000, `${payload.length} bytes for 10,000 letters`);
    });

    it("unfolds no frame beyond what a frame may hold: the connection ends, and no other", async (t) => {
      const gateway = await startTestGateway(t, { compression });
      const bystander = await connect(t, gateway.url);
      const bomb = await connect(t, gateway.url, { perMessageDeflate: { threshold: 0 } });
      bomb.sendRaw("0".repeat(64 * 1024 * 1024)); // some 64 KB on the wire
      assert.equal((await bomb.close()).code, 1006);
      await bystander.settled();
    });

    it("counts a large frame by what it unfolds to", async (t) => {
      const gateway = await startTestGateway(t, { compression });
      const client = await connect(t, gateway.url, { perMessageDeflate: { threshold: 0 } });
      client.sendRaw("0".repeat(65_537));
      assert.equal((await client.close()).code, 1009);
    });

    it("ends a connection whose compressed frame is garbage, and no other", async (t) => {
      const gateway = await startTestGateway(t, { compression });
      const bystander = await connect(t, gateway.url);
      const client = await RawClient.connect(t, gateway.port);
      client.write(handshakeText(offer));
      await client.answer();
      client.write(Buffer.concat([Buffer.of(0xc1, 0x84, 0, 0, 0, 0), Buffer.of(0xff, 0xff, 0xff, 0xff)]));
      await client.over();
      await bystander.settled();
    });
  });
}

describe("compression: disabled", () => {
  it("answers an offer with no extension, and sends plain frames", async (t) => {
    const gateway = await startTestGateway(t);
    const client = await RawClient.connect(t, gateway.port);
    client.write(handshakeText(offer));
    assert.equal((await client.answer()).headers["sec-websocket-extensions"], undefined);
    assert.equal((await client.frame()).isCompressed, false);
  });
});
