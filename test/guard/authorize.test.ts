import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import WebSocket from "ws";
import { answering, Backend } from "../support/backend.ts";
import { until } from "../support/child.ts";
import { connect, refusedHandshake } from "../support/client.ts";
import { startTestGateway } from "../support/gateway.ts";
import { token } from "../support/tokens.ts";

/** A gateway whose channels below `asked` need a backend's leave, for members of the staff. */
async function startWithBackend(t: TestContext, authorize: object = {}, settings: Record<string, unknown> = {}) {
  const backend = await Backend.start(t);
  const policy = {
    subscribe: ["role:staff"],
    history: { size: 10, seconds: 60 },
    presence: true,
    authorize: { url: backend.url, ...authorize },
  };
  const gateway = await startTestGateway(t, { channels: { "asked.>": policy }, ...settings });
  return { backend, gateway, staffUrl: `${gateway.url}/?token=${token({ user_id: 7, role: "staff" })}` };
}

describe("A channel whose policy names a backend", () => {
  it("asks it for each subscribe and publish that the rules allow, and says who asks", async (t) => {
    const { backend, gateway, staffUrl } = await startWithBackend(t);
    const client = await connect(t, staffUrl);
    await client.subscribe("asked.a");
    assert.equal((await client.ask("message", { channel: "asked.a", message: 1 })).action, "message_sent");
    const { session } = client.frames[0]!;
    const who = { user: 7, role: "staff", connection: client.connectionId, session, address: "127.0.0.1" };
    assert.deepEqual(
      backend.asked.map(({ question }) => question),
      [
        { event: "subscribe", channel: "asked.a", ...who },
        { event: "publish", channel: "asked.a", ...who },
      ],
    );
    assert.equal(await gateway.metric('tidegate_callout_decisions_total{event="publish",decision="allowed"}'), 1);
    assert.equal(await gateway.metric('tidegate_callout_breakers{state="closed"}'), 1);
  });

  it("asks about nothing that the rules refuse, nor about other channels", async (t) => {
    const { backend, gateway, staffUrl } = await startWithBackend(t);
    const [staff, anonymous] = [await connect(t, staffUrl), await connect(t, gateway.url)];
    assert.equal((await anonymous.ask("subscribe", { channel: "asked.a" })).code, "unauthenticated");
    assert.equal((await staff.ask("message", { channel: "asked.a", message: 1 })).code, "not_subscribed");
    await staff.subscribe("chat.a");
    assert.equal(backend.asked.length, 0);
  });

  it("refuses with the code and the reason of the answer, and the request's id", async (t) => {
    const { backend, staffUrl } = await startWithBackend(t);
    const client = await connect(t, staffUrl);
    backend.reply = answering({ allow: false, code: "limit_reached", reason: "The room is full" });
    const { id: _, ...refused } = await client.ask("subscribe", { channel: "asked.a" });
    assert.deepEqual(refused, {
      success: false,
      action: "error",
      error: "The room is full",
      code: "limit_reached",
      request: "subscribe",
      channel: "asked.a",
    });
  });

  it("publishes nothing that the backend refuses", async (t) => {
    const { backend, staffUrl } = await startWithBackend(t);
    const [client, observer] = [await connect(t, staffUrl), await connect(t, staffUrl)];
    for (const each of [client, observer]) await each.subscribe("asked.a");
    backend.reply = answering({ allow: false });
    assert.equal((await client.ask("message", { channel: "asked.a", message: "refused" })).code, "forbidden");
    backend.reply = answering({ allow: true });
    await client.ask("message", { channel: "asked.a", message: "allowed" });
    assert.equal((await observer.next({ action: "message" })).message, "allowed");
  });

  it("is not asked about messages over the channel's rate", async (t) => {
    const backend = await Backend.start(t);
    const channels = { "asked.>": { rate: 2, publish: ["anyone"], authorize: { url: backend.url, on: ["publish"] } } };
    const gateway = await startTestGateway(t, { channels });
    const client = await connect(t, gateway.url);
    const codes = [];
    for (let i = 0; i < 3; i += 1) codes.push((await client.ask("message", { channel: "asked.a", message: i })).code);
    assert.deepEqual([codes, backend.asked.length], [[undefined, undefined, "rate_limit"], 2]);
  });

  it("asks only about what `on` names", async (t) => {
    const { backend, staffUrl } = await startWithBackend(t, { on: "publish" });
    const client = await connect(t, staffUrl);
    await client.subscribe("asked.a");
    assert.equal(backend.asked.length, 0);
    await client.ask("message", { channel: "asked.a", message: 1 });
    assert.equal(backend.asked.length, 1);
  });

  it("shows history and members to subscribers only: whoever was refused reads nothing", async (t) => {
    const { backend, staffUrl } = await startWithBackend(t);
    const [member, other] = [await connect(t, staffUrl), await connect(t, staffUrl)];
    await member.subscribe("asked.a");
    backend.reply = answering({ allow: false });
    assert.equal((await other.ask("subscribe", { channel: "asked.a" })).code, "forbidden");
    for (const action of ["history", "presence"]) {
      assert.equal((await other.ask(action, { channel: "asked.a" })).code, "not_subscribed");
      assert.equal((await member.ask(action, { channel: "asked.a" })).success, true);
    }
  });

  it("is open to a subscribe token only where the backend agrees too", async (t) => {
    const settings = { channels: { "asked.>": { subscribe: ["granted"] } } };
    const backend = await Backend.start(t);
    Object.assign(settings.channels["asked.>"], { authorize: { url: backend.url } });
    const gateway = await startTestGateway(t, settings);
    const client = await connect(t, gateway.url);
    const lent = { channel: "asked.a", token: token({ channel: "asked.a" }) };
    assert.equal((await client.ask("subscribe", { channel: "asked.a", token: "nonsense" })).code, "invalid_token");
    assert.equal(backend.asked.length, 0);
    backend.reply = answering({ allow: false });
    assert.equal((await client.ask("subscribe", lent)).code, "forbidden");
    backend.reply = answering({ allow: true });
    assert.equal((await client.ask("subscribe", lent)).success, true);
  });

  it("is not asked where a more specific pattern names nobody", async (t) => {
    const backend = await Backend.start(t);
    const channels = { "asked.>": { authorize: { url: backend.url } }, "asked.open": { authorize: { url: "" } } };
    const gateway = await startTestGateway(t, { channels });
    const client = await connect(t, gateway.url);
    await client.subscribe("asked.open");
    assert.equal(backend.asked.length, 0);
    await client.subscribe("asked.a");
    assert.equal(backend.asked.length, 1);
  });
});

