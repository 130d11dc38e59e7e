import assert from "node:assert/strict";
import { describe, it } from "node:test";
import WebSocket from "ws";
import { json } from "../../src/client/codec.ts";
import { createClient, TidegateError } from "../../src/client/index.ts";
import { msgpack } from "../../src/client/msgpack.ts";
import { until } from "../support/child.ts";
import { connect } from "../support/client.ts";
import { startTestGateway } from "../support/gateway.ts";
import { token } from "../support/tokens.ts";
import { have, startClient, valuesOf } from "./clients.ts";

describe("The client, against a gateway", () => {
  it("subscribes before the connection is open, publishes with an acknowledgement, and unsubscribes", async (t) => {
    const gateway = await startTestGateway(t);
    const [ann, ben] = [startClient(t, gateway), startClient(t, gateway)];
    assert.equal(ann.state, "connecting");
    const seen: unknown[] = [];
    const room = ann.subscribe("chat.room.1", ({ message, sender }) => void seen.push([message, sender]));
    const early = room.publish("early");
    const other = ben.subscribe("chat.room.1");
    const heard = valuesOf(other);
    await Promise.all([room.ready, other.ready]);
    const ack = await other.publish({ text: "Hello everyone!" });
    assert.equal(ack.recipients_count, 2);
    assert.equal(typeof ack.offset, "string");
    await have(seen, 2);
    assert.deepEqual(seen, [
      ["early", ann.welcome?.connection_id],
      [{ text: "Hello everyone!" }, ben.welcome?.connection_id],
    ]);
    assert.equal((await early).channel, "chat.room.1");
    room.unsubscribe();
    await ann.history("chat.room.1");
    assert.equal((await other.publish("later")).recipients_count, 1);
    await have(heard, 2);
    assert.equal(seen.length, 2);
  });

  it("subscribes everything in one batch, and sends nothing for who leaves and comes back in one go", async (t) => {
    const gateway = await startTestGateway(t);
    const client = startClient(t, gateway);
    const channels = ["a", "b", "c"].map((name) => client.subscribe(name));
    await Promise.all(channels.map(({ ready }) => ready));
    assert.deepEqual(client.sockets.actions, ["batch"]);
    channels[0]!.unsubscribe();
    await client.subscribe("a").ready;
    client.subscribe("d").unsubscribe();
    await client.presence("presence.x");
    assert.deepEqual(client.sockets.actions, ["batch", "presence"]);
  });

  it("sends what is asked for in one go in one frame, in its order", async (t) => {
    const gateway = await startTestGateway(t);
    const client = startClient(t, gateway);
    const room = client.subscribe("chat.x");
    const values = valuesOf(room);
    await room.ready;
    await Promise.all([room.publish(1), room.publish(2), client.history("chat.x"), room.publish(3)]);
    await have(values, 3);
    assert.deepEqual(values, [1, 2, 3]);
    assert.deepEqual(client.sockets.actions, ["subscribe", "batch"]);
    await room.publish(4);
    assert.deepEqual(client.sockets.actions.at(-1), "message");
  });

  it("subscribes before it sends what has waited longer", async (t) => {
    const gateway = await startTestGateway(t);
    const client = startClient(t, gateway);
    const asked = [client.history("chat.a"), client.presence("presence.a")];
    for (const name of ["chat.b", "chat.c"]) client.subscribe(name);
    await Promise.all(asked);
    const { items } = client.sockets.sent[0]!.data as { items: { action: string; data: { channel: string } }[] };
    assert.deepEqual(
      items.map(({ action, data }) => `${action} ${data.channel}`),
      ["subscribe chat.b", "subscribe chat.c", "history chat.a", "presence presence.a"],
    );
  });

  it("gives each publication a key of its own, but where the program has one", async (t) => {
    const gateway = await startTestGateway(t);
    const client = startClient(t, gateway);
    const room = client.subscribe("chat.b");
    await room.ready;
    const item = { action: "message", channel: "chat.b", message: "in a batch" } as const;
    const unset = { key: undefined } as object; // as a program in JavaScript may say it
    const batch = client.batch([item, { ...item, ...unset }, { ...item, key: "ours, in a batch" }]);
    await Promise.all([room.publish(1), room.publish(2, unset), room.publish(3, { key: "ours" }), batch]);
    const { items } = client.sockets.sent.at(-1)!.data as { items: { data: { key: string } }[] };
    const keys = items.map(({ data }) => data.key);
    assert.deepEqual([keys[2], keys[5]], ["ours, in a batch", "ours"]);
    assert.equal(new Set(keys).size, 6);
    assert.ok(
      keys.every((key) => typeof key === "string"),
      String(keys),
    );
  });

  it("shares one subscription among the listeners of a channel, each with the history that it asks for", async (t) => {
    const gateway = await startTestGateway(t);
    const client = startClient(t, gateway);
    const first = client.subscribe("chat.x");
    const live = valuesOf(first);
    for (const n of [1, 2, 3]) await first.publish(n);
    const second = client.subscribe("chat.x", undefined, { history: 2 });
    const late = valuesOf(second);
    const third = client.subscribe("chat.x");
    const latest = valuesOf(third);
    await Promise.all([second.ready, third.ready]);
    first.unsubscribe();
    await second.publish(4);
    await have(late, 3);
    assert.deepEqual([live, late, latest], [[1, 2, 3], [2, 3, 4], [4]]);
    assert.equal(await gateway.metric("tidegate_subscriptions"), 1);
    second.unsubscribe();
    third.unsubscribe();
    await client.history("chat.x");
    assert.equal(await gateway.metric("tidegate_subscriptions"), 0);
  });

  it("reads history, asks who is there, keeps the members, and does several things in one batch", async (t) => {
    const gateway = await startTestGateway(t);
    const ann = startClient(t, gateway, { token: token({ user_id: "ann" }) });
    const ben = startClient(t, gateway, { token: token({ user_id: "ben" }) });
    const room = ann.subscribe("presence.room", undefined, { presence: true });
    const are = (...users: string[]): Promise<void> =>
      until(
        () => JSON.stringify(room.members.map(({ user_id: id }) => id).sort()) === JSON.stringify(users),
        () => JSON.stringify(room.members),
      );
    await room.ready;
    const there = ben.subscribe("presence.room");
    await there.ready;
    await are("ann", "ben");
    assert.deepEqual((await room.presence()).members.map(({ user_id: id }) => id).sort(), ["ann", "ben"]);
    there.unsubscribe();
    await are("ann");
    const chat = ann.subscribe("chat.b");
    await chat.ready;
    const outcomes = await ann.batch([
      { action: "message", channel: "chat.b", message: 1 },
      { action: "message", channel: "chat.elsewhere", message: 2 },
      { action: "message", channel: "chat.b", message: 3 },
      { action: "history", channel: "chat.b" },
    ]);
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ["fulfilled", "rejected", "fulfilled", "fulfilled"],
    );
    assert.equal((outcomes[1] as PromiseRejectedResult).reason.code, "not_subscribed");
    assert.equal(ann.sockets.actions.at(-1), "batch");
    assert.deepEqual(
      (await chat.history({ limit: 1 })).messages.map(({ message }) => message),
      [3],
    );
  });

  it("publishes to some only, and not to itself where it is told so", async (t) => {
    const gateway = await startTestGateway(t);
    const [ann, ben] = [startClient(t, gateway), startClient(t, gateway, { token: token({ user_id: 7 }) })];
    const [mine, his] = [ann.subscribe("chat.x"), ben.subscribe("chat.x")];
    const [own, heard] = [valuesOf(mine), valuesOf(his)];
    await Promise.all([mine.ready, his.ready]);
    await mine.publish("to 7", { users: [7] });
    await mine.publish("to Ann", { connections: [ann.welcome!.connection_id] });
    await mine.publish("not to Ann", { echo: false });
    const ack = await mine.publish("twice", { key: "a key of ours" });
    const again = await mine.publish("twice", { key: "a key of ours" });
    assert.deepEqual([ack.duplicate, again.duplicate], [undefined, true]);
    await have(heard, 3);
    assert.deepEqual(
      [own, heard],
      [
        ["to Ann", "twice"],
        ["to 7", "not to Ann", "twice"],
      ],
    );
  });

  it("speaks MessagePack where it is handed in", async (t) => {
    const gateway = await startTestGateway(t);
    const client = startClient(t, gateway, { format: msgpack });
    const room = client.subscribe("chat.packed");
    const values = valuesOf(room);
    await room.publish({ text: "Grüße", list: [1, null, true], left: undefined });
    await have(values, 1);
    assert.deepEqual(values, [{ text: "Grüße", list: [1, null, true] }]);
    await assert.rejects(room.publish(JSON.parse('{"__proto__": 1}')), { code: "invalid_message" });
    await room.publish('"__proto__":');
    assert.equal(client.sockets.all[0]?.protocol, "tidegate.msgpack.batch.v1");
    assert.deepEqual(client.sockets.sent, [], "no text frame");
  });

  for (const format of [json, msgpack]) {
    it(`takes messages that arrive in one frame one by one, and none after disconnect(): ${format.protocols[0]}`, async (t) => {
      const gateway = await startTestGateway(t);
      const client = startClient(t, gateway, { format });
      const values = valuesOf(client.subscribe("chat.busy"));
      let stopAt = "";
      client.on("message", ({ message }) => {
        if (message === stopAt) client.disconnect();
      });
      const publishAll = async (name: string): Promise<void> => {
        const publisher = await connect(t, gateway.url);
        await publisher.subscribe("chat.busy");
        const items = ["a", "b", "c"].map((letter) => ({
          action: "message",
          data: { channel: "chat.busy", message: name + letter },
        }));
        publisher.request("batch", { items });
        await publisher.next({ message: `${name}c` });
      };
      let frames = 0;
      await client.reaches("connected");
      client.sockets.all[0]!.on("message", (data: Buffer | ArrayBuffer) => {
        if (Buffer.from(data as Buffer).includes("1b")) frames += 1;
      });
      await client.history("chat.busy"); // by then it is subscribed
      await publishAll("1");
      await have(values, 3);
      assert.equal(frames, 1);
      stopAt = "2b";
      await publishAll("2");
      await client.reaches("closed");
      assert.deepEqual(values, ["1a", "1b", "1c", "2a", "2b"]);
    });
  }

  it("iterates over a channel's messages until it is left, and throws what ended it", async (t) => {
    const gateway = await startTestGateway(t);
    const client = startClient(t, gateway);
    const room = client.subscribe("chat.x");
    const taken: unknown[] = [];
    for (let n = 1; n <= 2; n += 1) void room.publish(n);
    for await (const { message } of room) {
      taken.push(message);
      if (message === 2) break;
    }
    for (let n = 3; n <= 4; n += 1) void room.publish(n);
    for await (const { message } of room) {
      taken.push(message);
      if (message === 4) room.unsubscribe();
    }
    assert.deepEqual(taken, [1, 2, 3, 4]);
    const closed = client.subscribe("private.user.42");
    await assert.rejects(
      async () => {
        for await (const _ of closed) assert.fail("a message");
      },
      { name: "TidegateError", code: "unauthenticated", channel: "private.user.42" },
    );
    const narrow = client.subscribe("chat.y", undefined, { bufferMax: 2 });
    const rest: unknown[] = [];
    const messages = narrow[Symbol.asyncIterator]();
    void messages.next();
    const values = valuesOf(narrow);
    for (let n = 1; n <= 4; n += 1) void narrow.publish(n);
    await have(values, 4);
    await assert.rejects(
      async () => {
        for await (const { message } of messages) rest.push(message);
      },
      { code: "overflow" },
    );
    assert.deepEqual([rest[0], rest.includes(4)], [2, false]);
  });

  it("tells errors by their code, rejects the promise that they belong to, and counts", async (t) => {
    const gateway = await startTestGateway(t);
    const client = startClient(t, gateway);
    const told: string[] = [];
    client.on("error", ({ code, channel }) => void told.push(`any ${code} ${channel}`));
    client.onError("not_subscribed", () => {
      told.push("not_subscribed");
      throw new Error("a listener that fails, as this test wants");
    });
    const off = client.onError("unauthenticated", () => void told.push("never"));
    off();
    t.mock.method(console, "error", () => {});
    await assert.rejects(
      client.publish("chat.a", 1),
      (error) => error instanceof TidegateError && error.code === "not_subscribed",
    );
    const refused = client.subscribe("private.other");
    await assert.rejects(refused.ready, { code: "unauthenticated" });
    const heavy = client.subscribe("private.heavy", undefined, { token: "x".repeat(70_000) });
    await assert.rejects(heavy.ready, { code: "message_too_big", channel: "private.heavy" });
    const big = client.subscribe("chat.big");
    await assert.rejects(big.publish("x".repeat(70_000)), { code: "message_too_big" });
    await assert.rejects(big.publish(1n as never), { code: "invalid_message" });
    await assert.rejects(big.publish(undefined), { code: "missing_field" });
    await big.publish("fits");
    assert.deepEqual(told.slice(0, 3), [
      "any not_subscribed chat.a",
      "not_subscribed",
      "any unauthenticated private.other",
    ]);
    const { sent, received, reconnections, errors } = client.counters;
    assert.deepEqual([sent, received, reconnections, errors], [3, 1, 0, 6]);
    assert.equal(client.sockets.all.length, 1);
  });

  it("keeps to the gateway's message limit, so that nothing is refused", async (t) => {
    const gateway = await startTestGateway(t, { maxMessagesPerMinute: 600 });
    const client = startClient(t, gateway);
    const room = client.subscribe("chat.x");
    const values = valuesOf(room);
    for (let n = 0; n < 600; n += 1) void room.publish(n);
    await have(values, 600);
    assert.deepEqual(values, [...Array(600).keys()]);
    assert.equal(client.counters.errors, 0);
  });

  it("sends again what a limit dropped without a word", async (t) => {
    const channels = { "slow.>": { history: { size: 100, seconds: 60 }, rate: 240 } };
    const gateway = await startTestGateway(t, { channels });
    const client = startClient(t, gateway);
    const room = client.subscribe("slow.x");
    const values = valuesOf(room);
    const numbers = [...Array(242).keys()];
    const acks = await Promise.all(numbers.map((n) => room.publish(n)));
    await have(values, 242);
    assert.deepEqual(
      (values as number[]).sort((a, b) => a - b),
      numbers,
    );
    assert.equal(new Set(acks.map(({ offset }) => offset)).size, 242);
    assert.ok(client.counters.errors > 0, "a limit was met");
  });

  it("takes subscriptions that the backend makes and ends", async (t) => {
    const gateway = await startTestGateway(t);
    const client = startClient(t, gateway);
    const all: unknown[] = [];
    client.on("message", ({ channel, message }) => void all.push([channel, message]));
    await client.reaches("connected");
    const call = async (name: string, body: object): Promise<void> => {
      const response = await fetch(`${gateway.adminUrl}/api/v1/${name}`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(body),
      });
      assert.equal(response.status, 200, await response.text());
    };
    const connections = [client.welcome!.connection_id];
    await call("subscribe", { channel: "private.given", connections });
    await call("publish", { channel: "private.given", message: "for you" });
    await have(all, 1);
    const room = client.subscribe("private.given");
    const values = valuesOf(room);
    const ends: unknown[] = [];
    room.on("end", (error) => void ends.push(error));
    await room.ready;
    await call("publish", { channel: "private.given", message: "again" });
    await have(values, 1);
    await call("unsubscribe", { channel: "private.given", connections });
    await have(ends, 1);
    assert.deepEqual(
      [all, ends],
      [
        [
          ["private.given", "for you"],
          ["private.given", "again"],
        ],
        [undefined],
      ],
    );
  });

  it("shows a new token, and ends the channels that it does not open any more", async (t) => {
    const gateway = await startTestGateway(t);
    const client = startClient(t, gateway, { token: token({ user_id: 7, channels: ["private.team"] }) });
    const team = client.subscribe("private.team");
    const ends: unknown[] = [];
    team.on("end", (error) => void ends.push(error?.code));
    await team.ready;
    assert.equal(client.welcome?.user_id, 7);
    assert.equal((await client.authenticate(token({ user_id: 7 }))).user_id, 7);
    await have(ends, 1);
    assert.deepEqual(ends, ["forbidden"]);
    await assert.rejects(client.authenticate("no token"), { code: "invalid_token" });
    const cause = new Error("the token server is away");
    const failing = (): never => {
      throw cause;
    };
    await assert.rejects(client.authenticate(failing), { name: "TidegateError", code: "token", cause });
    const { errors } = client.counters;
    void client.authenticate(failing); // nobody waits for it: that ends no program
    void client.authenticate("no token");
    const codes: string[] = [];
    client.on("error", ({ code }) => void codes.push(code));
    await have(codes, 2);
    assert.deepEqual([codes.sort(), client.counters.errors], [["invalid_token", "token"], errors + 2]);
  });

  it("says what is wrong with how it is made", () => {
    assert.throws(
      () => createClient("http://localhost"),
      /cannot create client: url must begin with ws:\/\/ or wss:\/\/, got http/,
    );
    const own = globalThis as { WebSocket?: unknown };
    const kept = own.WebSocket;
    own.WebSocket = undefined;
    try {
      assert.throws(() => createClient("ws://localhost"), /cannot connect: options\.WebSocket must be given/);
    } finally {
      if (kept === undefined) delete own.WebSocket;
      else own.WebSocket = kept;
    }
    assert.equal(createClient("ws://localhost", { WebSocket, autoConnect: false }).state, "idle");
  });
});
