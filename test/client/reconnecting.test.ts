import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { describe, it, type TestContext } from "node:test";
import { type WebSocket as ServerSocket, WebSocketServer } from "ws";
import { type ClientOptions, createClient } from "../../src/client/index.ts";
import { platform } from "../../src/client/surroundings.ts";
import { freePort, until } from "../support/child.ts";
import { startTestGateway } from "../support/gateway.ts";
import { token } from "../support/tokens.ts";
import { have, Sockets, startClient, valuesOf } from "./clients.ts";

const welcome = {
  action: "welcome",
  heartbeat_interval: 30,
  limits: { messages_per_minute: 0, message_bytes_max: 65_536, batch_items_max: 100 },
};

/** A server of WebSockets, which is no gateway. */
async function startServer(t: TestContext): Promise<WebSocketServer> {
  const handleProtocols = ([first = ""]: Set<string>): string => first;
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0, handleProtocols });
  await once(server, "listening");
  t.after(() => {
    for (const socket of server.clients) socket.terminate();
    server.close();
  });
  return server;
}

const urlOf = (server: WebSocketServer) => ({ url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}` });

const inSeconds = (seconds: number): number => Math.floor(Date.now() / 1000) + seconds;

describe("A client that loses its connection", () => {
  it("comes back, subscribes everything in one batch and recovers what it missed, each message once", async (t) => {
    const gateway = await startTestGateway(t);
    const [ann, ben] = [startClient(t, gateway), startClient(t, gateway)];
    const rooms = ["chat.a", "chat.b", "chat.c"].map((name) => ann.subscribe(name));
    const seen = rooms.map(valuesOf);
    const gaps: unknown[] = [];
    ann.on("gap", (gap) => void gaps.push(gap));
    const others = ["chat.a", "chat.b"].map((name) => ben.subscribe(name));
    await Promise.all([...rooms, ...others].map(({ ready }) => ready));
    await others[0]!.publish(1);
    await others[1]!.publish("one");
    await have(seen[1]!, 1);
    await ann.sockets.cut();
    assert.equal(ann.state, "waiting");
    for (const n of [2, 3]) await others[0]!.publish(n);
    await have(seen[0]!, 3);
    await others[0]!.publish(4);
    await have(seen[0]!, 4);
    assert.deepEqual(seen, [[1, 2, 3, 4], ["one"], []]);
    assert.deepEqual(gaps, []);
    assert.deepEqual(ann.sockets.actions, ["batch", "batch"]);
    assert.equal(ann.counters.reconnections, 1);
  });

  it("tells of a gap where the channel keeps nothing, or too little, and of none elsewhere", async (t) => {
    const channels = { "short.>": { history: { size: 2, seconds: 60 } } };
    const gateway = await startTestGateway(t, { channels });
    const [ann, ben] = [startClient(t, gateway), startClient(t, gateway)];
    const names = ["plain", "short.x", "chat.x"];
    const rooms = names.map((name) => ann.subscribe(name));
    const others = names.map((name) => ben.subscribe(name));
    const gaps: string[] = [];
    for (const room of rooms)
      room.on("gap", ({ channel, since }) => void gaps.push(`${channel} ${since !== undefined}`));
    const seen = rooms.map(valuesOf);
    await Promise.all([...rooms, ...others].map(({ ready }) => ready));
    ann.disconnect(); // and not back before all is published
    for (const other of others) for (const n of [1, 2, 3]) await other.publish(n);
    ann.connect();
    await have(seen[2]!, 3);
    for (const other of others) await other.publish("live");
    for (const list of seen)
      await until(
        () => list.includes("live"),
        () => JSON.stringify(seen),
      );
    assert.deepEqual(seen, [["live"], ["live"], [1, 2, 3, "live"]]);
    assert.deepEqual(gaps.sort(), ["plain false", "short.x true"]);
  });

  it("sends once what was published while it was away, and what lost its acknowledgement", async (t) => {
    const gateway = await startTestGateway(t);
    const [ann, ben] = [startClient(t, gateway, { queueMax: 4 }), startClient(t, gateway)];
    const room = ann.subscribe("chat.x");
    const other = ben.subscribe("chat.x");
    const heard = valuesOf(other);
    await Promise.all([room.ready, other.ready]);
    const inFlight = room.publish("sent, and cut off");
    await have(heard, 1); // committed; whether the acknowledgement came does not matter
    const again = room.publish("never acknowledged");
    ann.sockets.all[0]!.removeAllListeners("message");
    await have(heard, 2);
    await ann.sockets.cut();
    const queued = ["a", "b", "c"].map((text) => room.publish(text));
    await assert.rejects(room.publish("too much"), { code: "queue_full" });
    await assert.rejects(room.history(), { code: "queue_full" });
    room.unsubscribe(); // what waits is sent all the same
    const acks = await Promise.all(queued);
    assert.equal((await again).duplicate, true);
    await inFlight;
    await have(heard, 5);
    assert.deepEqual(heard, ["sent, and cut off", "never acknowledged", "a", "b", "c"]);
    assert.deepEqual(
      acks.map(({ duplicate }) => duplicate),
      [undefined, undefined, undefined],
    );
    await until(
      async () => (await gateway.metric("tidegate_subscriptions")) === 1,
      () => "still subscribed",
    );
  });

  it("gives up a publication whose fate is unknown once the gateway may have forgotten its key", async (t) => {
    const gateway = await startTestGateway(t);
    const client = startClient(t, gateway, { keyLifetimeMs: 0 });
    const room = client.subscribe("chat.x");
    await room.ready;
    client.sockets.all[0]!.removeAllListeners("message");
    const lost = room.publish("lost");
    await client.sockets.cut();
    await assert.rejects(lost, { code: "outcome_unknown" });
  });

  it("comes back when a draining gateway says, and to the next one on its port", async (t) => {
    const port = await freePort();
    const first = await startTestGateway(t, { port });
    const delays: number[] = [];
    const surroundings = {
      ...platform,
      after: (ms: number, run: () => void) => {
        delays.push(ms);
        return platform.after(ms, run);
      },
    };
    const client = startClient(t, first, { surroundings });
    const frames: number[] = [];
    client.on("frame", (frame) => void (frame.action === "reconnect" && frames.push(frame.retry_in_ms as number)));
    const room = client.subscribe("chat.x");
    const gaps: unknown[] = [];
    room.on("gap", (gap) => void gaps.push(gap));
    await room.ready;
    await first.stop();
    await have(frames, 1);
    await client.reaches("waiting");
    assert.ok(delays.includes(frames[0]!), `${frames[0]} in ${delays}`);
    await startTestGateway(t, { port });
    await room.publish("here again");
    assert.equal(gaps.length, 1, "the log was in the memory of the first");
  });

  it("stays away after a close code from 4500 on, and rejects what waits; connect() tries anew", async (t) => {
    const gateway = await startTestGateway(t);
    const client = startClient(t, gateway);
    await client.reaches("connected");
    const ends: unknown[] = [];
    client.on("close", (end) => void ends.push(end));
    const response = await fetch(`${gateway.adminUrl}/api/v1/disconnect`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ connections: [client.welcome!.connection_id], reason: "enough" }),
    });
    assert.equal(response.status, 200);
    await client.reaches("closed");
    assert.deepEqual(ends, [{ code: 4503, reason: "enough", willReconnect: false }]);
    await assert.rejects(client.publish("chat.x", 1), { code: "disconnected" });
    client.connect();
    await client.subscribe("chat.x").ready;
    client.disconnect();
    assert.equal(client.state, "closed");
  });

  it("tries for ever with growing waits of full jitter, and at once when the network is back", async (t) => {
    const port = await freePort();
    const asked: number[] = [];
    const delays: number[] = [];
    let changed = (_isGood: boolean): void => {};
    const surroundings: ClientOptions["surroundings"] = {
      ...platform,
      random: () => 0.5,
      after: (ms, run) => {
        if (ms === 10_000) return platform.after(ms, run); // for the welcome
        delays.push(ms);
        return platform.after(delays.length < 8 ? 1 : 1e6, run);
      },
      watch: (listener) => {
        changed = listener;
        return () => void asked.push(1);
      },
    };
    const client = startClient(
      t,
      { url: `ws://127.0.0.1:${port}` },
      { surroundings, backoffMinMs: 100, backoffMaxMs: 3000 },
    );
    await have(delays, 8);
    assert.deepEqual(delays, [50, 100, 200, 400, 800, 1500, 1500, 1500]);
    assert.equal(client.state, "waiting");
    await startTestGateway(t, { port });
    changed(true);
    await client.subscribe("chat.x").ready;
    client.disconnect();
    assert.deepEqual(asked, [1], "it does not watch the network any more");
  });

  it("tries again at once when connect() is called, whatever it was waiting for", async (t) => {
    const port = await freePort();
    const surroundings = { ...platform, random: () => 1 };
    const client = startClient(
      t,
      { url: `ws://127.0.0.1:${port}` },
      { surroundings, backoffMinMs: 1e6, backoffMaxMs: 1e6 },
    );
    await client.reaches("waiting");
    await startTestGateway(t, { port });
    client.connect();
    client.connect(); // once is enough
    await client.subscribe("chat.x").ready;
    assert.equal(client.sockets.all.length, 2);
  });

  it("says why it cannot connect, where the platform does", async (t) => {
    const gateway = await startTestGateway(t, { auth: { required: true } });
    const texts: string[] = [];
    const told = ({ message }: Error): void => void texts.push(message);
    startClient(t, gateway).onError("connection", told);
    await have(texts, 1);
    assert.match(texts[0]!, /^connection ended: 1006, .*401/);
    const nobody = startClient(t, { url: `ws://127.0.0.1:${await freePort()}` });
    nobody.onError("connection", told);
    await until(
      () => texts.some((text) => /^connection ended: 1006, .*ECONNREFUSED/.test(text)),
      () => JSON.stringify(texts),
    );
    await until(
      () => nobody.state === "waiting",
      () => nobody.state,
    );
  });

  it("never tells the token, also where it cannot be sent", async (t) => {
    const gateway = await startTestGateway(t);
    const client = startClient(t, gateway, { token: "no token at all" });
    const texts: string[] = [];
    client.on("error", (error) => void texts.push(`${error.code} ${error.message} ${error.cause}`));
    await have(texts, 1);
    assert.equal(texts[0], "connection connection ended: 1006, no token to send undefined");
  });

  for (const sent of ["<html>", "null", "[null]", '[{"action":"ping"},null]'])
    it(`leaves a server that sends no frames, and tries again: ${sent}`, async (t) => {
      const server = await startServer(t);
      server.on("connection", (socket) => socket.send(sent));
      const client = startClient(t, urlOf(server));
      const texts: string[] = [];
      client.onError("connection", ({ message }) => void texts.push(message));
      await have(texts, 2);
      assert.match(texts[0]!, /^connection ended: 1006, (Syntax|Type)Error/);
    });

  it("takes nothing any more from a connection that it left, and ends no other by what comes there", async (t) => {
    const server = await startServer(t);
    const opened: ServerSocket[] = [];
    server.on("connection", (socket) => {
      opened.push(socket);
      socket.send(JSON.stringify(welcome));
      socket.on("message", (data) => {
        const { action, id, data: asked } = JSON.parse(data.toString());
        socket.send(JSON.stringify({ success: true, action, channel: asked?.channel, id }));
      });
    });
    const client = startClient(t, urlOf(server));
    const channel = client.subscribe("plain");
    const heard = valuesOf(channel);
    await channel.ready;
    const left = opened[0]!;
    left.pause(); // so that it does not see the end
    const message = (text: string) => ({ action: "message", channel: "plain", message: text });
    channel.on("message", ({ message }) => {
      if (message !== "return") return;
      client.disconnect();
      client.connect();
    });
    left.send(JSON.stringify([message("return"), welcome, message("behind it")]));
    await until(
      () => client.counters.reconnections === 1 && opened.length === 2,
      () => client.state,
    );
    left.send(JSON.stringify(message("late")));
    left.send("<html>");
    const gone = once(client.sockets.all[0]!, "close");
    left.resume();
    await gone;
    opened[1]!.send(JSON.stringify([message("the last")]));
    await have(heard, 2);
    assert.deepEqual(heard, ["return", "the last"]);
    assert.equal(client.counters.errors, 0);
  });

  it("takes an option that is undefined for one that is not given", async (t) => {
    const delays: number[] = [];
    const surroundings = {
      ...platform,
      random: () => 1,
      after(ms: number, run: () => void) {
        delays.push(ms);
        return platform.after(ms, run);
      },
    };
    const options = { surroundings, backoffMinMs: undefined, backoffMaxMs: undefined, format: undefined };
    const client = startClient(t, { url: `ws://127.0.0.1:${await freePort()}` }, options as object);
    await client.reaches("waiting");
    assert.deepEqual(delays, [10_000, 500]);
  });

  it("notices that nobody answers, and leaves that connection behind", async (t) => {
    const gateway = await startTestGateway(t);
    let changed = (_isGood: boolean): void => {};
    const surroundings: ClientOptions["surroundings"] = {
      ...platform,
      after: (ms, run) => platform.after(ms === 5000 ? 50 : ms, run), // an answer
      watch: (listener) => {
        changed = listener;
        return () => {};
      },
    };
    const client = startClient(t, gateway, { surroundings });
    await client.subscribe("chat.x").ready;
    changed(false);
    await client.history("chat.x");
    assert.equal(client.state, "connected");
    client.sockets.all[0]!.pause();
    changed(false);
    await until(
      () => client.counters.reconnections === 1,
      () => client.state,
    );
    assert.equal(client.sockets.all.length, 2);
  });

  it("notices a server that accepts and says nothing", async (t) => {
    const port = await freePort();
    const server = createServer((socket) => socket.on("error", () => {})).listen(port, "127.0.0.1");
    t.after(() => server.close());
    const errors: string[] = [];
    const surroundings = {
      ...platform,
      after: (ms: number, run: () => void) => platform.after(ms === 10_000 ? 50 : ms, run),
    };
    const client = createClient(`ws://127.0.0.1:${port}`, {
      WebSocket: new Sockets().open,
      surroundings,
      backoffMinMs: 1,
      autoConnect: false,
    });
    t.after(() => client.disconnect());
    client.onError("connection", ({ message }) => void errors.push(message));
    client.connect();
    await have(errors, 2);
    assert.match(errors[0]!, /no welcome in time/);
  });
});

