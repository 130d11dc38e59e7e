import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, it, type TestContext } from "node:test";
import { createSigner } from "fast-jwt";
import { systemClock } from "../../src/clock/clock.ts";
import { connect, refusedHandshake } from "../support/client.ts";
import { startTestGateway, type TestGateway } from "../support/gateway.ts";
import { handshakeText, RawClient, requestFrame } from "./raw-client.ts";

const pair = generateKeyPairSync("rsa", { modulusLength: 2048 });
const keySet = JSON.stringify({ keys: [{ ...pair.publicKey.export({ format: "jwk" }), kid: "late", alg: "RS256" }] });
const sign = createSigner({
  key: pair.privateKey.export({ type: "pkcs8", format: "pem" }),
  algorithm: "RS256",
  kid: "late",
});
const token = (userId: number): string => sign({ user_id: userId, exp: Math.floor(Date.now() / 1000) + 3600 });

/**
 * A gateway whose issuer published no key at the start, and whose key server holds back the next answer: the handshake
 * of a token that it does not know yet waits. `release` answers.
 */
async function startWaitingGateway(t: TestContext, settings: Record<string, unknown> = {}) {
  const held: ServerResponse[] = [];
  let isStarted = false;
  let requests = 0;
  const server = createServer((_request, response) => {
    requests += 1;
    if (isStarted) held.push(response);
    else response.end('{"keys":[]}');
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const jwksUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`;
  const auth = { jwksUrl, ...(settings.auth as object | undefined) };
  const gateway = await startTestGateway(t, { ...settings, auth });
  isStarted = true;
  const { nowMs } = systemClock;
  t.mock.method(systemClock, "nowMs", () => nowMs() + 60_000); // past the pause between two fetches
  const asked = async (): Promise<void> => {
    while (held.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  const release = async (status = 200, body = keySet): Promise<void> => {
    await asked();
    for (const response of held) response.writeHead(status).end(body);
  };
  return { gateway, asked, release, requests: () => requests };
}

/** A client that has sent its handshake and waits. */
async function waitingClient(t: TestContext, gateway: TestGateway, given = token(42)): Promise<RawClient> {
  const client = await RawClient.connect(t, gateway.port);
  client.write(handshakeText({ headers: { Authorization: `Bearer ${given}` } }));
  return client;
}

describe("A handshake that waits for its key", () => {
  it("is answered once the key is there, with the welcome of its user", async (t) => {
    const { gateway, asked, release } = await startWaitingGateway(t);
    const client = await waitingClient(t, gateway);
    await asked();
    await connect(t, gateway.url); // meanwhile others are not kept waiting
    assert.equal(client.unread.length, 0);
    await release();
    assert.equal((await client.answer()).status, 101);
    const { action, authenticated, user_id } = await client.json();
    assert.deepEqual({ action, authenticated, user_id }, { action: "welcome", authenticated: true, user_id: 42 });
  });

  it("negotiates its subprotocol like any other", async (t) => {
    const { gateway, release } = await startWaitingGateway(t);
    const given = token(42);
    const opening = connect(t, gateway.url, { subprotocols: ["tidegate.msgpack.v1", "bearer", given] });
    await release();
    const client = await opening;
    assert.equal(client.socket.protocol, "tidegate.msgpack.v1");
    assert.equal(client.frames[0]!.user_id, 42);
    await client.settled();
  });

  it("has frames that come on its heels answered in order, after the welcome", async (t) => {
    const { gateway, release } = await startWaitingGateway(t);
    const client = await waitingClient(t, gateway);
    await release();
    await client.answer();
    for (const id of ["a", "b", "c"]) client.write(requestFrame("ping", undefined, id));
    const frames = [await client.json(), await client.json(), await client.json(), await client.json()];
    assert.deepEqual(
      frames.map(({ action, id }) => id ?? action),
      ["welcome", "a", "b", "c"],
    );
  });

  it("is forgotten where its client goes away, and counts for no limit", async (t) => {
    const { gateway, asked, release } = await startWaitingGateway(t, {
      connectionsPerAddressMax: 1,
      maxConnections: 1,
    });
    for (const leave of ["end", "destroy", "resetAndDestroy"] as const)
      (await waitingClient(t, gateway)).socket[leave]();
    await asked();
    const stays = await waitingClient(t, gateway);
    await release();
    assert.equal((await stays.answer()).status, 101);
    assert.equal(await gateway.metric("tidegate_connections_opened_total"), 1);
    assert.equal(await gateway.metric('tidegate_connections{format="json"}'), 1);
  });

  it("is ended where its client cannot wait and sends more", async (t) => {
    const { gateway, asked, release } = await startWaitingGateway(t);
    const client = await waitingClient(t, gateway);
    await asked();
    client.write(requestFrame("ping"));
    await client.over();
    await release();
    await connect(t, gateway.url);
    assert.equal(await gateway.metric("tidegate_connections_opened_total"), 1);
  });

  it("shares one fetch with all that wait", async (t) => {
    const { gateway, release, requests } = await startWaitingGateway(t);
    const before = requests();
    const clients = await Promise.all(Array.from({ length: 20 }, (_, i) => waitingClient(t, gateway, token(i))));
    await release();
    const users: unknown[] = [];
    for (const client of clients) {
      assert.equal((await client.answer()).status, 101);
      users.push((await client.json()).user_id);
    }
    assert.deepEqual(users, [...clients.keys()]);
    assert.equal(requests() - before, 1);
  });

  // Upgraded in a cork of its own, uWebSockets.js goes on to look at the flags of the response, which is none any more: a
  // few in a hundred connections were closed at once, in one process of three or four.
  it("stays open afterwards, alone and in a crowd", async (t) => {
    for (const count of [1, 40, 40, 40, 40]) {
      const { gateway, release } = await startWaitingGateway(t);
      const clients = await Promise.all(Array.from({ length: count }, (_, i) => waitingClient(t, gateway, token(i))));
      await release();
      for (const client of clients) {
        assert.equal((await client.answer()).status, 101);
        await client.json();
        client.write(requestFrame("ping", undefined, "still here"));
        await client.next({ action: "pong", id: "still here" });
      }
      t.mock.restoreAll();
    }
  });

  it("is refused with 503 where the node has become full in the meantime", async (t) => {
    const { gateway, asked, release } = await startWaitingGateway(t, { maxConnections: 1 });
    const client = await waitingClient(t, gateway);
    await asked();
    await connect(t, gateway.url);
    await release();
    assert.equal((await client.answer()).status, 503);
    await client.over();
  });

  it("takes no more than the places that are left, however many wait for one key", async (t) => {
    const { gateway, asked, release } = await startWaitingGateway(t, { maxConnections: 5 });
    const clients = await Promise.all(Array.from({ length: 20 }, (_, i) => waitingClient(t, gateway, token(i))));
    await asked();
    await release();
    const statuses = await Promise.all(clients.map(async (client) => (await client.answer()).status));
    assert.equal(statuses.filter((status) => status === 101).length, 5);
    assert.equal(statuses.filter((status) => status === 503).length, 15);
  });

  it("is refused with 429 where its address has reached its limit in the meantime", async (t) => {
    const { gateway, asked, release } = await startWaitingGateway(t, { connectionsPerAddressMax: 1 });
    const client = await waitingClient(t, gateway);
    await asked();
    await connect(t, gateway.url);
    await release();
    assert.equal((await client.answer()).status, 429);
  });

  it("survives the end of the gateway", async (t) => {
    const { gateway, asked, release } = await startWaitingGateway(t);
    const client = await waitingClient(t, gateway);
    await asked();
    await gateway.stop();
    await client.over();
    await release();
  });
});

describe("A handshake whose key never comes", () => {
  const otherKid = createSigner({
    key: pair.privateKey.export({ type: "pkcs8", format: "pem" }),
    algorithm: "RS256",
    kid: "unknown",
  })({ user_id: 1, exp: Math.floor(Date.now() / 1000) + 3600 });

  it("opens as anonymous with invalid_token where the issuer does not publish it", async (t) => {
    const { gateway, release } = await startWaitingGateway(t);
    const client = await waitingClient(t, gateway, otherKid);
    await release();
    await client.answer();
    const { authenticated, auth_error } = await client.json();
    assert.deepEqual({ authenticated, auth_error }, { authenticated: false, auth_error: "invalid_token" });
  });

  it("is refused with 401 where a token is required", async (t) => {
    const { gateway, release } = await startWaitingGateway(t, { auth: { required: true } });
    const refused = refusedHandshake(`${gateway.url}/?token=${otherKid}`);
    await release();
    assert.equal((await refused).status, 401);
  });

  it("opens as anonymous with unavailable where the key server is down", async (t) => {
    const { gateway, release } = await startWaitingGateway(t);
    const client = await waitingClient(t, gateway);
    await release(500, "down");
    await client.answer();
    const { authenticated, auth_error } = await client.json();
    assert.deepEqual({ authenticated, auth_error }, { authenticated: false, auth_error: "unavailable" });
  });

  it("is refused with 503 and Retry-After where a token is required and the key server is down", async (t) => {
    const { gateway, release } = await startWaitingGateway(t, { auth: { required: true } });
    const refused = refusedHandshake(`${gateway.url}/?token=${token(42)}`);
    await release(500, "down");
    const { status, headers } = await refused;
    assert.equal(status, 503);
    assert.match(String(headers["retry-after"]), /^[1-9]\d*$/);
  });
});
