import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setTimeout } from "node:timers/promises";
import { connect } from "../support/client.ts";
import { startTestGateway } from "../support/gateway.ts";

const payload = "x".repeat(60_000);
const messages = 400; // 24 MB: more than the kernel and the queue take together

describe("A consumer that does not read", () => {
  it("is closed and counted, and costs the other subscribers nothing", async (t) => {
    const gateway = await startTestGateway(t, { channels: { "news.>": { history: { size: 10, seconds: 60 } } } });
    const [publisher, reader, stalled] = [
      await connect(t, gateway.url),
      await connect(t, gateway.url),
      await connect(t, gateway.url),
    ];
    for (const client of [publisher, reader, stalled]) await client.subscribe("news.today");
    stalled.socket.pause();
    for (let i = 0; i < messages; i += 1)
      await publisher.ask("message", { channel: "news.today", message: { i, payload }, echo: false });
    await reader.settled();
    assert.deepEqual(
      reader.of("message").map(({ message }) => (message as { i: number }).i),
      Array.from({ length: messages }, (_, i) => i),
    );
    while ((await gateway.metric('tidegate_connections{format="json"}')) > 2) await setTimeout(50); // its grace to read
    assert.equal(await gateway.metric('tidegate_connections_closed_total{reason="slow_consumer"}'), 1);
    stalled.socket.resume();
    assert.ok([4002, 1006].includes((await stalled.close()).code));
    const got = stalled.of("message").map(({ message }) => (message as { i: number }).i);
    assert.deepEqual(
      got,
      Array.from({ length: got.length }, (_, i) => i),
      "what it got is a beginning without a hole",
    );
    assert.ok(got.length < messages);
  });

  it("recovers what it missed, as far as the channel's history reaches", async (t) => {
    const gateway = await startTestGateway(t, { channels: { "news.>": { history: { size: 1000, seconds: 60 } } } });
    const [publisher, stalled] = [await connect(t, gateway.url), await connect(t, gateway.url)];
    for (const client of [publisher, stalled]) await client.subscribe("news.today");
    stalled.socket.pause();
    for (let i = 0; i < messages; i += 1)
      await publisher.ask("message", { channel: "news.today", message: { i, payload }, echo: false });
    stalled.socket.resume();
    await stalled.close();
    const last = stalled.of("message").at(-1)!;
    const back = await connect(t, gateway.url);
    const reply = await back.subscribe("news.today", { since: { offset: last.offset, epoch: last.epoch } });
    assert.equal(reply.recovered, false, "24 MB are beyond what a channel keeps, and the client is told so");
    const fresh = await connect(t, gateway.url);
    const { offset, epoch } = await fresh.subscribe("news.today");
    fresh.socket.terminate();
    await publisher.ask("message", { channel: "news.today", message: "later" });
    const again = await connect(t, gateway.url);
    assert.equal((await again.subscribe("news.today", { since: { offset, epoch } })).recovered, true);
    assert.equal((await again.next({ action: "message" })).message, "later");
  });
});
