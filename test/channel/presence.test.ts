import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { connect, type Frame, type TestClient } from "../support/client.ts";
import { startTestGateway, type TestGateway } from "../support/gateway.ts";
import { token } from "../support/tokens.ts";
import { msgpack, publish, receivedUntilNow, without } from "./traffic.ts";

const channel = "presence.lobby";
const user = (userId: number | string, role = "user") => ({ user_id: userId, role });

const connectAs = (t: TestContext, { url }: TestGateway, claims?: Frame): Promise<TestClient> =>
  connect(t, claims === undefined ? url : `${url}?token=${token(claims)}`);

async function joinAs(t: TestContext, gateway: TestGateway, claims?: Frame): Promise<TestClient> {
  const client = await connectAs(t, gateway, claims);
  await client.subscribe(channel);
  return client;
}

/** Joins and leaves that `client` was told of, in short: "+7 1" for user 7's join that makes one member. */
function told(client: TestClient): string[] {
  return client.frames
    .filter(({ action, event }) => action === "presence" && event !== undefined)
    .map(({ event, member, count }) => {
      const { user_id, connection_id } = member as { user_id?: number; connection_id?: number };
      return `${event === "join" ? "+" : "-"}${user_id ?? `connection ${connection_id}`} ${count}`;
    });
}

let marks = 0;

/** The same, after whatever is on its way has arrived: someone who comes and goes is the end mark, and left out. */
async function toldByNow(t: TestContext, gateway: TestGateway, client: TestClient): Promise<string[]> {
  marks += 1;
  const mark = await joinAs(t, gateway, user(`mark ${marks}`));
  await mark.ask("unsubscribe", { channel });
  await client.next({ action: "presence", event: "leave", member: user(`mark ${marks}`) });
  mark.socket.terminate();
  return told(client).filter((line) => !line.includes("mark "));
}

const members = async (client: TestClient): Promise<unknown> => (await client.ask("presence", { channel })).members;

async function disconnect(client: TestClient): Promise<void> {
  client.socket.terminate();
  await client.close();
}

describe("A channel with presence", () => {
  it("tells its subscribers who joins and leaves, the joining one included, with the new count", async (t) => {
    const gateway = await startTestGateway(t);
    const alice = await joinAs(t, gateway, user("alice"));
    const bob = await joinAs(t, gateway, user(7, "editor"));
    const joined = await alice.next({ event: "join", member: user(7, "editor") });
    assert.equal(Number.isInteger(joined.time), true);
    assert.deepEqual(without(joined, "time"), {
      action: "presence",
      event: "join",
      channel,
      member: { user_id: 7, role: "editor" },
      count: 2,
    });
    await bob.ask("unsubscribe", { channel });
    const left = await alice.next({ event: "leave" });
    assert.deepEqual(without(left, "time"), { ...without(joined, "time"), event: "leave", count: 1 });
    assert.deepEqual(told(alice), ["+alice 1", "+7 2", "-7 1"]);
    assert.deepEqual(told(bob), ["+7 2"]);
  });

  it("speaks MessagePack to whoever asked for it", async (t) => {
    const gateway = await startTestGateway(t);
    const packed = await connect(t, gateway.url, msgpack);
    await packed.subscribe(channel);
    await joinAs(t, gateway, user("alice"));
    await packed.next({ event: "join", member: user("alice"), count: 2 });
    assert.deepEqual(await members(packed), [{ connection_id: packed.connectionId }, user("alice")]);
  });

  it("answers the subscribe first and tells of the join after it", async (t) => {
    const gateway = await startTestGateway(t);
    const client = await connectAs(t, gateway);
    client.request("subscribe", { channel });
    assert.equal((await client.next()).action, "subscribe");
    assert.equal((await client.next()).event, "join");
  });

  it("lists its members on request, and in the reply of a subscribe that asks, with whoever asks", async (t) => {
    const gateway = await startTestGateway(t);
    const alice = await connectAs(t, gateway, user("alice"));
    assert.equal("presence" in (await alice.subscribe(channel)), false); // it did not ask
    const guest = await connectAs(t, gateway);
    const reply = await guest.subscribe(channel, { presence: true });
    const list = [user("alice"), { connection_id: guest.connectionId }];
    assert.deepEqual(reply.presence, { members: list, count: 2 });
    assert.deepEqual(without(await alice.ask("presence", { channel }), "id"), {
      success: true,
      action: "presence",
      channel,
      members: list,
      count: 2,
    });
    const outside = await connectAs(t, gateway);
    assert.deepEqual(await members(outside), list); // whoever may subscribe may look first
  });

  it("is only where the policy says so", async (t) => {
    const gateway = await startTestGateway(t);
    const client = await connectAs(t, gateway);
    const { presence } = await client.subscribe("news", { presence: true });
    assert.equal(presence, undefined);
    const { code, error } = await client.ask("presence", { channel: "news" });
    assert.deepEqual([code, error], ["invalid_channel", "Channel news has no presence"]);
    await client.settled();
    assert.deepEqual(told(client), []);
  });

  it("hides its members from whoever may not subscribe", async (t) => {
    const gateway = await startTestGateway(t, { channels: { "presence.>": { subscribe: "authenticated" } } });
    await joinAs(t, gateway, user("alice"));
    const guest = await connectAs(t, gateway);
    assert.equal((await guest.ask("presence", { channel })).code, "unauthenticated");
    assert.equal((await guest.ask("subscribe", { channel })).code, "unauthenticated");
  });
});

