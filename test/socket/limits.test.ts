import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type ConnectRequest, HookRefusal } from "../../src/guard/hooks.ts";
import { until } from "../support/child.ts";
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

  it("refuses whom a hook lets in when the last place was taken while it was asked", async (t) => {
    const answers: (() => void)[] = [];
    const onConnect = () => new Promise<undefined>((resolve) => answers.push(() => resolve(undefined)));
    const gateway = await startTestGateway(t, { maxConnections: 1 }, { onConnect });
    const first = connect(t, gateway.url);
    await until(
      () => answers.length === 1,
      () => "the hook is not asked",
    );
    const second = refusedHandshake(gateway.url);
    await until(
      () => answers.length === 2,
      () => "the hook is not asked again",
    );
    answers[0]?.();
    await first;
    answers[1]?.();
    assert.equal((await second).status, 503);
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

  it("counts no handshake that a hook refuses, at once or later", async (t) => {
    const refusal = new HookRefusal("forbidden", "Not welcome");
    let asked = 0;
    let answer: (refused: HookRefusal) => void = () => {};
    const onConnect = ({ query }: ConnectRequest) => {
      asked += 1;
      if (query.get("answer") === "yes") return undefined;
      if (query.get("answer") === "no") return refusal;
      return new Promise<HookRefusal>((resolve) => {
        answer = resolve;
      });
    };
    const gateway = await startTestGateway(t, { connectionsPerAddressMax: 1 }, { onConnect });
    for (let i = 0; i < 2; i += 1) assert.equal((await refusedHandshake(`${gateway.url}/?answer=no`)).status, 403);
    const late = refusedHandshake(gateway.url);
    await until(
      () => asked === 3,
      () => "the hook is not asked",
    );
    assert.equal((await refusedHandshake(`${gateway.url}/?answer=yes`)).status, 429); // it counts while it waits
    answer(refusal);
    assert.equal((await late).status, 403);
    await connect(t, `${gateway.url}/?answer=yes`);
  });
});
