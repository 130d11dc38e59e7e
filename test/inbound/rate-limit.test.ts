import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { until } from "../support/child.ts";
import { connect, type TestClient } from "../support/client.ts";
import { startTestGateway } from "../support/gateway.ts";
import { codesOf, stoppedClock } from "./company.ts";

const text = "Rate limit exceeded. Please slow down.";

/** Sends `count` requests that are answered, refused or counted, and waits until all of them are handled. */
async function send(client: TestClient, count: number, action = "unsubscribe"): Promise<void> {
  for (let i = 0; i < count; i += 1) client.request(action, { channel: "a" });
  await client.settled();
}
const accepted = (client: TestClient): number => client.of("unsubscribe").length;

describe("The rate limit of a connection", () => {
  it("takes maxMessagesPerMinute at once, and answers the next message with the guide's text", async (t) => {
    stoppedClock(t);
    const client = await connect(t, (await startTestGateway(t, { maxMessagesPerMinute: 60 })).url);
    await client.subscribe("a");
    for (let i = 2; i <= 61; i += 1) client.request("message", { channel: "a", message: i }, i);
    const refusal = await client.next({ action: "error" });
    assert.deepEqual(refusal, {
      success: false,
      action: "error",
      error: text,
      code: "rate_limit",
      request: "message",
      channel: "a",
      id: 61,
      retry_after: 1,
    });
    await client.settled();
    assert.deepEqual(
      client.of("message_sent").map(({ id }) => id),
      Array.from({ length: 59 }, (_, i) => i + 2),
    );
    await until(
      () => client.of("message").length >= 59,
      () => `${client.of("message").length} of 59 messages came`,
    );
    assert.equal(client.of("message").length, 59);
  });

  it("is filled again at maxMessagesPerMinute, and never beyond", async (t) => {
    const clock = stoppedClock(t);
    const client = await connect(t, (await startTestGateway(t, { maxMessagesPerMinute: 60 })).url);
    await send(client, 61);
    assert.equal(accepted(client), 60);
    clock.advance(999);
    await send(client, 1);
    assert.equal(accepted(client), 60);
    clock.advance(1);
    await send(client, 2);
    assert.equal(accepted(client), 61);
    clock.advance(30_000);
    await send(client, 40);
    assert.equal(accepted(client), 91);
    clock.advance(3_600_000);
    await send(client, 70);
    assert.equal(accepted(client), 151);
  });

  it("gives every whole number a minute, the first time and each time after", async (t) => {
    const clock = stoppedClock(t);
    for (const maxMessagesPerMinute of [1, 7, 11, 59]) {
      const client = await connect(t, (await startTestGateway(t, { maxMessagesPerMinute })).url);
      for (let minute = 1; minute <= 3; minute += 1) {
        await send(client, maxMessagesPerMinute + 1);
        assert.equal(accepted(client), minute * maxMessagesPerMinute);
        clock.advance(60_000);
      }
    }
  });

  it("tells in retry_after the seconds until the next message is accepted: not one less, not one more", async (t) => {
    const clock = stoppedClock(t);
    const client = await connect(t, (await startTestGateway(t, { maxMessagesPerMinute: 6 })).url);
    await send(client, 7);
    assert.deepEqual(client.of("error").at(-1)?.retry_after, 10);
    clock.advance(3500);
    await send(client, 1);
    assert.deepEqual(client.of("error").at(-1)?.retry_after, 7);
    clock.advance(6000);
    await send(client, 1);
    assert.deepEqual(client.of("error").at(-1)?.retry_after, 1);
    assert.equal(accepted(client), 6);
    clock.advance(1000);
    await send(client, 1);
    assert.equal(accepted(client), 7);
  });

  it("is paid by every frame but pings and pongs, also by those that are refused for something else", async (t) => {
    stoppedClock(t);
    const client = await connect(t, (await startTestGateway(t, { maxMessagesPerMinute: 9 })).url);
    for (const action of ["subscribe", "unsubscribe", "message", "presence", "history", "authenticate", "nonsense"])
      client.request(action, { channel: "a" });
    client.sendRaw("no JSON");
    client.sendRaw("[]");
    await client.settled();
    assert.equal(codesOf(client).includes("rate_limit"), false);
    await send(client, 1);
    assert.equal(codesOf(client).at(-1), "rate_limit");
  });

  it("is not touched by pings and pongs, which have a limit of their own", async (t) => {
    stoppedClock(t);
    const settings = { maxMessagesPerMinute: 1, heartbeatsPerMinuteMax: 50 };
    const client = await connect(t, (await startTestGateway(t, settings)).url);
    for (let i = 0; i < 20; i += 1) {
      client.request("ping", undefined, i);
      client.sendRaw('{"action":"pong"}');
    }
    assert.equal((await client.ask("unsubscribe", { channel: "a" })).success, true);
    for (let i = 40; i < 60; i += 1) client.request("ping", undefined, i);
    const refusal = await client.next({ action: "error" });
    assert.deepEqual(refusal, {
      success: false,
      action: "error",
      error: text,
      code: "rate_limit",
      request: "ping",
      id: 50,
      retry_after: 2,
    });
    assert.equal(client.of("pong").length, 30);
  });

  it("limits nothing where it is 0", async (t) => {
    stoppedClock(t);
    const client = await connect(
      t,
      (await startTestGateway(t, { maxMessagesPerMinute: 0, heartbeatsPerMinuteMax: 0 })).url,
    );
    await send(client, 1000);
    await send(client, 1000, "ping");
    assert.equal(accepted(client), 1000);
    assert.equal(client.of("pong").length, 1002);
  });

  it("is each connection's own", async (t) => {
    stoppedClock(t);
    const { url } = await startTestGateway(t, { maxMessagesPerMinute: 3 });
    const [first, second] = [await connect(t, url), await connect(t, url)];
    await send(first, 10);
    await send(second, 3);
    assert.deepEqual([accepted(first), accepted(second)], [3, 3]);
    assert.deepEqual(codesOf(second), []);
  });
});