describe("A client's token", () => {
  it("comes from a function that is asked again before it ends, so that the connection stays", async (t) => {
    const auth = { expiringNoticeSeconds: 10 };
    const gateway = await startTestGateway(t, { auth });
    let asked = 0;
    const client = startClient(t, gateway, {
      token: async () => {
        asked += 1;
        return token({ user_id: 7, exp: inSeconds(asked === 1 ? 5 : 3600) });
      },
    });
    const frames: unknown[] = [];
    client.on("frame", ({ action }) => void frames.push(action));
    await until(
      () => frames.includes("authenticate"),
      () => JSON.stringify(frames),
    );
    assert.ok(frames.includes("token_expiring"));
    assert.deepEqual([asked, client.sockets.all.length, client.counters.errors], [2, 1, 0]);
  });

  it("is asked for again where it was not accepted, before anything is subscribed", async (t) => {
    const gateway = await startTestGateway(t);
    let asked = 0;
    const client = startClient(t, gateway, {
      token: () => {
        asked += 1;
        return token({ user_id: 7, exp: inSeconds(asked === 1 ? -100 : 3600) });
      },
    });
    await client.subscribe("private.user.7").ready;
    assert.equal(asked, 2);
  });

  it("is asked for again after it was revoked, and where there was none the next attempt asks", async (t) => {
    const gateway = await startTestGateway(t, { auth: { required: true } });
    let asked = 0;
    const client = startClient(t, gateway, {
      token: async () => {
        asked += 1;
        if (asked === 1) throw new Error("the token server is away");
        return token({ user_id: 7, jti: `token-${asked}`, iat: inSeconds(0) });
      },
    });
    const codes: string[] = [];
    client.on("error", ({ code }) => void codes.push(code));
    const room = client.subscribe("private.user.7");
    await room.ready;
    const response = await fetch(`${gateway.adminUrl}/api/v1/revoke`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ tokens: ["token-2"] }),
    });
    assert.equal(response.status, 200);
    await until(
      () => asked === 3 && client.state === "connected",
      () => `${asked} ${client.state}`,
    );
    await room.publish("still here");
    assert.deepEqual(codes.slice(0, 2), ["token", "connection"]);
    assert.ok(codes.includes("invalid_token"));
  });
});