describe("A member", () => {
  it("is a user: with two tabs it joins with the first and leaves with the last", async (t) => {
    const gateway = await startTestGateway(t, { presence: { leaveGraceSeconds: 0 } });
    const watcher = await joinAs(t, gateway, user("watcher"));
    const tabs = [await joinAs(t, gateway, user(7)), await joinAs(t, gateway, user(7))];
    assert.deepEqual(await members(watcher), [user("watcher"), user(7)]);
    await disconnect(tabs[0]!);
    assert.deepEqual(await toldByNow(t, gateway, watcher), ["+watcher 1", "+7 2"]);
    await disconnect(tabs[1]!);
    await watcher.next({ event: "leave", member: user(7) });
    assert.deepEqual(await toldByNow(t, gateway, watcher), ["+watcher 1", "+7 2", "-7 1"]);
  });

  it("that is anonymous is its connection, and leaves with it at once: it could not come back", async (t) => {
    const gateway = await startTestGateway(t, { presence: { leaveGraceSeconds: 300 } });
    const watcher = await joinAs(t, gateway, user("watcher"));
    const [one, two] = [await joinAs(t, gateway), await joinAs(t, gateway)];
    const [first, second] = [one.connectionId, two.connectionId];
    assert.deepEqual(await members(watcher), [user("watcher"), { connection_id: first }, { connection_id: second }]);
    await disconnect(one);
    await watcher.next({ event: "leave" });
    assert.deepEqual(await toldByNow(t, gateway, watcher), [
      "+watcher 1",
      `+connection ${first} 2`,
      `+connection ${second} 3`,
      `-connection ${first} 2`,
    ]);
  });

  it("that comes back within the grace was never gone; one that does not leaves once", async (t) => {
    const gateway = await startTestGateway(t, { presence: { leaveGraceSeconds: 2 } });
    const watcher = await joinAs(t, gateway, user("watcher"));
    const [reloading, leaving] = [
      await joinAs(t, gateway, user("reloading")),
      await joinAs(t, gateway, user("leaving")),
    ];
    await disconnect(reloading);
    await disconnect(leaving); // its grace ends after the other's
    const back = await joinAs(t, gateway, user("reloading"));
    await watcher.next({ event: "leave", member: user("leaving") });
    assert.deepEqual(await toldByNow(t, gateway, watcher), ["+watcher 1", "+reloading 2", "+leaving 3", "-leaving 2"]);
    assert.deepEqual(told(back).includes("+reloading 3"), false);
    await disconnect(back);
    await watcher.next({ event: "leave", member: user("reloading"), count: 1 });
  });

  it("that unsubscribes leaves at once, whatever the grace", async (t) => {
    const gateway = await startTestGateway(t, { presence: { leaveGraceSeconds: 300 } });
    const watcher = await joinAs(t, gateway, user("watcher"));
    const alice = await joinAs(t, gateway, user("alice"));
    await alice.ask("unsubscribe", { channel });
    await watcher.next({ event: "leave", member: user("alice"), count: 1 });
    await disconnect(alice); // and not a second time
    assert.deepEqual(await toldByNow(t, gateway, watcher), ["+watcher 1", "+alice 2", "-alice 1"]);
  });

  it("that subscribes twice joins once", async (t) => {
    const gateway = await startTestGateway(t);
    const alice = await joinAs(t, gateway, user("alice"));
    await alice.subscribe(channel);
    assert.deepEqual(await toldByNow(t, gateway, alice), ["+alice 1"]);
    await alice.ask("unsubscribe", { channel });
    assert.deepEqual(await members(alice), []);
  });

  it("of several channels joins and leaves each by itself", async (t) => {
    const gateway = await startTestGateway(t, { presence: { leaveGraceSeconds: 0 } });
    const watcher = await joinAs(t, gateway, user("watcher"));
    const alice = await joinAs(t, gateway, user("alice"));
    await alice.subscribe("presence.other");
    await alice.ask("unsubscribe", { channel });
    const { members: others } = await watcher.ask("presence", { channel: "presence.other" });
    assert.deepEqual(others, [user("alice")]);
    await disconnect(alice);
    await watcher.settled();
    assert.equal((await watcher.ask("presence", { channel: "presence.other" })).count, 0);
    assert.equal(await gateway.metric("tidegate_presence_members"), 1);
  });
});