describe("While the backend has not answered", () => {
  it("the connection's frames wait in their order, and others are not held up", async (t) => {
    const { backend, gateway, staffUrl } = await startWithBackend(t);
    const [client, other] = [await connect(t, staffUrl), await connect(t, gateway.url)];
    backend.hold();
    client.request("subscribe", { channel: "asked.a" }, 1);
    client.request("message", { channel: "asked.a", message: "first" }, 2);
    client.request("ping", undefined, 3);
    client.request("unsubscribe", { channel: "asked.a" }, 4);
    client.request("message", { channel: "asked.a", message: "second" }, 5);
    await backend.askedTimes(1);
    await other.subscribe("chat.a");
    assert.equal((await other.ask("message", { channel: "chat.a", message: 1 })).action, "message_sent");
    assert.equal(client.frames.length, 1, "the welcome");
    backend.release();
    await client.next({ id: 5 });
    const replies = client.frames.slice(1).filter(({ id }) => id !== undefined);
    assert.deepEqual(
      replies.map(({ action, id, code }) => [action, id, ...(code === undefined ? [] : [code])]),
      [
        ["subscribe", 1],
        ["message_sent", 2],
        ["pong", 3],
        ["unsubscribe", 4],
        ["error", 5, "not_subscribed"],
      ],
    );
  });

  it("the items of a batch wait as well", async (t) => {
    const { backend, staffUrl } = await startWithBackend(t);
    const client = await connect(t, staffUrl);
    backend.hold();
    const channel = "asked.a";
    client.request("batch", {
      items: [
        { action: "subscribe", data: { channel }, id: 1 },
        { action: "message", data: { channel, message: "in" }, id: 2 },
        { action: "ping", id: 3 },
      ],
    });
    await backend.askedTimes(1);
    backend.release();
    await client.next({ id: 3 });
    const ids = client.frames.map(({ id }) => id).filter((id) => id !== undefined);
    assert.deepEqual(ids, [1, 2, 3]);
  });

  it("a connection that goes is forgotten: nothing of it is published, nobody gets its reply", async (t) => {
    const { backend, gateway, staffUrl } = await startWithBackend(t);
    const [client, observer] = [await connect(t, staffUrl), await connect(t, staffUrl)];
    for (const each of [client, observer]) await each.subscribe("asked.a");
    backend.hold();
    client.request("message", { channel: "asked.a", message: "late" }, 1);
    await backend.askedTimes(3);
    client.socket.terminate();
    await client.close();
    const next = await connect(t, gateway.url);
    backend.release();
    assert.equal((await observer.ask("message", { channel: "asked.a", message: "after" })).action, "message_sent");
    await next.settled();
    assert.deepEqual(
      observer.of("message").map(({ message }) => message),
      ["after"],
    );
    assert.equal(next.frames.length, 2, "the welcome and the pong");
  });
});

