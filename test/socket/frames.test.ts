import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { connect } from "../support/client.ts";
import { startTestGateway } from "../support/gateway.ts";
import { clientFrame, frameHeader, RawClient, requestFrame } from "./raw-client.ts";

describe("A frame over messageBytesMax", () => {
  it("closes its connection with 1009, and one of exactly that size does not", async (t) => {
    const gateway = await startTestGateway(t, { messageBytesMax: 2000 });
    const client = await connect(t, gateway.url);
    await client.subscribe("a");
    const frame = (size: number): string => {
      const head = '{"action":"message","data":{"channel":"a","message":"';
      return `${head}${"x".repeat(size - head.length - 3)}"}}`;
    };
    client.sendRaw(frame(2000));
    await client.next({ action: "message_sent" });
    client.sendRaw(frame(2001));
    const { code, reason } = await client.close();
    assert.equal(code, 1009);
    assert.match(reason, /2000 bytes/);
    assert.equal(await gateway.metric('tidegate_connections_closed_total{reason="message_too_big"}'), 1);
  });

  it("counts its bytes, not its letters", async (t) => {
    const gateway = await startTestGateway(t, { messageBytesMax: 2000 });
    const client = await connect(t, gateway.url);
    client.sendRaw(JSON.stringify({ action: "ping", pad: "€".repeat(700) }));
    assert.equal((await client.close()).code, 1009);
  });
});

describe("Frames against the rules of RFC 6455", () => {
  const frames: Record<string, Buffer> = {
    "of 2^63 - 1 bytes": Buffer.concat([frameHeader(2n ** 63n - 1n), Buffer.from("x")]),
    "of 2^64 - 1 bytes": Buffer.concat([frameHeader(2n ** 64n - 1n), Buffer.from("x")]),
    "of 1 GB": Buffer.concat([frameHeader(2 ** 30), Buffer.from("x")]),
    "with invalid UTF-8": clientFrame(Buffer.of(0xc3, 0x28)),
    "with a reserved bit": Buffer.concat([Buffer.of(0xf1, 0x80), Buffer.alloc(4)]),
    "with a reserved opcode": clientFrame("x", 3),
    "that continue nothing": clientFrame("x", 0),
    "of a control opcode over 125 bytes": clientFrame("x".repeat(126), 9),
    "of a fragmented control opcode": frameHeader(0, 9, false),
    "that start within a fragmented message": Buffer.concat([frameHeader(0, 1, false), clientFrame("x")]),
  };
  for (const [what, bytes] of Object.entries(frames)) {
    it(`${what} end their connection, and no other`, async (t) => {
      const gateway = await startTestGateway(t);
      const bystander = await connect(t, gateway.url);
      const client = await RawClient.open(t, gateway.port);
      client.write(bytes);
      await client.over();
      await bystander.settled();
      assert.equal(await gateway.metric('tidegate_connections{format="json"}'), 1);
    });
  }

  it("in fragments without end stop at the size limit", async (t) => {
    const gateway = await startTestGateway(t);
    const client = await RawClient.open(t, gateway.port);
    client.write(frameHeader(0, 1, false));
    const fragment = Buffer.concat([frameHeader(60_000, 0, false), Buffer.alloc(60_000, "x")]);
    let sent = 0;
    while (!client.isOver && sent < 1000) {
      client.write(fragment);
      sent += 1;
      await new Promise((resolve) => setImmediate(resolve));
    }
    await client.over();
    assert.ok(sent < 1000, "60 MB were taken");
  });

  it("in fragments of no bytes at all harm nobody, and the message may still end", async (t) => {
    const gateway = await startTestGateway(t);
    const bystander = await connect(t, gateway.url);
    const client = await RawClient.open(t, gateway.port);
    const [head, tail] = ['{"action":"ping",', '"id":"whole"}'];
    client.write(Buffer.concat([frameHeader(head.length, 1, false), Buffer.from(head)]));
    client.write(Buffer.concat(Array.from({ length: 20_000 }, () => frameHeader(0, 0, false))));
    client.write(clientFrame(tail, 0));
    await client.next({ action: "pong", id: "whole" });
    await bystander.settled();
  });

  it("may hold control frames between the fragments of a message", async (t) => {
    const gateway = await startTestGateway(t);
    const client = await RawClient.open(t, gateway.port);
    const [head, tail] = ['{"action":"ping",', '"id":"whole"}'];
    client.write(
      Buffer.concat([
        frameHeader(head.length, 1, false),
        Buffer.from(head),
        clientFrame("hi", 9),
        clientFrame(tail, 0),
      ]),
    );
    const { opcode, payload } = await client.frame();
    assert.deepEqual([opcode, payload.toString()], [10, "hi"]);
    await client.next({ action: "pong", id: "whole" });
  });
});

describe("The close of a connection", () => {
  for (const code of [1000, 1001, 1008, 1011, 4000, 4999]) {
    it(`with ${code} is answered with ${code}`, async (t) => {
      const gateway = await startTestGateway(t);
      const client = await connect(t, gateway.url);
      client.socket.close(code, "bye");
      assert.equal((await client.close()).code, code);
    });
  }

  for (const [what, payload] of Object.entries({
    "no code": Buffer.alloc(0),
    "a code of 3000": Buffer.of(0x0b, 0xb8),
    "half a code": Buffer.of(3),
    "a code that may not be sent": Buffer.of(3, 0xed),
    "a reason that is not UTF-8": Buffer.of(3, 0xe8, 0xc3, 0x28),
  })) {
    it(`with ${what} ends it, and no other`, async (t) => {
      const gateway = await startTestGateway(t);
      const bystander = await connect(t, gateway.url);
      const client = await RawClient.open(t, gateway.port);
      client.write(clientFrame(payload, 8));
      await client.over();
      await bystander.settled();
    });
  }

  it("ends what the client sent after it: nothing more is handled", async (t) => {
    const gateway = await startTestGateway(t);
    const witness = await connect(t, gateway.url);
    await witness.subscribe("a");
    const client = await RawClient.open(t, gateway.port);
    const publish = requestFrame("message", { channel: "a", message: "too late" });
    client.write(Buffer.concat([requestFrame("subscribe", { channel: "a" }), clientFrame("", 8), publish]));
    await client.over();
    await witness.settled();
    assert.deepEqual(witness.of("message"), []);
  });

  it("by the gateway frees the socket also where the peer never answers", async (t) => {
    const gateway = await startTestGateway(t, { messageBytesMax: 1024 });
    const client = await RawClient.open(t, gateway.port);
    client.socket.allowHalfOpen = true; // node:net would close its side by itself
    client.write(clientFrame("x".repeat(2000)));
    await client.frame();
    const closed = new Promise((resolve) => client.socket.once("close", resolve)); // by RST: the other end is gone
    const probe = setInterval(() => client.write(requestFrame("ping")), 100);
    await closed;
    clearInterval(probe);
  });
});
