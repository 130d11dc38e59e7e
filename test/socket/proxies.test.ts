import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { TrustedProxies } from "../../src/socket/client-address.ts";
import { startTestGateway } from "../support/gateway.ts";
import { type HandshakeText, handshakeText, RawClient } from "./raw-client.ts";

/** The address that the gateway takes a client for; `before` precedes the handshake. */
async function addressOf(
  t: TestContext,
  trustedProxies: string[],
  headers: HandshakeText["headers"] = {},
  before: Uint8Array = Buffer.alloc(0),
  host = "127.0.0.1",
): Promise<unknown> {
  const gateway = await startTestGateway(t, { trustedProxies, host });
  const client = await RawClient.connect(t, gateway.port, host);
  client.write(Buffer.concat([before, Buffer.from(handshakeText({ headers }))]));
  assert.equal((await client.answer()).status, 101);
  await client.json();
  return gateway.logLines.find(({ msg }) => msg === "connection opened")?.address;
}

const forwarded = (value: string | string[]) => ({ "X-Forwarded-For": value });

describe("X-Forwarded-For", () => {
  const cases: [rule: string, trusted: string[], header: string | string[], expected: string][] = [
    ["counts from a trusted peer", ["127.0.0.1"], "203.0.113.7", "203.0.113.7"],
    ["counts from a peer in a trusted network", ["127.0.0.0/8"], "203.0.113.7", "203.0.113.7"],
    ["is ignored from a peer that is not trusted", [], "203.0.113.7", "127.0.0.1"],
    ["is ignored where other peers are trusted", ["10.0.0.0/8", "127.0.0.2"], "203.0.113.7", "127.0.0.1"],
    [
      "is read from the right: what a client wrote itself stands left of the truth",
      ["127.0.0.1"],
      "1.1.1.1, 203.0.113.7",
      "203.0.113.7",
    ],
    [
      "is walked over every trusted proxy",
      ["127.0.0.1", "10.0.0.0/8"],
      "1.1.1.1, 203.0.113.7, 10.1.1.1, 10.2.2.2",
      "203.0.113.7",
    ],
    [
      "ends at the first address that is not trusted",
      ["127.0.0.1", "10.0.0.0/8"],
      "10.3.3.3, 203.0.113.7, 10.1.1.1",
      "203.0.113.7",
    ],
    [
      "may come as several headers, in their order",
      ["127.0.0.1", "10.0.0.0/8"],
      ["1.1.1.1, 203.0.113.7", "10.1.1.1"],
      "203.0.113.7",
    ],
    ["of trusted proxies alone gives the first of them", ["127.0.0.1", "10.0.0.0/8"], "10.1.1.1, 10.2.2.2", "10.1.1.1"],
    ["with a name in it counts up to that", ["127.0.0.1", "10.0.0.0/8"], "203.0.113.7, unknown, 10.1.1.1", "10.1.1.1"],
    ["with nothing but a name is no address", ["127.0.0.1"], "localhost", "127.0.0.1"],
    ["with a port is the address without it", ["127.0.0.1"], "203.0.113.7:1234", "203.0.113.7"],
    ["of IPv6 with a port is the address without it", ["127.0.0.1"], "[2001:db8::7]:1234", "2001:db8::7"],
    ["that is empty is none", ["127.0.0.1"], "", "127.0.0.1"],
    ["of commas is none", ["127.0.0.1"], ",,,", "127.0.0.1"],
    ["may hold IPv6", ["127.0.0.1", "2001:db8::/32"], "fe80::7, 2001:db8::1", "fe80::7"],
  ];
  for (const [rule, trusted, header, expected] of cases) {
    it(rule, async (t) => {
      assert.equal(await addressOf(t, trusted, forwarded(header)), expected);
    });
  }

  it("is not needed: without it a trusted peer counts itself", async (t) => {
    assert.equal(await addressOf(t, ["127.0.0.1"]), "127.0.0.1");
  });

  it("of an IPv4 peer on an IPv6 socket is trusted by the peer's IPv4 address", async (t) => {
    const gateway = await startTestGateway(t, { host: "::", trustedProxies: ["127.0.0.1"] });
    const client = await RawClient.connect(t, gateway.port);
    client.write(handshakeText({ headers: forwarded("203.0.113.7") }));
    await client.answer();
    await client.json();
    assert.equal(gateway.logLines.find(({ msg }) => msg === "connection opened")?.address, "203.0.113.7");
  });

  it("of a thousand trusted hops and nothing before them gives the peer that came last", () => {
    const headers = new Map([["x-forwarded-for", "10.1.1.1,".repeat(1000)]]);
    const request = { headers, query: new URLSearchParams(), peerAddress: "10.0.0.1", proxiedAddress: "" };
    assert.equal(new TrustedProxies(["10.0.0.0/8"]).clientAddress(request), "10.0.0.1");
  });

  it("decides whose connection it is: the limit is for each client, and not for the proxy", async (t) => {
    const gateway = await startTestGateway(t, { trustedProxies: ["127.0.0.1"], connectionsPerAddressMax: 1 });
    const status = async (header: string) => {
      const client = await RawClient.connect(t, gateway.port);
      client.write(handshakeText({ headers: forwarded(header) }));
      return (await client.answer()).status;
    };
    assert.equal(await status("203.0.113.7"), 101);
    assert.equal(await status("203.0.113.8"), 101);
    assert.equal(await status("203.0.113.7"), 429);
    assert.equal(await status("9.9.9.9, 203.0.113.8"), 429);
  });

  it("forged by clients of an untrusted peer raises no limit", async (t) => {
    const gateway = await startTestGateway(t, { connectionsPerAddressMax: 1 });
    const statuses: number[] = [];
    for (let i = 1; i <= 3; i += 1) {
      const client = await RawClient.connect(t, gateway.port);
      client.write(handshakeText({ headers: forwarded(`203.0.113.${i}`) }));
      statuses.push((await client.answer()).status);
    }
    assert.deepEqual(statuses, [101, 429, 429]);
  });
});

