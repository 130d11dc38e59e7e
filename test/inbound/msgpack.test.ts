import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Packr } from "msgpackr";
import { publication } from "../protocol/wire.ts";
import { connect } from "../support/client.ts";
import { startTestGateway } from "../support/gateway.ts";
import { bystanders } from "./company.ts";

const ways = {
  "the subprotocol tidegate.msgpack.v1": { path: "", subprotocols: ["tidegate.msgpack.v1"] },
  "?format=msgpack": { path: "/?format=msgpack", subprotocols: [] },
};

describe("A MessagePack connection", () => {
  for (const [name, { path, subprotocols }] of Object.entries(ways))
    it(`by ${name} gets every frame as binary, with the objects that JSON would hold`, async (t) => {
      const gateway = await startTestGateway(t);
      const client = await connect(t, gateway.url + path, { subprotocols });
      const kinds: boolean[] = [];
      client.socket.on("message", (_, isBinary) => kinds.push(isBinary));
      assert.equal(client.socket.protocol, subprotocols[0] ?? "");
      const { action, connection_id, authenticated, heartbeat_interval } = client.frames[0]!;
      assert.deepEqual([action, connection_id, authenticated, heartbeat_interval], ["welcome", 1, false, 30]);
      await client.subscribe("chat.a");
      assert.equal(
        (await client.ask("message", { channel: "chat.a", message: { a: [1, "é", null] } })).recipients_count,
        1,
      );
      const message = client.of("message")[0] ?? (await client.next({ action: "message" }));
      assert.deepEqual(message.message, { a: [1, "é", null] });
      const { messages } = await client.ask("history", { channel: "chat.a" });
      assert.deepEqual(
        (messages as { message: unknown }[]).map((entry) => entry.message),
        [{ a: [1, "é", null] }],
      );
      await client.ask("presence", { channel: "presence.a" });
      await client.ask("nonsense");
      await client.settled();
      assert.equal(kinds.length, client.frames.length - 1);
      assert.equal(kinds.every(Boolean), true);
    });

  it("shares channels with JSON connections: each gets the same message in its own encoding", async (t) => {
    const gateway = await startTestGateway(t);
    const packed = await connect(t, `${gateway.url}/?format=msgpack`);
    const text = await connect(t, gateway.url);
    const clients = [packed, text];
    for (const client of clients) await client.subscribe("a");
    const values = ["", "é😀", "x".repeat(20_000), 0, -1, 1.5, 2 ** 53, 1e300, true, null, [], {}, [{ a: [{}] }]];
    for (const sender of clients)
      for (const value of values) {
        assert.equal((await sender.ask("message", { channel: "a", message: value })).recipients_count, 2);
        const [first, second] = [await packed.next({ action: "message" }), await text.next({ action: "message" })];
        assert.deepEqual(first, second);
        assert.deepEqual([first.message, first.sender], [value, sender.connectionId]);
      }
    const target = { connections: [packed.connectionId, text.connectionId] };
    text.request("message", { channel: "a", message: "for both", ...target });
    for (const client of clients) assert.equal((await client.next({ action: "message" })).message, "for both");
    packed.request("message", { channel: "a", message: "not for me", echo: false });
    assert.equal((await text.next({ action: "message" })).message, "not for me");
    await packed.settled();
    assert.equal(packed.of("message").length, 2 * values.length + 1);
  });

  it("refuses a text frame, whatever it holds, and stays", async (t) => {
    const client = await connect(t, `${(await startTestGateway(t)).url}/?format=msgpack`);
    for (const text of ['{"action":"ping"}', "", "x"]) {
      client.sendRaw(text);
      const refusal = await client.next();
      assert.deepEqual(refusal, {
        success: false,
        action: "error",
        error: "Invalid message format",
        code: "invalid_message",
      });
    }
    await client.settled();
  });

  it("refuses values that JSON has no form for, and takes absent ones as absent", async (t) => {
    const gateway = await startTestGateway(t);
    const client = await connect(t, `${gateway.url}/?format=msgpack`);
    await client.subscribe("a");
    for (const message of [new Date(0), Buffer.from("b"), Number.NaN, undefined, [undefined], { at: new Date(1.5) }]) {
      const reply = await client.ask("message", { channel: "a", message });
      assert.equal(reply.code, message === undefined ? "missing_field" : "invalid_field");
    }
    const reply = await client.ask("message", {
      channel: "a",
      message: 1,
      key: undefined,
      recipients: undefined,
      echo: undefined,
    });
    assert.equal(reply.success, true);
  });

  it("refuses what msgpackr writes beyond MessagePack, by all its options, and stays", async (t) => {
    const client = await connect(t, `${(await startTestGateway(t)).url}/?format=msgpack`);
    const shared = { action: "ping", more: "more" };
    const frame = {
      action: "batch",
      data: { items: [shared, shared, { action: "ping", more: "more", id: 10n ** 30n }] },
    };
    for (const options of [{ useRecords: true }, { structuredClone: true, moreTypes: true }, { bundleStrings: true }]) {
      const given = "useRecords" in options ? options : { useRecords: false, ...options };
      client.sendRaw(new Packr({ useBigIntExtension: true, ...given }).pack(frame));
      assert.equal((await client.next()).code, "invalid_message");
    }
    await client.settled();
  });
});

