import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { connect, type TestClient } from "../support/client.ts";
import { startTestGateway } from "../support/gateway.ts";
import { token } from "../support/tokens.ts";

const inSeconds = (seconds: number): number => Math.floor(Date.now() / 1000) + seconds;

describe("Heartbeats", () => {
  it("come as ping frames with the time, one an interval", async (t) => {
    const gateway = await startTestGateway(t, { heartbeatInterval: 1 });
    const client = await connect(t, gateway.url);
    const first = await client.next({ action: "ping" });
    assert.equal(Number.isInteger(first.time), true);
    await client.next({ action: "ping" });
  });

  it("are spread: clients that connect together are not asked together", async (t) => {
    const gateway = await startTestGateway(t, { heartbeatInterval: 4 });
    const clients = await Promise.all(Array.from({ length: 100 }, () => connect(t, gateway.url)));
    const times = await Promise.all(clients.map(async (client) => (await client.next({ action: "ping" })).time));
    assert.ok(new Set(times).size >= 3, `all within seconds ${[...new Set(times)]}`);
  });
});

describe("connectionTimeout", () => {
  it("sends a client that gives no sign of life the timeout frame, then closes with 4001", async (t) => {
    const gateway = await startTestGateway(t, { connectionTimeout: 1, heartbeatInterval: 30 });
    const client = await connect(t, gateway.url, { autoPong: false });
    const frame = await client.next({ action: "timeout" });
    assert.deepEqual(frame, { action: "timeout", message: "Connection timed out due to inactivity" });
    assert.equal((await client.close()).code, 4001);
    assert.equal(await gateway.metric('tidegate_connections_closed_total{reason="idle_timeout"}'), 1);
  });

  it("lets a client stay that only listens: its library answers WebSocket-level pings", async (t) => {
    const gateway = await startTestGateway(t, { connectionTimeout: 3, heartbeatInterval: 1 });
    const [listener, silent] = [await connect(t, gateway.url), await connect(t, gateway.url, { autoPong: false })];
    await silent.close(); // both were as silent in frames, and for as long
    await listener.next({ action: "ping" });
    await listener.settled();
    assert.equal(listener.closed, undefined);
  });
});

describe("A token's end", () => {
  const auth = { expiringNoticeSeconds: 60, expiryGraceSeconds: 0, clockToleranceSeconds: 0 };

  it("is announced by token_expiring, and closes with 4003", async (t) => {
    const gateway = await startTestGateway(t, { auth });
    const client = await connect(t, `${gateway.url}?token=${token({ user_id: 42, exp: inSeconds(3) })}`);
    const { expires_in } = await client.next({ action: "token_expiring" });
    assert.ok(Number.isInteger(expires_in) && (expires_in as number) <= 3);
    assert.equal((await client.close()).code, 4003);
  });

  it("does not come where the client authenticates anew", async (t) => {
    const gateway = await startTestGateway(t, { auth });
    const connectWith = (exp: number): Promise<TestClient> =>
      connect(t, `${gateway.url}?token=${token({ user_id: 42, exp })}`);
    const [renewed, other] = [await connectWith(inSeconds(3)), await connectWith(inSeconds(3))];
    const reply = await renewed.ask("authenticate", { token: token({ user_id: 42 }) });
    assert.deepEqual([reply.authenticated, reply.user_id], [true, 42]);
    assert.equal((await other.close()).code, 4003);
    await renewed.settled();
    assert.equal(renewed.closed, undefined);
  });
});

describe("A fresh token of another user", () => {
  it("is refused: a connection does not change hands", async (t) => {
    const gateway = await startTestGateway(t);
    const client = await connect(t, `${gateway.url}?token=${token({ user_id: 42 })}`);
    assert.equal((await client.ask("authenticate", { token: token({ user_id: 43 }) })).code, "forbidden");
    assert.equal((await client.ask("authenticate", { token: token({ user_id: 42 }) })).user_id, 42);
  });
});
