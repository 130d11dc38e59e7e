import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { connect } from "../support/client.ts";
import { startTestGateway, type TestGateway } from "../support/gateway.ts";
import { token } from "../support/tokens.ts";
import { RawClient, requestFrame } from "./raw-client.ts";

/** Waits until the gateway has seen `count` connections end. */
async function allClosed(gateway: TestGateway, count: number): Promise<void> {
  const reasons = ["client", "flooding", "idle_timeout", "message_too_big"];
  for (;;) {
    let sum = 0;
    for (const reason of reasons) sum += await gateway.metric(`tidegate_connections_closed_total{reason="${reason}"}`);
    if (sum >= count) return;
  }
}

/** The ways in which a client may leave. */
const leave = {
  "by a close frame": (client: RawClient) => client.write(Buffer.from("888000000000", "hex")),
  "by FIN": (client: RawClient) => client.socket.end(),
  "by RST": (client: RawClient) => client.socket.resetAndDestroy(),
  "in the middle of a frame": (client: RawClient) => client.socket.end(Buffer.from("81fe", "hex")),
  "with unanswered requests": (client: RawClient) => {
    for (let i = 0; i < 50; i += 1) client.write(requestFrame("history", { channel: "chat.a" }));
    client.socket.resetAndDestroy();
  },
};

async function openWithSubscriptions(t: TestContext, gateway: TestGateway): Promise<RawClient> {
  const client = await RawClient.open(t, gateway.port, {
    headers: { Authorization: `Bearer ${token({ user_id: "ann" })}` },
  });
  for (const channel of ["chat.a", "presence.b"]) {
    client.write(requestFrame("subscribe", { channel }));
    await client.next({ action: "subscribe", channel });
  }
  return client;
}

describe("A connection that has ended", () => {
  for (const [how, go] of Object.entries(leave)) {
    it(`${how} leaves nothing behind: no count, no subscription, no member, no user`, async (t) => {
      const gateway = await startTestGateway(t, { presence: { leaveGraceSeconds: 0 } });
      const client = await openWithSubscriptions(t, gateway);
      assert.equal(await gateway.metric("tidegate_subscriptions"), 2);
      go(client);
      await allClosed(gateway, 1);
      assert.equal(await gateway.metric('tidegate_connections{format="json"}'), 0);
      assert.equal(await gateway.metric("tidegate_subscriptions"), 0);
      assert.equal(await gateway.metric("tidegate_presence_members"), 0);
      const publisher = await connect(t, gateway.url);
      await publisher.subscribe("chat.a");
      for (const target of [{}, { users: ["ann"], connections: [publisher.connectionId] }, { recipients: [1, 2] }]) {
        const { recipients_count } = await publisher.ask("message", { channel: "chat.a", message: "?", ...target });
        assert.equal(recipients_count, 1, JSON.stringify(target));
      }
    });
  }

  it("is counted once, by what ended it", async (t) => {
    const gateway = await startTestGateway(t, { messageBytesMax: 1024 });
    const polite = await connect(t, gateway.url);
    polite.socket.close();
    const clumsy = await connect(t, gateway.url);
    clumsy.sendRaw("x".repeat(2000));
    await Promise.all([polite.close(), clumsy.close()]);
    await allClosed(gateway, 2);
    assert.equal(await gateway.metric('tidegate_connections_closed_total{reason="client"}'), 1);
    assert.equal(await gateway.metric('tidegate_connections_closed_total{reason="message_too_big"}'), 1);
    assert.equal(await gateway.metric("tidegate_connections_opened_total"), 2);
  });

  it("and whose slot has a new owner is never mistaken for it", async (t) => {
    // 1,023 fresh slots come first; after them the slots of ended connections are used again
    const gateway = await startTestGateway(t);
    const first = await connect(t, gateway.url);
    await first.subscribe("a");
    for (let opened = 1; opened < 1023; ) {
      const count = Math.min(50, 1023 - opened);
      const batch = await Promise.all(Array.from({ length: count }, () => RawClient.open(t, gateway.port)));
      opened += count;
      for (const client of batch) client.socket.destroy();
    }
    first.socket.close();
    await first.close();
    await allClosed(gateway, 1023);
    const clients = await Promise.all(Array.from({ length: 1023 }, () => RawClient.open(t, gateway.port)));
    const publisher = await connect(t, gateway.url);
    await publisher.subscribe("a");
    for (const client of clients) client.write(requestFrame("subscribe", { channel: "a" }));
    for (const client of clients) await client.next({ action: "subscribe" });
    const reply = await publisher.ask("message", { channel: "a", message: "?", connections: [first.connectionId] });
    assert.equal(reply.recipients_count, 0);
    const all = await publisher.ask("message", { channel: "a", message: "!" });
    assert.equal(all.recipients_count, 1024);
  });

  it("in the middle of a fan-out to it harms nobody", async (t) => {
    const gateway = await startTestGateway(t);
    const publisher = await connect(t, gateway.url);
    const witness = await connect(t, gateway.url);
    for (const client of [publisher, witness]) await client.subscribe("chat.a");
    const leaving = await Promise.all(Array.from({ length: 20 }, () => RawClient.open(t, gateway.port)));
    for (const client of leaving) client.write(requestFrame("subscribe", { channel: "chat.a" }));
    for (const client of leaving) await client.next({ action: "subscribe" });
    for (let i = 0; i < 400; i += 1) {
      publisher.request("message", { channel: "chat.a", message: i });
      if (i % 20 === 10) leaving[(i - 10) / 20]!.socket.resetAndDestroy();
    }
    await witness.next({ action: "message", message: 399 });
    assert.deepEqual(
      witness.of("message").map(({ message }) => message),
      Array.from({ length: 400 }, (_, i) => i),
    );
  });
});