describe("Authenticating on a connection that is a member", () => {
  it("renames an anonymous member: it leaves as what it was and joins as who it is", async (t) => {
    const gateway = await startTestGateway(t, { presence: { leaveGraceSeconds: 300 } });
    const watcher = await joinAs(t, gateway, user("watcher"));
    const guest = await joinAs(t, gateway);
    await guest.subscribe("presence.other");
    await guest.ask("authenticate", { token: token(user("alice")) });
    await watcher.next({ event: "join", member: user("alice") });
    assert.deepEqual(told(watcher), [
      "+watcher 1",
      `+connection ${guest.connectionId} 2`,
      `-connection ${guest.connectionId} 1`,
      "+alice 2",
    ]);
    assert.deepEqual(await members(watcher), [user("watcher"), user("alice")]);
    assert.deepEqual((await watcher.ask("presence", { channel: "presence.other" })).members, [user("alice")]);
    await guest.ask("unsubscribe", { channel });
    await watcher.next({ event: "leave", member: user("alice"), count: 1 });
  });

  it("as a user who is there in another tab leaves one member", async (t) => {
    const gateway = await startTestGateway(t, { presence: { leaveGraceSeconds: 0 } });
    const tab = await joinAs(t, gateway, user("alice"));
    const guest = await joinAs(t, gateway);
    await guest.ask("authenticate", { token: token(user("alice")) });
    await tab.next({ event: "leave", member: { connection_id: guest.connectionId }, count: 1 });
    await disconnect(guest);
    const guestName = `connection ${guest.connectionId}`;
    assert.deepEqual(await toldByNow(t, gateway, tab), ["+alice 1", `+${guestName} 2`, `-${guestName} 1`]);
    assert.deepEqual(await members(tab), [user("alice")]);
  });

  it("again as the same user is no news to anyone", async (t) => {
    const gateway = await startTestGateway(t);
    const alice = await joinAs(t, gateway, user("alice"));
    for (let i = 0; i < 3; i += 1)
      await alice.ask("authenticate", { token: token({ ...user("alice"), channels: [`news.${i}`] }) });
    assert.deepEqual(await toldByNow(t, gateway, alice), ["+alice 1"]);
  });

  it("with another role is told, so that nobody keeps the old one", async (t) => {
    const gateway = await startTestGateway(t);
    const watcher = await joinAs(t, gateway, user("watcher"));
    const alice = await joinAs(t, gateway, user("alice"));
    await alice.ask("authenticate", { token: token(user("alice", "admin")) });
    await watcher.next({ event: "join", member: user("alice", "admin") });
    assert.deepEqual(told(watcher), ["+watcher 1", "+alice 2", "-alice 1", "+alice 2"]);
    assert.deepEqual(await members(watcher), [user("watcher"), user("alice", "admin")]);
  });

  it("with fewer rights leaves the channel once, as who it was there", async (t) => {
    const gateway = await startTestGateway(t, { channels: { "presence.>": { subscribe: ["granted", "role:admin"] } } });
    const watcher = await joinAs(t, gateway, user("watcher", "admin"));
    const alice = await joinAs(t, gateway, { ...user("alice"), channels: ["presence.*"] });
    await alice.ask("authenticate", { token: token(user("alice", "guest")) });
    assert.equal((await alice.next({ action: "error" })).code, "forbidden");
    await watcher.next({ event: "leave", member: user("alice"), count: 1 });
    await watcher.settled();
    assert.deepEqual(told(watcher), ["+watcher 1", "+alice 2", "-alice 1"]);
  });
});

describe("Joins and leaves", () => {
  it("stand in one order with the messages of their channel", async (t) => {
    const gateway = await startTestGateway(t);
    const watcher = await joinAs(t, gateway, user("watcher"));
    const alice = await connectAs(t, gateway, user("alice"));
    const item = (action: string, message?: string, more?: object) => ({ action, data: { channel, message, ...more } });
    for (let round = 0; round < 10; round += 1) {
      const to = { connections: [watcher.connectionId] };
      alice.request("batch", {
        items: [
          item("subscribe"),
          item("message", "to all"),
          item("message", "to you", to),
          item("message", "to all again"),
          item("unsubscribe"),
        ],
      });
      await alice.next({ action: "unsubscribe" });
    }
    await publish(watcher, channel, "end");
    await watcher.next({ message: "end" });
    const seen = watcher.frames
      .filter(({ member, message }) => message !== undefined || JSON.stringify(member)?.includes("alice"))
      .map(({ event, message }) => event ?? message);
    const round = ["join", "to all", "to you", "to all again", "leave"];
    assert.deepEqual(seen, [...Array.from({ length: 10 }, () => round).flat(), "end"]);
  });

  it("are no messages: they have no place in the history", async (t) => {
    const gateway = await startTestGateway(t, { channels: { "presence.>": { history: { size: 10, seconds: 60 } } } });
    const alice = await joinAs(t, gateway, user("alice"));
    await publish(alice, channel, "hello");
    await toldByNow(t, gateway, alice);
    const { messages } = await alice.ask("history", { channel });
    assert.deepEqual(
      (messages as Frame[]).map(({ message }) => message),
      ["hello"],
    );
    assert.deepEqual(await receivedUntilNow(alice, alice, channel), ["hello"]);
  });
});
