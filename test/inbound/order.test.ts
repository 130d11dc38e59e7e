import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Channels } from "../../src/channel/channels.ts";
import { Subscriptions } from "../../src/channel/subscriptions.ts";
import { connect, type TestClient } from "../support/client.ts";
import { startTestGateway } from "../support/gateway.ts";
import { token } from "../support/tokens.ts";
import { bystanders } from "./company.ts";
import { lateToken, startWithSlowKeys } from "./slow-keys.ts";

/** What came after the welcome: the action of each frame, with its id, or what it says. */
const story = (client: TestClient): unknown[][] =>
  client.frames
    .slice(1)
    .map(({ action, id, code, message }) => [action, id ?? message, ...(code === undefined ? [] : [code])]);

/** What a guide's client sends at once: who it is, then what only this user may do. */
function sendAll(client: TestClient, given: string): void {
  client.request("authenticate", { token: given }, 1);
  client.request("subscribe", { channel: "private.user.7" }, 2);
  client.request("message", { channel: "private.user.7", message: "first" }, 3);
  client.request("message", { channel: "private.user.7", message: "second" }, 4);
  client.request("presence", { channel: "presence.a" }, 5);
  client.request("ping", undefined, 6);
  client.request("unsubscribe", { channel: "private.user.7" }, 7);
  client.request("message", { channel: "private.user.7", message: "third" }, 8);
}

describe("Frames behind an authenticate that waits for a key", () => {
  it("are handled in their order, each with the rights that the one before has brought", async (t) => {
    const { gateway, asked, release } = await startWithSlowKeys(t);
    const others = await bystanders(t, gateway);
    const client = await connect(t, gateway.url);
    sendAll(client, lateToken({ user_id: 7 }));
    await asked();
    const other = await connect(t, gateway.url);
    await other.settled();
    assert.deepEqual(story(client), []);
    release();
    await client.next({ id: 8 });
    const replies = story(client).filter(([action]) => action !== "message");
    assert.deepEqual(replies, [
      ["authenticate", 1],
      ["subscribe", 2],
      ["message_sent", 3],
      ["message_sent", 4],
      ["presence", 5],
      ["pong", 6],
      ["unsubscribe", 7],
      ["error", 8, "not_subscribed"],
    ]);
    assert.deepEqual(
      client.of("message").map(({ message, user_id }) => [message, user_id]),
      [
        ["first", 7],
        ["second", 7],
      ],
    );
    await others.stop();
  });

  it("are handled without those rights where the key does not come", async (t) => {
    const { gateway, asked, release } = await startWithSlowKeys(t);
    const client = await connect(t, gateway.url);
    sendAll(client, lateToken({ user_id: 7 }));
    await asked();
    release(503);
    await client.next({ id: 8 });
    assert.deepEqual(story(client), [
      ["error", 1, "unavailable"],
      ["error", 2, "unauthenticated"],
      ["error", 3, "not_subscribed"],
      ["error", 4, "not_subscribed"],
      ["presence", 5],
      ["pong", 6],
      ["unsubscribe", 7],
      ["error", 8, "not_subscribed"],
    ]);
  });

  it("wait as the items of a batch do, and behind a batch", async (t) => {
    const { gateway, asked, release } = await startWithSlowKeys(t);
    const client = await connect(t, gateway.url);
    const items = [
      { action: "ping", id: 1 },
      { action: "authenticate", data: { token: lateToken({ user_id: 7 }) }, id: 2 },
      { action: "subscribe", data: { channel: "private.user.7" }, id: 3 },
      { action: "nonsense", id: 4 },
      { action: "message", data: { channel: "private.user.7", message: "in" }, id: 5 },
    ];
    client.request("batch", { items });
    client.request("message", { channel: "private.user.7", message: "behind" }, 6);
    await asked();
    await client.next({ id: 1 });
    assert.deepEqual(story(client), [["pong", 1]]);
    release();
    await client.next({ id: 6 });
    const replies = story(client).filter(([action]) => action !== "message");
    assert.deepEqual(replies, [
      ["pong", 1],
      ["authenticate", 2],
      ["subscribe", 3],
      ["error", 4, "unknown_action"],
      ["message_sent", 5],
      ["message_sent", 6],
    ]);
  });

  it("are forgotten with their connection: nothing reaches another one, and nobody is disturbed", async (t) => {
    const { gateway, asked, release } = await startWithSlowKeys(t);
    const others = await bystanders(t, gateway);
    const client = await connect(t, gateway.url);
    sendAll(client, lateToken({ user_id: 7 }));
    await asked();
    client.socket.terminate();
    await client.close();
    const next = await connect(t, gateway.url);
    release();
    await next.settled();
    assert.deepEqual(
      story(next).map(([action]) => action),
      ["pong"],
    );
    assert.equal(await gateway.metric('tidegate_authentications_total{result="ok"}'), 0);
    await others.stop();
  });

  it("close the connection with 4508 once they are more than a send queue, and no sooner", async (t) => {
    const { gateway, asked, release } = await startWithSlowKeys(t, {
      messageBytesMax: 16_384,
      sendQueueBytesMax: 65_536,
    });
    const others = await bystanders(t, gateway);
    const [patient, flooding] = [await connect(t, gateway.url), await connect(t, gateway.url)];
    const large = JSON.stringify({ action: "unsubscribe", data: { channel: "a" }, id: "large", x: "x".repeat(16_000) });
    for (const client of [patient, flooding]) {
      client.request("authenticate", { token: lateToken({ user_id: 7 }) }, 1);
      for (let i = 0; i < 4; i += 1) client.sendRaw(large);
    }
    await asked();
    for (let i = 0; i < 20; i += 1) flooding.sendRaw(large);
    assert.deepEqual(await flooding.close(), { code: 4508, reason: "too much sent while a request was waiting" });
    release();
    for (let i = 0; i < 4; i += 1) await patient.next({ action: "unsubscribe", id: "large" });
    assert.deepEqual(story(flooding), []);
    await others.stop();
  });

  it("are each charged once, when their turn comes", async (t) => {
    const { gateway, asked, release } = await startWithSlowKeys(t, { maxMessagesPerMinute: 5 });
    const client = await connect(t, gateway.url);
    sendAll(client, lateToken({ user_id: 7 }));
    await asked();
    release();
    await client.next({ action: "pong", id: 6 });
    await client.settled();
    assert.deepEqual(
      client.of("error").map(({ code, id }) => [code, id]),
      [["rate_limit", 7]],
    );
  });
});