describe("Refusals over a rate limit", () => {
  it("are told at most once a second, and counted all", async (t) => {
    const clock = stoppedClock(t);
    const gateway = await startTestGateway(t, { maxMessagesPerMinute: 1 });
    const client = await connect(t, gateway.url);
    await send(client, 51);
    assert.deepEqual(codesOf(client), ["rate_limit"]);
    clock.advance(999);
    await send(client, 10);
    assert.deepEqual(codesOf(client), ["rate_limit"]);
    clock.advance(1);
    await send(client, 10);
    assert.deepEqual(codesOf(client), ["rate_limit", "rate_limit"]);
    assert.equal(await gateway.metric("tidegate_rate_limited_total"), 70);
    assert.equal(await gateway.metric('tidegate_refusals_total{code="rate_limit"}'), 2);
    assert.equal(accepted(client), 1);
  });

  it("are told at most once a second where it is a channel's own rate, too", async (t) => {
    const clock = stoppedClock(t);
    const gateway = await startTestGateway(t, { channels: { "slow.>": { rate: 2 } }, floodRefusalsPerMinuteMax: 20 });
    const client = await connect(t, gateway.url);
    await client.subscribe("slow.a");
    const publish = async (count: number): Promise<void> => {
      for (let i = 0; i < count; i += 1) client.request("message", { channel: "slow.a", message: i }, `m${i}`);
      await client.settled();
    };
    await publish(12);
    const [refusal, ...more] = client.of("error");
    assert.deepEqual(refusal, {
      ...{ success: false, action: "error", error: text, code: "rate_limit" },
      ...{ request: "message", channel: "slow.a", id: "m2", retry_after: 30 },
    });
    assert.deepEqual(more, []);
    assert.equal(client.of("message_sent").length, 2);
    clock.advance(1000);
    await publish(1);
    assert.equal(client.of("error").length, 2);
    assert.equal(await gateway.metric("tidegate_rate_limited_total"), 11);
    for (let i = 0; i < 20; i += 1) client.request("message", { channel: "slow.a", message: i });
    assert.equal((await client.close()).code, 4508);
  });

  it("close a connection with 4508 when they go on, and no other one", async (t) => {
    const clock = stoppedClock(t);
    const gateway = await startTestGateway(t, { maxMessagesPerMinute: 1, floodRefusalsPerMinuteMax: 30 });
    const [flooding, other] = [await connect(t, gateway.url), await connect(t, gateway.url)];
    await send(flooding, 31);
    clock.advance(20_000); // ten of the thirty refusals are forgotten
    await send(flooding, 10);
    assert.equal(flooding.closed, undefined);
    for (let i = 0; i < 500; i += 1) flooding.request("unsubscribe", { channel: "a" });
    assert.deepEqual(await flooding.close(), { code: 4508, reason: "flooding: slow down before you return" });
    assert.equal(accepted(flooding), 1);
    assert.equal(await gateway.metric('tidegate_connections_closed_total{reason="flooding"}'), 1);
    assert.equal((await other.ask("unsubscribe", { channel: "a" })).success, true);
  });

  it("close nothing where floodRefusalsPerMinuteMax is 0", async (t) => {
    stoppedClock(t);
    const settings = { maxMessagesPerMinute: 1, floodRefusalsPerMinuteMax: 0 };
    const client = await connect(t, (await startTestGateway(t, settings)).url);
    await send(client, 3000);
    assert.deepEqual(codesOf(client), ["rate_limit"]);
  });

  it("name no request where the frame is too large to be read before it is paid for", async (t) => {
    stoppedClock(t);
    const client = await connect(t, (await startTestGateway(t, { maxMessagesPerMinute: 1 })).url);
    await send(client, 1);
    client.request("message", { channel: "a", message: "x".repeat(200) }, "large");
    const refusal = await client.next({ action: "error" });
    assert.deepEqual(refusal, { success: false, action: "error", error: text, code: "rate_limit", retry_after: 60 });
  });
});

