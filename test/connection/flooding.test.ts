import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { clientFrame, RawClient, requestFrame } from "../socket/raw-client.ts";
import { connect } from "../support/client.ts";
import { startTestGateway } from "../support/gateway.ts";

const closedForFlooding = 'tidegate_connections_closed_total{reason="flooding"}';

describe("Flooding", () => {
  const settings = { maxMessagesPerMinute: 5, heartbeatsPerMinuteMax: 5, floodRefusalsPerMinuteMax: 20 };
  const floods: Record<string, (i: number) => Buffer> = {
    messages: (i) => requestFrame("message", { channel: "a", message: i }),
    heartbeats: () => requestFrame("pong"),
    "frames of one byte": () => clientFrame("x"),
    "frames of no bytes": () => clientFrame(""),
    "large frames": () => clientFrame("x".repeat(20_000)),
  };
  for (const [what, make] of Object.entries(floods)) {
    it(`with ${what} is refused, and closed with 4508 when it goes on; others notice nothing`, async (t) => {
      const gateway = await startTestGateway(t, settings);
      const bystander = await connect(t, gateway.url);
      const flooder = await RawClient.open(t, gateway.port);
      for (let i = 0; i < 500; i += 1) flooder.write(make(i));
      await flooder.over();
      const frames = flooder.frames();
      const close = frames.at(-1)!;
      assert.deepEqual([close.opcode, close.payload.readUInt16BE(0)], [8, 4508]);
      const texts = frames.filter(({ opcode }) => opcode === 1).map(({ payload }) => JSON.parse(payload.toString()));
      const limited = texts.filter(({ code }) => code === "rate_limit");
      assert.ok(limited.length >= 1 && limited.length <= 10, `${limited.length} answers to 500 frames: one a second`);
      for (const { retry_after } of limited) assert.ok(Number.isInteger(retry_after) && retry_after >= 1);
      assert.equal(await gateway.metric(closedForFlooding), 1);
      await bystander.settled();
    });
  }

  it("is forgiven where it stops in time", async (t) => {
    const gateway = await startTestGateway(t, settings);
    const client = await connect(t, gateway.url);
    for (let i = 0; i < 20; i += 1) client.request("message", { channel: "a", message: i });
    await client.settled();
    assert.equal(await gateway.metric(closedForFlooding), 0);
    assert.ok((await gateway.metric("tidegate_rate_limited_total")) >= 10);
  });

  it("never closes a connection where floodRefusalsPerMinuteMax is 0", async (t) => {
    const gateway = await startTestGateway(t, { ...settings, floodRefusalsPerMinuteMax: 0 });
    const client = await connect(t, gateway.url);
    for (let i = 0; i < 2000; i += 1) client.request("message", { channel: "a", message: i });
    await client.settled();
  });

  it("with pings of WebSocket's own is closed as well, and in measure each is answered", async (t) => {
    const gateway = await startTestGateway(t, settings);
    const bystander = await connect(t, gateway.url);
    const flooder = await RawClient.open(t, gateway.port);
    flooder.write(Buffer.concat(Array.from({ length: 25 }, () => clientFrame("", 9))));
    flooder.write(requestFrame("message", { channel: "a", message: 1 }));
    for (let pongs = 0; pongs < 25; pongs += 1) assert.equal((await flooder.frame()).opcode, 10);
    assert.equal((await flooder.json()).code, "not_subscribed");
    assert.equal(await gateway.metric("tidegate_rate_limited_total"), 20);
    for (const opcode of [9, 10]) {
      const next = opcode === 9 ? flooder : await RawClient.open(t, gateway.port);
      next.write(Buffer.concat(Array.from({ length: 20_000 }, () => clientFrame("", opcode))));
      await next.over();
      const close = next.frames().at(-1)!;
      assert.deepEqual([close.opcode, close.payload.readUInt16BE(0)], [8, 4508]);
    }
    await bystander.settled();
  });
});