describe("Messages that were made to harm a MessagePack subscriber", () => {
  it("arrive as plain data where their keys name methods, and end nothing", async (t) => {
    const gateway = await startTestGateway(t);
    const others = await bystanders(t, gateway);
    const [sender, listener] = [await connect(t, gateway.url), await connect(t, `${gateway.url}/?format=msgpack`)];
    for (const client of [sender, listener]) await client.subscribe("a");
    const messages = [
      '{"constructor":1,"toJSON":1}',
      '[{"toJSON":{"toJSON":2},"constructor":{"name":"Map"}}]',
      '{"hasOwnProperty":1,"length":3}',
    ];
    for (const message of messages) {
      sender.sendRaw(`{"action":"message","data":{"channel":"a","message":${message}}}`);
      assert.equal(JSON.stringify((await listener.next({ action: "message" })).message), message);
    }
    await others.stop();
  });

  it("arrive as well-formed UTF-8 where they hold lone surrogates", async (t) => {
    const gateway = await startTestGateway(t);
    const [sender, listener] = [await connect(t, gateway.url), await connect(t, `${gateway.url}/?format=msgpack`)];
    for (const client of [sender, listener]) await client.subscribe("a");
    const raw: Buffer[] = [];
    listener.socket.on("message", (data: Buffer) => raw.push(data));
    sender.sendRaw('{"action":"message","data":{"channel":"a","message":"<\\ud800>"}}');
    assert.equal((await listener.next({ action: "message" })).message, "<\ufffd>");
    assert.equal(raw.at(-1)?.includes(Buffer.from("<\ufffd>")), true);
    assert.equal((await sender.next({ action: "message" })).message, "<\ud800>");
  });

  it("do not unfold: a small frame never becomes a large one", async (t) => {
    const gateway = await startTestGateway(t);
    const others = await bystanders(t, gateway);
    const client = await connect(t, `${gateway.url}/?format=msgpack`);
    await client.subscribe("a");
    const key = "k".repeat(30_000);
    const length = (count: number) => count.toString(16).padStart(4, "0");
    const records = `dc ${length(14_001)} d4 72 40 91 da ${length(key.length)} ${Buffer.from(key).toString("hex")} 00 ${"4000".repeat(14_000)}`;
    const reference = (i: number) =>
      `d6 69 000000${i.toString(16).padStart(2, "0")} 92 ${`d6 70 000000${(i - 1).toString(16).padStart(2, "0")}`.repeat(2)}`;
    const references = `dc 0017 d6 69 00000001 90 ${Array.from({ length: 22 }, (_, i) => reference(i + 2)).join("")}`;
    for (const hostile of [records, references]) {
      client.sendRaw(publication(hostile));
      assert.equal((await client.next()).code, "invalid_message");
    }
    assert.equal((await gateway.metric("tidegate_sent_bytes_total")) < 1_000_000, true);
    await others.stop();
  });
});
