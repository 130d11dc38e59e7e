/**
 * The client before gateways of other releases: a real one, with more in its frames and more frames than the client knows,
 * or which knows one subprotocol alone.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { describe, it, type TestContext } from "node:test";
import WebSocket, { WebSocketServer } from "ws";
import { startTestGateway } from "../support/gateway.ts";
import { have, startClient, valuesOf } from "./clients.ts";

/** Between all frames, also those of a replay, and of a batch's replies. */
const unknownFrames = [
  { action: "weather", channel: "chat.x", forecast: { sun: true } },
  { action: "message_edited", channel: "chat.x", offset: "0", message: "other" },
  { success: true, action: "announced" },
  { action: "__proto__" },
  { action: "constructor" },
  { action: "toString", channel: "chat.x" },
  { action: 7 },
  { kind: "not even an action" },
  {},
];

describe("The client, against a later release's gateway", () => {
  it("passes over frames and fields that it does not know, in a replay as well", async (t) => {
    const gateway = await startTestGateway(t);
    const later = await startOther(t, gateway.url, (frame) => [...unknownFrames, { ...frame, novelty: { of: [1] } }]);
    const [ann, ben] = [startClient(t, later), startClient(t, gateway)];
    const errors: unknown[] = [];
    const gaps: unknown[] = [];
    ann.on("error", (error) => errors.push(error));
    ann.on("gap", (gap) => gaps.push(gap));
    const frames: unknown[] = [];
    ann.on("frame", ({ action }) => frames.push(action));
    const room = ann.subscribe("chat.x");
    const heard = valuesOf(room);
    await room.ready;
    assert.equal(ann.welcome?.protocol, 1);
    assert.equal((await room.publish("one")).recipients_count, 1);
    await have(heard, 1);

    const other = ben.subscribe("chat.x");
    await other.ready;
    await ann.sockets.cut();
    for (const text of ["two", "three", "four"]) await other.publish(text);
    await have(heard, 4);
    const outcomes = await ann.batch([
      { action: "history", channel: "chat.x" },
      { action: "presence", channel: "presence.x" },
    ]);
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ["fulfilled", "fulfilled"],
    );
    await ann.sockets.cut();
    await other.publish("five");
    await have(heard, 5);
    assert.deepEqual(heard, ["one", "two", "three", "four", "five"]);
    assert.deepEqual(gaps, []);
    assert.ok(
      errors.every((error) => (error as { code: string }).code === "connection"),
      `${errors}`,
    );
    assert.ok(frames.includes("weather"), "they came, and a program that listens to all frames sees them");
  });
});

describe("The client, against a gateway that knows no batches", () => {
  it("speaks the plain encoding, which it offers behind the other one", async (t) => {
    const gateway = await startTestGateway(t);
    const older = await startOther(t, gateway.url, (frame) => [frame]);
    const client = startClient(t, older);
    const room = client.subscribe("chat.x");
    const heard = valuesOf(room);
    await room.publish("one");
    await have(heard, 1);
    assert.equal(client.sockets.all[0]!.protocol, "tidegate.json.v1");
  });
});

/** Passes frames on both ways; each of the gateway's as what `extend` makes of it. */
async function startOther(
  t: TestContext,
  gatewayUrl: string,
  extend: (frame: Record<string, unknown>) => readonly unknown[],
): Promise<{ readonly url: string }> {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0, handleProtocols: () => "tidegate.json.v1" });
  await once(server, "listening");
  server.on("connection", (client) => {
    const gateway = new WebSocket(gatewayUrl, ["tidegate.json.v1"]);
    const early: Buffer[] = [];
    client.on("message", (data: Buffer) => {
      if (gateway.readyState === WebSocket.OPEN) gateway.send(data.toString());
      else early.push(data);
    });
    gateway.on("open", () => {
      for (const data of early) gateway.send(data.toString());
    });
    gateway.on("message", (data: Buffer) => {
      for (const frame of extend(JSON.parse(data.toString()))) client.send(JSON.stringify(frame));
    });
    client.on("close", () => gateway.terminate());
    gateway.on("close", () => client.terminate());
    gateway.on("error", () => {});
  });
  t.after(() => {
    for (const client of server.clients) client.terminate();
    server.close();
  });
  return { url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}` };
}