describe("Frames behind requests that wait one after the other", () => {
  it("are handled in their order, however often it stops", async (t) => {
    const settings = { channels: { "secret.>": { subscribe: ["granted"] } } };
    const { gateway, asked, release } = await startWithSlowKeys(t, settings);
    const client = await connect(t, gateway.url);
    client.request("authenticate", { token: lateToken({ user_id: 7 }) }, "a"); // so that the others queue up behind it
    const expected: unknown[] = [["authenticate", "a"]];
    for (let i = 0; i < 40; i += 1) {
      const channel = `secret.${i}`;
      // A subscribe that carries a token always waits.
      client.request("subscribe", { channel, token: token({ channel }) }, `s${i}`);
      client.request("message", { channel, message: i }, `m${i}`);
      client.request("ping", undefined, `p${i}`);
      expected.push(["subscribe", `s${i}`], ["message_sent", `m${i}`], ["pong", `p${i}`]);
    }
    await asked();
    await (await connect(t, gateway.url)).settled();
    release();
    await client.next({ id: "p39" });
    assert.deepEqual(
      story(client).filter(([action]) => action !== "message"),
      expected,
    );
    assert.deepEqual(
      client.of("message").map(({ message }) => message),
      Array.from({ length: 40 }, (_, i) => i),
    );
  });
});

describe("A handler that fails", () => {
  const broken = () => {
    throw new Error("a bug of our own");
  };
  const internal = (more: object) => ({
    success: false,
    action: "error",
    error: "Internal server error",
    code: "internal",
    ...more,
  });

  it("is answered Internal server error with the request's id and channel, logged, and stops nothing", async (t) => {
    const gateway = await startTestGateway(t);
    t.mock.method(Channels.prototype, "presence", broken);
    const client = await connect(t, gateway.url);
    client.request("presence", { channel: "presence.a" }, "p");
    client.request("ping", undefined, "after");
    assert.deepEqual(await client.next(), internal({ request: "presence", channel: "presence.a", id: "p" }));
    assert.equal((await client.next()).id, "after");
    const line = gateway.logLines.find(({ msg }) => msg === "handler failed");
    assert.equal(line?.level, "error");
    assert.equal(line?.action, "presence");
    assert.match(JSON.stringify(line?.err), /a bug of our own/);
  });

  it("is answered the same where it fails later, and what waited behind it goes on", async (t) => {
    const gateway = await startTestGateway(t);
    t.mock.method(Subscriptions.prototype, "subscribe", broken);
    const client = await connect(t, gateway.url);
    client.request("subscribe", { channel: "a", token: token({ channel: "a" }) }, "s");
    client.request("ping", undefined, "after");
    assert.deepEqual(await client.next(), internal({ request: "subscribe", channel: "a", id: "s" }));
    assert.equal((await client.next()).id, "after");
  });

  it("spoils no other item of a batch, at once or later", async (t) => {
    const gateway = await startTestGateway(t);
    t.mock.method(Channels.prototype, "presence", broken);
    t.mock.method(Subscriptions.prototype, "subscribe", broken);
    const client = await connect(t, gateway.url);
    const items = [
      { action: "presence", data: { channel: "presence.a" }, id: 1 },
      { action: "ping", id: 2 },
      { action: "subscribe", data: { channel: "a", token: token({ channel: "a" }) }, id: 3 },
      { action: "ping", id: 4 },
    ];
    client.request("batch", { items });
    client.request("ping", undefined, 5);
    await client.next({ id: 5 });
    assert.deepEqual(story(client), [
      ["error", 1, "internal"],
      ["pong", 2],
      ["error", 3, "internal"],
      ["pong", 4],
      ["pong", 5],
    ]);
  });
});