describe("A backend that is down", () => {
  it("refuses as unavailable, is left alone, and is asked again once it is back", async (t) => {
    const callouts = { failuresMax: 2, pauseSeconds: 2 };
    const { backend, gateway, staffUrl } = await startWithBackend(t, {}, { callouts });
    const client = await connect(t, staffUrl);
    backend.reply = answering({}, 500);
    for (let i = 0; i < 3; i += 1)
      assert.equal((await client.ask("subscribe", { channel: "asked.a" })).code, "unavailable");
    assert.equal(backend.asked.length, 2);
    assert.equal(await gateway.metric('tidegate_callout_breakers{state="open"}'), 1);
    backend.reply = answering({ allow: true });
    for (;;) {
      const reply = await client.ask("subscribe", { channel: "asked.a" });
      if (reply.success === true) break;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assert.equal(backend.asked.length, 3);
    assert.equal(await gateway.metric('tidegate_callout_breakers{state="closed"}'), 1);
  });

  it("allows what the rules allow where whenDown says so, and nothing else", async (t) => {
    const { backend, gateway, staffUrl } = await startWithBackend(t, { whenDown: "allow" });
    backend.reply = (_, response) => void response.destroy();
    await (await connect(t, staffUrl)).subscribe("asked.a");
    const anonymous = await connect(t, gateway.url);
    assert.equal((await anonymous.ask("subscribe", { channel: "asked.a" })).code, "unauthenticated");
  });

  it("that hangs holds a request for its time-out, and no longer", async (t) => {
    const { backend, staffUrl } = await startWithBackend(t, { timeoutMs: 50 });
    const client = await connect(t, staffUrl);
    backend.hold();
    assert.equal((await client.ask("subscribe", { channel: "asked.a" })).code, "unavailable");
    await client.settled();
  });
});

describe("A backend that is asked about connections", () => {
  const start = async (t: TestContext, connectTo: object = {}) => {
    const backend = await Backend.start(t);
    const gateway = await startTestGateway(t, { callouts: { connect: { url: backend.url, ...connectTo } } });
    return { backend, gateway };
  };

  it("is told who connects from where, after the token has been verified", async (t) => {
    const { backend, gateway } = await start(t);
    const client = await connect(t, `${gateway.url}/?token=${token({ user_id: 7, role: "staff" })}`);
    assert.equal(client.frames[0]?.user_id, 7);
    await connect(t, gateway.url);
    assert.deepEqual(
      backend.asked.map(({ question }) => question),
      [
        { event: "connect", user: 7, role: "staff", address: "127.0.0.1" },
        { event: "connect", address: "127.0.0.1" },
      ],
    );
  });

  const statuses: [string, number][] = [
    ["unauthenticated", 401],
    ["forbidden", 403],
    ["limit_reached", 429],
    ["unavailable", 503],
  ];
  for (const [code, status] of statuses) {
    it(`refuses the handshake with ${status} where it answers ${code}`, async (t) => {
      const { backend, gateway } = await start(t);
      backend.reply = answering({ allow: false, code, reason: "Not now" });
      const refused = await refusedHandshake(gateway.url);
      assert.deepEqual([refused.status, JSON.parse(refused.body)], [status, { success: false, error: "Not now" }]);
      assert.equal(refused.headers["retry-after"] !== undefined, status === 429 || status === 503);
      assert.equal(await gateway.metric(`tidegate_handshakes_total{status="${status}"}`), 1);
    });
  }

  it("is asked again when a connection authenticates, which then stays who it was", async (t) => {
    const { backend, gateway } = await start(t);
    const client = await connect(t, gateway.url);
    backend.reply = answering({ allow: false, reason: "Banned" });
    const refused = await client.ask("authenticate", { token: token({ user_id: 7 }) });
    assert.deepEqual([refused.code, refused.error], ["forbidden", "Banned"]);
    assert.equal((await client.ask("subscribe", { channel: "private.user.7" })).code, "unauthenticated");
    backend.reply = answering({ allow: true });
    assert.equal((await client.ask("authenticate", { token: token({ user_id: 7 }) })).user_id, 7);
    await client.subscribe("private.user.7");
    const { connection, user } = backend.asked.at(-1)!.question;
    assert.deepEqual([connection, user], [client.connectionId, 7]);
  });

  it("that is down closes the door, or leaves it open, as the configuration says", async (t) => {
    for (const [whenDown, isOpen] of [
      ["refuse", false],
      ["allow", true],
    ] as const) {
      const { backend, gateway } = await start(t, { whenDown });
      backend.reply = answering({}, 500);
      if (isOpen) await (await connect(t, gateway.url)).settled();
      else assert.equal((await refusedHandshake(gateway.url)).status, 503);
    }
  });

  it("is asked about no more handshakes of one address than may connect from there, and gives back what it refuses", async (t) => {
    const backend = await Backend.start(t);
    const callouts = { connect: { url: backend.url } };
    const gateway = await startTestGateway(t, { callouts, connectionsPerAddressMax: 2 });
    backend.hold();
    const given = [1, 2].map((user_id) => refusedHandshake(`${gateway.url}/?token=${token({ user_id })}`));
    await backend.askedTimes(2);
    assert.equal((await refusedHandshake(gateway.url)).status, 429);
    assert.equal(backend.asked.length, 2);
    backend.release({ allow: false });
    for (const { status } of await Promise.all(given)) assert.equal(status, 403);
    backend.reply = answering({ allow: true });
    await connect(t, gateway.url);
    await connect(t, gateway.url);
    assert.equal((await refusedHandshake(gateway.url)).status, 429);
  });

  it("may answer after the gateway has stopped", async (t) => {
    const { backend, gateway } = await start(t);
    backend.hold();
    const socket = new WebSocket(gateway.url);
    socket.on("error", () => {}); // it is never opened
    await backend.askedTimes(1);
    const closed = new Promise((resolve) => socket.once("close", resolve));
    const stopped = gateway.stop();
    await closed;
    backend.release();
    await stopped;
  });

  it("may see the client go before it answers: its place is free again", async (t) => {
    const backend = await Backend.start(t);
    const callouts = { connect: { url: backend.url } };
    const gateway = await startTestGateway(t, { callouts, connectionsPerAddressMax: 1 });
    backend.hold();
    const socket = new WebSocket(gateway.url);
    socket.on("error", () => {}); // it is ended before it was opened
    await backend.askedTimes(1);
    socket.terminate();
    backend.release();
    const isLetIn = () =>
      connect(t, gateway.url).then(
        () => true,
        () => false,
      );
    await until(isLetIn, () => "nobody is let in any more");
  });
});
