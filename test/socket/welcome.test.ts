import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { connect } from "../support/client.ts";
import { startTestGateway } from "../support/gateway.ts";
import { token } from "../support/tokens.ts";

describe("The welcome frame", () => {
  const settings = {
    heartbeatInterval: 25,
    maxMessagesPerMinute: 70,
    messageBytesMax: 5000,
    batchItemsMax: 7,
    channelsPerConnectionMax: 9,
  };
  const limits = { messages_per_minute: 70, message_bytes_max: 5000, batch_items_max: 7, channels_max: 9 };

  for (const format of ["json", "msgpack"]) {
    it(`of an anonymous client holds these fields and no others, in ${format}`, async (t) => {
      const gateway = await startTestGateway(t, settings);
      const client = await connect(t, `${gateway.url}/?format=${format}`);
      const { session, node, ...rest } = client.frames[0]!;
      assert.deepEqual(rest, {
        action: "welcome",
        protocol: 1,
        heartbeat_interval: 25,
        connection_id: 1,
        authenticated: false,
        limits,
      });
      assert.match(String(node), /^[\w-]{4,}$/);
      assert.match(String(session), /^[\w.-]{4,}$/);
    });
  }

  it("of an authenticated client says as whom, and for how long", async (t) => {
    const gateway = await startTestGateway(t, settings);
    const before = Math.floor(Date.now() / 1000);
    const client = await connect(
      t,
      `${gateway.url}/?token=${token({ user_id: 42, role: "admin", exp: before + 900 })}`,
    );
    const after = Math.floor(Date.now() / 1000);
    const { session, node, expires_in, ...rest } = client.frames[0]!;
    assert.deepEqual(rest, {
      action: "welcome",
      protocol: 1,
      heartbeat_interval: 25,
      connection_id: 1,
      authenticated: true,
      user_id: 42,
      role: "admin",
      limits,
    });
    assert.ok(Number(expires_in) <= 900 && Number(expires_in) >= 900 - (after - before), `${expires_in}`);
  });

  it("keeps the type of the user id: a number stays one, and so does text", async (t) => {
    const gateway = await startTestGateway(t);
    for (const userId of [42, "42", "ann", '\u202e"quoted"']) {
      const client = await connect(t, `${gateway.url}/?token=${token({ user_id: userId })}`);
      assert.equal(client.frames[0]!.user_id, userId);
    }
  });

  it("numbers the connections of a fresh node 1, 2, 3", async (t) => {
    const gateway = await startTestGateway(t);
    const ids: number[] = [];
    for (let i = 0; i < 3; i += 1) ids.push((await connect(t, gateway.url)).connectionId);
    assert.deepEqual(ids, [1, 2, 3]);
  });

  it("never gives an id twice, also after connections have gone", async (t) => {
    const gateway = await startTestGateway(t);
    const ids = new Set<number>();
    for (let i = 0; i < 5; i += 1) {
      const client = await connect(t, gateway.url);
      ids.add(client.connectionId);
      client.socket.close();
      await client.close();
    }
    assert.equal(ids.size, 5);
  });

  it("gives each connection a session of its own, which no other process of the same node ever repeats", async (t) => {
    const [one, other] = [await startTestGateway(t), await startTestGateway(t)];
    const clients = [await connect(t, one.url), await connect(t, one.url), await connect(t, other.url)];
    const [first, second, third] = clients.map(({ frames }) => frames[0]!);
    assert.equal(new Set([first!.session, second!.session, third!.session]).size, 3);
    assert.equal(first!.connection_id, third!.connection_id);
    assert.equal(first!.node, second!.node);
    assert.notEqual(first!.node, third!.node);
  });
});
