import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { connect } from "../support/client.ts";
import { startTestGateway } from "../support/gateway.ts";
import { token } from "../support/tokens.ts";

const ways = { JSON: "", MessagePack: "/?format=msgpack" };
const requests = {
  subscribe: { channel: "a" },
  message: { channel: "a", message: "Hi", echo: false },
  history: { channel: "chat.a" },
  presence: { channel: "presence.a" },
  unsubscribe: { channel: "a" },
  authenticate: { token: token({ user_id: 1 }) },
  ping: undefined,
};

describe("Replies", () => {
  for (const [format, path] of Object.entries(ways)) {
    it(`echo the id as it was sent, a number or a string, in ${format}`, async (t) => {
      const client = await connect(t, (await startTestGateway(t)).url + path);
      for (const id of [0, 1, -7, 1.5, 2 ** 53, "", "0", "r-1", 'x"}', "é😀", "\u0000", "x".repeat(1000)])
        for (const [action, data] of Object.entries(requests)) {
          client.request(action, data, id);
          const reply = await client.next();
          assert.equal(reply.id, id);
          assert.equal(reply.action, { message: "message_sent", ping: "pong" }[action] ?? action);
        }
    });

    it(`echo the id in refusals, in ${format}`, async (t) => {
      const client = await connect(t, (await startTestGateway(t)).url + path);
      for (const id of [0, 7, "", "r-1"])
        for (const [action, data] of [
          ["message", { channel: "a", message: 1 }],
          ["subscribe", {}],
          ["nonsense", {}],
          ["history", { channel: "" }],
        ] as const) {
          client.request(action, data, id);
          const reply = await client.next();
          assert.deepEqual([reply.action, reply.success, reply.id], ["error", false, id]);
        }
    });

    it(`have no id where the request had none, or one that is neither, in ${format}`, async (t) => {
      const client = await connect(t, (await startTestGateway(t)).url + path);
      for (const id of [null, true, [], [1], {}])
        for (const [action, data] of Object.entries({ ...requests, nonsense: {} })) {
          client.send(JSON.parse(JSON.stringify({ action, data, id })));
          assert.equal("id" in (await client.next()), false);
          client.send(JSON.parse(JSON.stringify({ action, data })));
          assert.equal("id" in (await client.next()), false);
        }
    });
  }

  it("to subscribe, unsubscribe and ping have the guide's fields and no others", async (t) => {
    const client = await connect(t, (await startTestGateway(t)).url);
    client.sendRaw('{"action":"subscribe","data":{"channel":"room.1"}}');
    assert.deepEqual(await client.next(), { success: true, action: "subscribe", channel: "room.1" });
    client.sendRaw('{"action":"unsubscribe","data":{"channel":"room.1"}}');
    assert.deepEqual(await client.next(), { success: true, action: "unsubscribe", channel: "room.1" });
    client.sendRaw('{"action":"ping"}');
    const { time, ...pong } = await client.next();
    assert.deepEqual(pong, { action: "pong" });
    assert.equal(Number.isInteger(time), true);
  });

  it("to authenticate tell who the connection is now", async (t) => {
    const client = await connect(t, (await startTestGateway(t)).url);
    client.request("authenticate", { token: token({ user_id: 7, role: "admin" }) });
    const { expires_in, ...reply } = await client.next();
    assert.deepEqual(reply, { success: true, action: "authenticate", authenticated: true, user_id: 7, role: "admin" });
    assert.equal(Number.isInteger(expires_in) && (expires_in as number) <= 3600, true);
  });

  it("to pong there are none, whatever it carries", async (t) => {
    const client = await connect(t, (await startTestGateway(t)).url);
    for (const frame of [
      '{"action":"pong"}',
      '{"action":"pong","id":1}',
      '{"action":"pong","data":{"time":5}}',
      '{"action":"pong","data":null}',
    ])
      client.sendRaw(frame);
    await client.settled();
    assert.equal(client.frames.length, 2);
  });
});