describe("The PROXY protocol, version 2", () => {
  const signature = Buffer.from("0d0a0d0a000d0a515549540a", "hex");
  /** `PROXY TCP4` from 198.51.100.9:4660 to 127.0.0.1:9501. */
  const tcp4 = Buffer.concat([signature, Buffer.from("2111000cc63364097f0000011234251d", "hex")]);
  const tcp6 = Buffer.concat([
    signature,
    Buffer.from(`21210024${"20010db8000000000000000000000009"}${"00000000000000000000000000000001"}1234251d`, "hex"),
  ]);
  /** `LOCAL`: the proxy's own health check. */
  const local = Buffer.concat([signature, Buffer.from("20000000", "hex")]);

  it("gives the client's address where the peer is trusted", async (t) => {
    assert.equal(await addressOf(t, ["127.0.0.1"], {}, tcp4), "198.51.100.9");
  });

  it("gives an IPv6 address too", async (t) => {
    assert.equal(await addressOf(t, ["127.0.0.1"], {}, tcp6), "2001:0db8:0000:0000:0000:0000:0000:0009");
  });

  it("is ignored where the peer is not trusted", async (t) => {
    assert.equal(await addressOf(t, [], {}, tcp4), "127.0.0.1");
    assert.equal(await addressOf(t, ["198.51.100.9"], {}, tcp4), "127.0.0.1");
  });

  it("with LOCAL leaves the peer's own address", async (t) => {
    assert.equal(await addressOf(t, ["127.0.0.1"], {}, local), "127.0.0.1");
  });

  it("goes before X-Forwarded-For, which that client may have written itself", async (t) => {
    assert.equal(await addressOf(t, ["127.0.0.1"], forwarded("203.0.113.7"), tcp4), "198.51.100.9");
  });

  it("of a trusted proxy leads on to what that one forwards", async (t) => {
    assert.equal(await addressOf(t, ["127.0.0.1", "198.51.100.9"], forwarded("203.0.113.7"), tcp4), "203.0.113.7");
  });

  const forged = Buffer.concat([signature, Buffer.from("2111000c010203047f0000011234251d", "hex")]); // from 1.2.3.4
  for (const path of ["/healthz", "/readyz", "/", "/other"]) {
    for (const method of ["GET", "HEAD"]) {
      it(`counts once: behind a ${method} of ${path} the client cannot forge a second one`, async (t) => {
        const gateway = await startTestGateway(t, { trustedProxies: ["127.0.0.1"] });
        const request = Buffer.concat([tcp4, Buffer.from(`${method} ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)]);
        const handshake = Buffer.concat([forged, Buffer.from(handshakeText())]);
        const atOnce = await RawClient.connect(t, gateway.port);
        atOnce.write(Buffer.concat([request, handshake]));
        const afterwards = await RawClient.connect(t, gateway.port);
        afterwards.write(request);
        await afterwards.answer(method === "HEAD");
        afterwards.write(handshake);
        await Promise.all([atOnce.over(), afterwards.over()]);
        assert.equal(await gateway.metric("tidegate_connections_opened_total"), 0);
      });
    }
  }
});
