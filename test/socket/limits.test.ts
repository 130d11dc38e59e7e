import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { connect, refusedHandshake, type TestClient } from "../support/client.ts";
import { startTestGateway, type TestGateway } from "../support/gateway.ts";

/** Connects as soon as the gateway has noticed that `gone` is gone. */
async function reconnect(
  t: Parameters<typeof connect>[0],
  gateway: TestGateway,
  gone: TestClient,
): Promise<TestClient> {
  gone.socket.close();
  await gone.close();
  while ((await gateway.metric('tidegate_connections_closed_total{reason="client"}')) === 0);
  return connect(t, gateway.url);
}

describe("maxConnections", () => {
  it("refuses one more with 503 and Retry-After, before the upgrade", async (t) => {
    const gateway = await startTestGateway(t, { maxConnections: 2 });
    for (let i = 0; i < 2; i += 1) await connect(t, gateway.url);
    const { status, headers, body } = await refusedHandshake(gateway.url);
    assert.equal(status, 503);
    assert.match(String(headers["retry-after"]), /^[1-9]\d*$/);
    assert.deepEqual(JSON.parse(body), { success: false, error: "Connection limit reached" });
    assert.equal(await gateway.metric('tidegate_connections{format="json"}'), 2);
  });

  it("has room again once a connection is closed", async (t) => {
    const gateway = await startTestGateway(t, { maxConnections: 1 });
    const first = await connect(t, gateway.url);
    await refusedHandshake(gateway.url);
    await reconnect(t, gateway, first);
    await refusedHandshake(gateway.url);
  });

  it("0 is no limit", async (t) => {
    const gateway = await startTestGateway(t, { maxConnections: 0 });
    for (let i = 0; i < 5; i += 1) await connect(t, gateway.url);
  });
});

describe("connectionsPerAddressMax", () => {
  it("refuses one more from the address with 429 and Retry-After, and no other address", async (t) => {
    const gateway = await startTestGateway(t, { connectionsPerAddressMax: 2 });
    for (let i = 0; i < 2; i += 1) await connect(t, gateway.url);
    const { status, headers, body } = await refusedHandshake(gateway.url);
    assert.equal(status, 429);
    assert.match(String(headers["retry-after"]), /^[1-9]\d*$/);
    assert.equal(JSON.parse(body).success, false);
    await connect(t, gateway.url, { localAddress: "127.0.0.2" });
  });

  it("counts a connection no longer once it is closed", async (t) => {
    const gateway = await startTestGateway(t, { connectionsPerAddressMax: 1 });
    const first = await connect(t, gateway.url);
    await refusedHandshake(gateway.url);
    await reconnect(t, gateway, first);
    assert.equal((await refusedHandshake(gateway.url)).status, 429);
  });

  it("counts no refused handshake", async (t) => {
    const gateway = await startTestGateway(t, { connectionsPerAddressMax: 1, origins: ["https://example.com"] });
    for (let i = 0; i < 3; i += 1)
      assert.equal((await refusedHandshake(gateway.url, { headers: { Origin: "https://evil.com" } })).status, 403);
    await connect(t, gateway.url);
  });
});
