import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { connect } from "../support/client.ts";
import { startTestGateway } from "../support/gateway.ts";
import { token } from "../support/tokens.ts";

const soon = (seconds: number): number => Math.floor(Date.now() / 1000) + seconds;

describe("Heartbeats of a running gateway", { concurrency: true }, () => {
  it("reach 200 clients that connect together in many different moments", async (t) => {
    const gateway = await startTestGateway(t, { heartbeatInterval: 5 });
    const clients = await Promise.all(Array.from({ length: 200 }, () => connect(t, gateway.url)));
    const arrivals = await Promise.all(
      clients.map(async (client) => {
        const { time } = await client.next({ action: "ping" });
        assert.ok(Number.isInteger(time));
        return time;
      }),
    );
    assert.ok(new Set(arrivals).size >= 3, `${new Set(arrivals).size} different seconds`);
  });

  it("speak MessagePack to those who do", async (t) => {
    const gateway = await startTestGateway(t, { heartbeatInterval: 1 });
    const client = await connect(t, gateway.url, { subprotocols: ["tidegate.msgpack.v1"] });
    assert.deepEqual(Object.keys(await client.next({ action: "ping" })), ["action", "time"]);
  });
});

describe("The idle time-out of a running gateway", { concurrency: true }, () => {
  const settings = { heartbeatInterval: 1, connectionTimeout: 3 };

  it("tells a client that is silent in every way, closes it with 4001, and counts that", async (t) => {
    const gateway = await startTestGateway(t, settings);
    const client = await connect(t, gateway.url, { autoPong: false });
    assert.deepEqual(await client.close(), { code: 4001, reason: "idle timeout" });
    assert.deepEqual(client.frames.at(-1), {
      action: "timeout",
      message: "Connection timed out due to inactivity",
    });
    assert.equal(await gateway.metric('tidegate_connections_closed_total{reason="idle_timeout"}'), 1);
  });

  it("leaves those who show any sign of life: a frame, a pong, a ping, or only a library that answers pings", async (t) => {
    const gateway = await startTestGateway(t, settings);
    const silent = await connect(t, gateway.url, { autoPong: false });
    const listener = await connect(t, gateway.url);
    const alive = {
      frames: await connect(t, gateway.url, { autoPong: false }),
      pongs: await connect(t, gateway.url, { autoPong: false }),
      pings: await connect(t, gateway.url, { autoPong: false }),
    };
    const timer = setInterval(() => {
      alive.frames.request("pong");
      alive.pongs.socket.pong();
      alive.pings.socket.ping();
    }, 300);
    t.after(() => clearInterval(timer));
    await silent.close(); // and as long again
    const late = await connect(t, gateway.url, { autoPong: false });
    await late.close();
    for (const client of [listener, ...Object.values(alive)]) await client.settled();
  });
});

describe("The end of a token on a running gateway", { concurrency: true }, () => {
  const settings = { auth: { expiringNoticeSeconds: 60, expiryGraceSeconds: 1 }, heartbeatInterval: 1 };

  it("is announced and then closes the connection with 4003; a fresh token in between prevents it", async (t) => {
    const gateway = await startTestGateway(t, settings);
    const url = `${gateway.url}/?token=${token({ user_id: "ann", exp: soon(3) })}`;
    const [forgetful, careful] = [await connect(t, url), await connect(t, url)];
    for (const client of [forgetful, careful]) {
      const { expires_in } = await client.next({ action: "token_expiring" });
      assert.ok(Number(expires_in) >= 0 && Number(expires_in) <= 3, `${expires_in}`);
    }
    const reply = await careful.ask("authenticate", { token: token({ user_id: "ann", exp: soon(600) }) });
    assert.deepEqual([reply.success, reply.user_id], [true, "ann"]);
    assert.ok(Number(reply.expires_in) > 590);
    assert.deepEqual(await forgetful.close(), { code: 4003, reason: "token expired" });
    assert.equal(await gateway.metric('tidegate_connections_closed_total{reason="token_expired"}'), 1);
    await careful.next({ action: "ping" });
    await careful.settled();
  });

  it("is that of the last good one where several are sent at once: no bad one behind it takes it back", async (t) => {
    const gateway = await startTestGateway(t, settings);
    const client = await connect(t, `${gateway.url}/?token=${token({ user_id: "ann", exp: soon(600) })}`);
    const tokens = [
      ...Array.from({ length: 20 }, (_, i) => token({ user_id: "ann", exp: soon(500 + i), n: i })),
      token({ user_id: "ann", exp: soon(2) }),
      token({ user_id: "ben", exp: soon(900) }),
      "no token",
    ];
    for (const [i, fresh] of tokens.entries()) client.request("authenticate", { token: fresh }, i);
    await client.settled();
    const codes = tokens.map((_, i) => client.frames.find(({ id }) => id === i)?.code);
    assert.deepEqual(codes, [...Array(21).fill(undefined), "forbidden", "invalid_token"]);
    assert.deepEqual(await client.close(), { code: 4003, reason: "token expired" });
  });

  it("is not put off by the token of another user, by a bad one, nor by the same one again", async (t) => {
    const gateway = await startTestGateway(t, settings);
    const own = token({ user_id: "ann", exp: soon(3) });
    const client = await connect(t, `${gateway.url}/?token=${own}`);
    await client.next({ action: "token_expiring" });
    const other = await client.ask("authenticate", { token: token({ user_id: "bob", exp: soon(600) }) });
    assert.deepEqual([other.success, other.code], [false, "forbidden"]);
    const forged = await client.ask("authenticate", { token: token({ user_id: "ann" }, "x".repeat(40)) });
    assert.deepEqual([forged.success, forged.code], [false, "invalid_token"]);
    assert.equal((await client.ask("authenticate", { token: own })).success, true);
    assert.equal((await client.close()).code, 4003);
  });

  it("begins for an anonymous client with the token that it sends later", async (t) => {
    const gateway = await startTestGateway(t, settings);
    const client = await connect(t, gateway.url);
    await client.ask("authenticate", { token: token({ user_id: "ann", exp: soon(2) }) });
    await client.next({ action: "token_expiring" });
    assert.equal((await client.close()).code, 4003);
  });
});
