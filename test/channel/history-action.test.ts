import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { until } from "../support/child.ts";
import { connect, type Frame } from "../support/client.ts";
import { startTestGateway } from "../support/gateway.ts";
import { token } from "../support/tokens.ts";
import { msgpack, publish, without } from "./traffic.ts";

const texts = (messages: unknown): unknown[] => (messages as Frame[]).map(({ message }) => message);
const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);

describe("The history of a channel", () => {
  it("is by default the latest 100 messages of chat channels, and nothing anywhere else", async (t) => {
    const { url } = await startTestGateway(t);
    const client = await connect(t, url);
    for (const channel of ["chat.room", "news", "presence.room", "chat"]) {
      await client.subscribe(channel);
      for (let n = 1; n <= 130; n += 1) client.request("message", { channel, message: n });
      await client.settled();
      const { messages } = await client.ask("history", { channel, limit: 1000 });
      assert.deepEqual(texts(messages), channel === "chat.room" ? range(31, 130) : [], channel);
    }
  });

  it("is answered oldest first, each message with its place, as it was delivered", async (t) => {
    const { url } = await startTestGateway(t);
    for (const options of [{}, msgpack]) {
      const client = await connect(t, url, options);
      const channel = `chat.${client.connectionId}`;
      await client.subscribe(channel);
      for (const message of ["a", { b: "日本 \u2028" }]) await publish(client, channel, message);
      await client.settled();
      const delivered = client.of("message");
      assert.equal(delivered.length, 2);
      const reply = await client.ask("history", { channel });
      assert.deepEqual(without(reply, "id"), {
        success: true,
        action: "history",
        channel,
        messages: delivered,
        epoch: delivered[0]!.epoch,
      });
    }
  });

  it("has the message that was acknowledged right before", async (t) => {
    const { url } = await startTestGateway(t);
    const client = await connect(t, url);
    await client.subscribe("chat.room");
    for (let n = 1; n <= 20; n += 1) {
      const items = [
        { action: "message", data: { channel: "chat.room", message: n } },
        { action: "history", data: { channel: "chat.room", limit: 1 } },
      ];
      client.request("batch", { items });
      assert.deepEqual(texts((await client.next({ action: "history" })).messages), [n]);
    }
  });

  it("is paged with limit and before, without a gap or a double", async (t) => {
    const { url } = await startTestGateway(t);
    const client = await connect(t, url);
    await client.subscribe("chat.room");
    for (let n = 1; n <= 25; n += 1) await publish(client, "chat.room", n);
    const pages: unknown[][] = [];
    let before: unknown;
    for (;;) {
      const { messages } = await client.ask("history", { channel: "chat.room", limit: 10, before });
      if ((messages as Frame[]).length === 0) break;
      pages.unshift(texts(messages));
      before = (messages as Frame[])[0]!.offset;
    }
    assert.deepEqual(pages, [range(1, 5), range(6, 15), range(16, 25)]);
    assert.deepEqual(texts((await client.ask("history", { channel: "chat.room", limit: 0 })).messages), []);
  });

  it("is for whoever may subscribe, subscribed or not", async (t) => {
    const { url } = await startTestGateway(t, {
      channels: { "private.>": { history: { size: 10, seconds: 60 } } },
    });
    const member = await connect(t, `${url}?token=${token({ user_id: 1, channels: ["private.team"] })}`);
    const guest = await connect(t, url);
    await member.subscribe("private.team");
    await publish(member, "private.team", "secret");
    await member.ask("unsubscribe", { channel: "private.team" });
    assert.deepEqual(texts((await member.ask("history", { channel: "private.team" })).messages), ["secret"]);
    assert.deepEqual(without(await guest.ask("history", { channel: "private.team" }), "id"), {
      success: false,
      action: "error",
      error: "Not allowed on channel private.team",
      code: "unauthenticated",
      request: "history",
      channel: "private.team",
    });
  });

  it("forgets a message after the policy's seconds", async (t) => {
    const gateway = await startTestGateway(t, { channels: { "chat.>": { history: { size: 10, seconds: 1 } } } });
    const client = await connect(t, gateway.url);
    await client.subscribe("chat.room");
    await publish(client, "chat.room", "hello");
    assert.equal(await gateway.metric("tidegate_history_messages"), 1);
    await until(
      async () => (await gateway.metric("tidegate_history_messages")) === 0,
      () => "the message is still kept",
    );
    assert.deepEqual((await client.ask("history", { channel: "chat.room" })).messages, []);
  });
});

describe("The history option of a subscribe", () => {
  it("replays the latest messages, as many as asked for, flagged, between the reply and the live ones", async (t) => {
    const { url } = await startTestGateway(t);
    const publisher = await connect(t, url);
    await publisher.subscribe("chat.room");
    for (let n = 1; n <= 5; n += 1) await publish(publisher, "chat.room", n);
    for (const [live, options] of [
      ["live in JSON", {}],
      ["live in MessagePack", msgpack],
    ] as const) {
      const client = await connect(t, url, options);
      await publish(publisher, "chat.room", "last");
      await client.subscribe("chat.room", { history: 3 });
      await publish(publisher, "chat.room", live);
      await client.next({ message: live });
      const seen = client.frames.slice(1).map(({ action, message, replayed }) => [action, message, replayed]);
      assert.equal(seen[0]![0], "subscribe");
      assert.deepEqual(
        seen.slice(1, 4).map(([, , replayed]) => replayed),
        [true, true, true],
      );
      assert.deepEqual(seen[3], ["message", "last", true]);
      assert.deepEqual(seen[4], ["message", live, undefined]);
      assert.equal(seen.length, 5);
    }
  });

  it("replays what there is where more is asked for, and nothing for 0 or without history", async (t) => {
    const { url } = await startTestGateway(t);
    const publisher = await connect(t, url);
    for (const channel of ["chat.room", "news"]) {
      await publisher.subscribe(channel);
      for (let n = 1; n <= 3; n += 1) await publish(publisher, channel, n);
    }
    const replayedFor = async (channel: string, options: object): Promise<unknown[]> => {
      const client = await connect(t, url);
      const reply = await client.subscribe(channel, options);
      assert.equal("recovered" in reply, false);
      await client.settled();
      return texts(client.of("message"));
    };
    assert.deepEqual(await replayedFor("chat.room", { history: 1_000_000 }), [1, 2, 3]);
    assert.deepEqual(await replayedFor("chat.room", { history: 0 }), []);
    assert.deepEqual(await replayedFor("chat.room", {}), []);
    assert.deepEqual(await replayedFor("news", { history: 10 }), []);
  });

  it("never replays more bytes than half a send queue, whatever alphabet they are written in", async (t) => {
    const { url } = await startTestGateway(t, { sendQueueBytesMax: 262_144 });
    const publisher = await connect(t, url);
    for (const [channel, letter] of [
      ["chat.latin", "a"],
      ["chat.kanji", "日"],
    ] as const) {
      await publisher.subscribe(channel);
      const message = letter.repeat(Math.floor(30_000 / Buffer.byteLength(letter)));
      for (let n = 1; n <= 12; n += 1) await publish(publisher, channel, message);
      const client = await connect(t, url);
      let replayedBytes = 0;
      client.socket.on("message", (data: Buffer) => {
        if (data.includes('"replayed":true')) replayedBytes += data.length;
      });
      await client.subscribe(channel, { history: 100 });
      await client.settled();
      assert.equal(replayedBytes <= 131_072, true, `${channel}: ${replayedBytes} bytes`);
      assert.equal(client.of("message").length, 4);
    }
  });
});