describe("The limit of bytes a second", () => {
  const frameOf = (bytes: number): string => {
    const frame = (filler: string) => `{"action":"unsubscribe","data":{"channel":"a"},"x":"${filler}"}`;
    return frame("x".repeat(bytes - frame("").length));
  };
  const settings = { bytesPerSecondMax: 1024, messageBytesMax: 1024, heartbeatsPerMinuteMax: 0 };

  it("takes a second's bytes at once, and is filled by the second", async (t) => {
    const clock = stoppedClock(t);
    const client = await connect(t, (await startTestGateway(t, settings)).url);
    for (let i = 0; i < 3; i += 1) client.sendRaw(frameOf(500));
    const refusal = await client.next({ action: "error" });
    assert.deepEqual(refusal, { success: false, action: "error", error: text, code: "rate_limit", retry_after: 1 });
    assert.equal(accepted(client), 2);
    clock.advance(1000);
    for (let i = 0; i < 2; i += 1) client.sendRaw(frameOf(500));
    await client.next({ action: "unsubscribe" });
    await client.next({ action: "unsubscribe" });
    clock.advance(1000);
    client.sendRaw(frameOf(1024));
    await client.next({ action: "unsubscribe" });
    assert.equal(client.of("error").length, 1);
  });

  it("lets the largest message pass, also where that is more than a second's bytes", async (t) => {
    const clock = stoppedClock(t);
    const large = { bytesPerSecondMax: 1024, messageBytesMax: 10_240 };
    const client = await connect(t, (await startTestGateway(t, large)).url);
    client.sendRaw(frameOf(10_240));
    await client.next({ action: "unsubscribe" });
    client.sendRaw(frameOf(10_240));
    assert.equal((await client.next({ action: "error" })).retry_after, 10);
    clock.advance(9999);
    client.sendRaw(frameOf(10_240));
    assert.equal((await client.next({ action: "error" })).retry_after, 1);
    clock.advance(1);
    client.sendRaw(frameOf(10_240));
    await client.next({ action: "unsubscribe" });
  });

  it("is paid by pings, too", async (t) => {
    stoppedClock(t);
    const client = await connect(t, (await startTestGateway(t, settings)).url);
    for (let i = 0; i < 100; i += 1) client.sendRaw('{"action":"ping"}');
    assert.equal((await client.next({ action: "error" })).code, "rate_limit");
    assert.equal(client.of("pong").length, Math.floor(1024 / 17));
  });

  it("goes together with the limit of messages: a refusal costs neither, and tells the longer wait", async (t) => {
    const clock = stoppedClock(t);
    const client = await connect(t, (await startTestGateway(t, { ...settings, maxMessagesPerMinute: 2 })).url);
    const refusedFor = async (): Promise<unknown> => (await client.next({ action: "error" })).retry_after;
    for (let i = 0; i < 3; i += 1) client.sendRaw(frameOf(500)); // the third has neither its bytes nor a message left
    assert.equal(await refusedFor(), 30);
    clock.advance(29_500);
    for (let i = 0; i < 5; i += 1) client.sendRaw(frameOf(1000)); // no message is left yet, so no bytes are spent
    assert.equal(await refusedFor(), 1);
    clock.advance(500);
    client.sendRaw(frameOf(1000));
    await client.next({ action: "unsubscribe" });
    clock.advance(1000);
    client.sendRaw(frameOf(1000));
    assert.equal(await refusedFor(), 29);
    assert.equal(accepted(client), 3);
  });
});
