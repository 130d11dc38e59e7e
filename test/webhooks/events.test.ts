/** What a receiver is told, by a gateway that is alone. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { connect } from "../support/client.ts";
import { startTestGateway } from "../support/gateway.ts";
import { token } from "../support/tokens.ts";
import { startReceiver, webhookFor } from "./receiver.ts";

const all = [
  ...["connected", "disconnected", "subscribed", "unsubscribed", "channel_occupied", "channel_vacated"],
  ...["member_joined", "member_left", "message"],
];
const settings = { presence: { leaveGraceSeconds: 0 } };

describe("A webhook", () => {
  it("is told of a connection from its beginning to its end, in order, with who it is", async (t) => {
    const receiver = await startReceiver(t);
    const gateway = await startTestGateway(t, { ...settings, webhooks: [webhookFor(receiver, { events: all })] });
    const client = await connect(t, `${gateway.url}?token=${token({ user_id: 42, role: "user" })}`);
    const { session, node } = client.frames[0]!;
    await client.subscribe("presence.room");
    await client.ask("message", { channel: "presence.room", message: { text: "hä?" }, key: "k1" });
    await client.ask("message", { channel: "presence.room", message: { text: "hä?" }, key: "k1" });
    await client.ask("unsubscribe", { channel: "presence.room" });
    client.socket.close(4321, "done");
    await receiver.event({ event: "disconnected" });
    const who = { connection_id: client.connectionId, session, node, user_id: 42, role: "user" };
    const member = { user_id: 42, role: "user" };
    const bare = receiver.events.map(({ id, time, ...event }) => event);
    assert.deepEqual(bare.slice(0, 1), [{ event: "connected", ...who, address: "127.0.0.1", format: "json" }]);
    const channel = "presence.room";
    assert.deepEqual(
      new Set(bare.slice(1, 4).map((event) => JSON.stringify(event))),
      new Set(
        [
          { event: "subscribed", channel, ...who },
          { event: "channel_occupied", channel },
          { event: "member_joined", channel, member },
        ].map((event) => JSON.stringify(event)),
      ),
    );
    const { frame, ...message } = bare[4]!;
    assert.deepEqual(message, { event: "message", channel });
    const { time, offset, epoch, ...content } = frame as Record<string, unknown>;
    assert.deepEqual(content, {
      ...{ action: "message", channel, sender: client.connectionId, message: { text: "hä?" }, user_id: 42 },
    });
    assert.equal(typeof time, "number");
    assert.match(`${offset} ${epoch}`, /^\S+ \S+$/);
    assert.deepEqual(
      new Set(bare.slice(5, 8).map(({ event }) => event)),
      new Set(["unsubscribed", "channel_vacated", "member_left"]),
    );
    assert.deepEqual(bare.slice(8), [{ event: "disconnected", ...who, code: 4321, reason: "done" }]);
    assert.equal(new Set(receiver.events.map(({ id }) => id)).size, 9);
  });

  it("is told of a channel once by its first and once by its last subscriber, of either encoding", async (t) => {
    const receiver = await startReceiver(t);
    const gateway = await startTestGateway(t, { ...settings, webhooks: [webhookFor(receiver)] });
    const [a, b] = [await connect(t, gateway.url), await connect(t, `${gateway.url}?format=msgpack`)];
    await a.subscribe("chat.x");
    await b.subscribe("chat.x");
    a.socket.terminate();
    await receiver.event({ event: "unsubscribed", connection_id: a.connectionId });
    b.socket.terminate();
    await receiver.event({ event: "channel_vacated", channel: "chat.x" });
    await receiver.event({ event: "disconnected", connection_id: b.connectionId, code: 1006 });
    assert.equal(receiver.idsOf("channel_occupied").size, 1);
    assert.equal(receiver.idsOf("channel_vacated").size, 1);
    assert.equal(receiver.idsOf("subscribed").size, 2);
    assert.equal(receiver.idsOf("unsubscribed").size, 2);
  });

  it("gets the events and channels that it asked for, and no messages unless it names them", async (t) => {
    const [some, most] = [await startReceiver(t), await startReceiver(t)];
    const gateway = await startTestGateway(t, {
      webhooks: [
        webhookFor(some, { events: ["subscribed", "message"], channels: ["chat.>", "game.*"] }),
        webhookFor(most),
      ],
    });
    const client = await connect(t, gateway.url);
    for (const channel of ["news.x", "game.a", "game.a.b", "chat.a.b"]) {
      await client.subscribe(channel);
      await client.ask("message", { channel, message: 1 });
    }
    client.socket.close();
    await most.event({ event: "disconnected" });
    await some.event({ event: "message", channel: "chat.a.b" });
    assert.deepEqual(
      some.events.map(({ event, channel }) => `${event} ${channel}`),
      ["subscribed game.a", "message game.a", "subscribed chat.a.b", "message chat.a.b"],
    );
    assert.equal(most.idsOf("message").size, 0);
    assert.equal(most.idsOf("subscribed").size, 4);
    assert.equal(await gateway.metric('tidegate_webhook_events_total{event="message"}'), 2);
  });
});
