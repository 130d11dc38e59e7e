import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { connect } from "../support/client.ts";
import { startTestGateway } from "../support/gateway.ts";
import { stoppedClock } from "./company.ts";

const ways = { JSON: "", MessagePack: "/?format=msgpack" };

describe("A batch", () => {
  for (const [format, path] of Object.entries(ways)) {
    it(`answers each item by a frame of its own, in order, in ${format}`, async (t) => {
      const client = await connect(t, (await startTestGateway(t)).url + path);
      const items = [
        { action: "subscribe", data: { channel: "a" }, id: "s" },
        { action: "message", data: { channel: "a", message: { n: 1 }, echo: false }, id: 0 },
        { action: "ping", id: "p" },
        { action: "pong", id: "none" },
        { action: "presence", data: { channel: "presence.b" }, id: "m" },
        { action: "history", data: { channel: "a" }, id: "h" },
        { action: "unsubscribe", data: { channel: "a" } },
      ];
      client.send({ action: "batch", data: { items }, id: "batch" });
      await client.next({ action: "unsubscribe" });
      await client.settled();
      assert.deepEqual(
        client.frames.slice(1, -1).map(({ action, id }) => [action, id]),
        [
          ["subscribe", "s"],
          ["message_sent", 0],
          ["pong", "p"],
          ["presence", "m"],
          ["history", "h"],
          ["unsubscribe", undefined],
        ],
      );
      for (const frame of client.frames) assert.equal(Array.isArray(frame), false);
    });

    it(`goes on behind a bad item, in ${format}`, async (t) => {
      const client = await connect(t, (await startTestGateway(t)).url + path);
      const items = [
        null,
        "x",
        [{ action: "ping" }],
        { action: "nonsense", id: 1 },
        { action: "subscribe", data: { channel: "a b" }, id: 2 },
        { action: "message", data: { channel: "a", message: 1 }, id: 3 },
        { action: "batch", data: { items: [{ action: "ping", id: "inner" }] }, id: 4 },
        { action: "authenticate", data: {}, id: 5 },
        { action: "ping", id: 6 },
      ];
      client.send({ action: "batch", data: { items } });
      await client.next({ id: 6 });
      assert.deepEqual(
        client.frames.slice(1).map(({ id, error }) => [id, error]),
        [
          [undefined, "Invalid message format"],
          [undefined, "Invalid message format"],
          [undefined, "Invalid message format"],
          [1, "Unknown action: nonsense"],
          [2, "Invalid channel name: expected 1 to 200 bytes, words of letters, digits, _ and - joined by dots"],
          [3, "Not subscribed to channel"],
          [4, "Invalid message format: a batch inside a batch"],
          [5, "Missing required field: token"],
          [6, undefined],
        ],
      );
    });
  }

  it("is refused as a whole with more items than batchItemsMax, and taken with as many", async (t) => {
    const gateway = await startTestGateway(t, { batchItemsMax: 3 });
    const client = await connect(t, gateway.url);
    const pings = (count: number) => ({ items: Array.from({ length: count }, (_, i) => ({ action: "ping", id: i })) });
    client.request("batch", pings(4), "too many");
    assert.deepEqual(await client.next(), {
      success: false,
      action: "error",
      error: "Invalid value for required field items, expected type: array of at most 3 items",
      code: "invalid_field",
      request: "batch",
      id: "too many",
    });
    client.request("batch", pings(3));
    await client.next({ id: 2 });
    assert.equal(client.of("pong").length, 3);
    assert.equal(client.frames[0]?.limits && (client.frames[0].limits as Record<string, unknown>).batch_items_max, 3);
  });

  it("of no items has no reply", async (t) => {
    const client = await connect(t, (await startTestGateway(t)).url);
    client.request("batch", { items: [] }, 1);
    await client.settled();
    assert.equal(client.frames.length, 2);
  });

  it("costs a message for each item, the frame itself included in the first", async (t) => {
    const clock = stoppedClock(t);
    const gateway = await startTestGateway(t, { maxMessagesPerMinute: 5 });
    const client = await connect(t, gateway.url);
    const batchOf = (count: number, action = "unsubscribe") => ({
      items: Array.from({ length: count }, (_, i) => ({ action, data: { channel: "a" }, id: i })),
    });
    client.request("batch", batchOf(8));
    await client.settled();
    assert.deepEqual(
      client.of("unsubscribe").map(({ id }) => id),
      [0, 1, 2, 3, 4],
    );
    const [refusal, ...more] = client.of("error");
    assert.deepEqual(
      [refusal?.code, refusal?.id, refusal?.request, refusal?.retry_after],
      ["rate_limit", 5, "unsubscribe", 12],
    );
    assert.deepEqual(more, []);
    assert.equal(await gateway.metric("tidegate_rate_limited_total"), 3);
    clock.advance(60_000);
    client.request("batch", { items: [] });
    client.request("batch", batchOf(10, "ping"));
    await client.settled();
    client.request("batch", batchOf(4));
    await client.settled();
    assert.equal(client.of("unsubscribe").length, 5 + 3);
  });

  it("that floods closes the connection in its middle, and the rest of it is not carried out", async (t) => {
    stoppedClock(t);
    const gateway = await startTestGateway(t, { maxMessagesPerMinute: 10, floodRefusalsPerMinuteMax: 20 });
    const [client, listener] = [await connect(t, gateway.url), await connect(t, gateway.url)];
    for (const each of [client, listener]) await each.subscribe("a");
    const items = Array.from({ length: 100 }, (_, i) => ({ action: "message", data: { channel: "a", message: i } }));
    client.request("batch", { items });
    assert.equal((await client.close()).code, 4508);
    await listener.settled();
    assert.deepEqual(
      listener.of("message").map(({ message }) => message),
      [0, 1, 2, 3, 4, 5, 6, 7, 8],
    );
    assert.equal(await gateway.metric("tidegate_rate_limited_total"), 21);
  });
});
