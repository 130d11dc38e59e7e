import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { connect, type TestClient } from "../support/client.ts";
import { startTestGateway, type TestGateway } from "../support/gateway.ts";
import { token } from "../support/tokens.ts";
import { publish, received, without } from "./traffic.ts";

type Claims = Record<string, unknown>;

const connectAs = (t: TestContext, { url }: TestGateway, claims?: Claims): Promise<TestClient> =>
  connect(t, claims === undefined ? url : `${url}?token=${token(claims)}`);

/** "ok", or the code of the refusal. */
async function subscribed(client: TestClient, channel: string, subscribeToken?: string): Promise<unknown> {
  const reply = await client.ask("subscribe", { channel, token: subscribeToken });
  return reply.success === true ? "ok" : reply.code;
}

const now = () => Math.floor(Date.now() / 1000);

describe("A user's private channel", () => {
  it("is open to that user and to the role admin, and to nobody else", async (t) => {
    const gateway = await startTestGateway(t);
    const channel = "private.user.42";
    assert.equal(await subscribed(await connectAs(t, gateway), channel), "unauthenticated");
    assert.equal(await subscribed(await connectAs(t, gateway, { user_id: 42 }), channel), "ok");
    assert.equal(await subscribed(await connectAs(t, gateway, { user_id: "42" }), channel), "ok");
    assert.equal(await subscribed(await connectAs(t, gateway, { sub: "42" }), channel), "ok");
    assert.equal(await subscribed(await connectAs(t, gateway, { user_id: 1, role: "admin" }), channel), "ok");
    assert.equal(
      await subscribed(await connectAs(t, gateway, { user_id: 1, role: "administrator" }), channel),
      "forbidden",
    );
    for (const userId of [43, "4", "420", "*", ">", "{user}", "42.>", "user.42"])
      assert.equal(
        await subscribed(await connectAs(t, gateway, { user_id: userId }), channel),
        "forbidden",
        `${userId}`,
      );
  });

  it("is not opened by a channels claim for all private channels", async (t) => {
    const gateway = await startTestGateway(t);
    const client = await connectAs(t, gateway, { user_id: 7, channels: ["private.>"] });
    assert.equal(await subscribed(client, "private.team.red"), "ok");
    assert.equal(await subscribed(client, "private.user.42"), "forbidden");
    assert.equal(await subscribed(client, "private.user.7"), "ok");
  });

  it("refuses in words that name the channel, and leaves the connection open", async (t) => {
    const gateway = await startTestGateway(t);
    const client = await connectAs(t, gateway, { user_id: 43 });
    assert.deepEqual(without(await client.ask("subscribe", { channel: "private.user.42" }), "id"), {
      success: false,
      action: "error",
      error: "Not allowed to subscribe to channel private.user.42",
      code: "forbidden",
      request: "subscribe",
      channel: "private.user.42",
    });
    await client.settled();
  });

  it("tells an outsider nothing: no message, no history, no members", async (t) => {
    const gateway = await startTestGateway(t, {
      channels: { "private.user.{user}": { history: { size: 10, seconds: 60 }, presence: true } },
    });
    const owner = await connectAs(t, gateway, { user_id: 42 });
    const outsider = await connectAs(t, gateway, { user_id: 43 });
    await owner.subscribe("private.user.42");
    await publish(owner, "private.user.42", "secret");
    for (const action of ["subscribe", "history", "presence", "message"]) {
      const options = { history: 10, presence: true };
      const reply = await outsider.ask(action, { channel: "private.user.42", message: "let me in", options });
      assert.equal(reply.success, false, action);
      assert.equal(JSON.stringify(reply).includes("secret"), false);
    }
    assert.deepEqual((await owner.ask("history", { channel: "private.user.42" })).success, true);
    await outsider.settled();
    assert.deepEqual(received(outsider), []);
  });
});

describe("Other private channels", () => {
  it("are closed without a claim or a subscribe token, whoever asks", async (t) => {
    const gateway = await startTestGateway(t);
    for (const channel of ["private.team", "private.user", "private.user.42.deeper"]) {
      assert.equal(await subscribed(await connectAs(t, gateway), channel), "unauthenticated");
      assert.equal(await subscribed(await connectAs(t, gateway, { user_id: 42 }), channel), "forbidden");
      assert.equal(await subscribed(await connectAs(t, gateway, { user_id: 1, role: "admin" }), channel), "forbidden");
    }
  });

  it("are opened by a channels claim, as far as its patterns reach", async (t) => {
    const gateway = await startTestGateway(t);
    const channels = ["private.team.red", "private.project.*.log", "private.own.{user}"];
    const client = await connectAs(t, gateway, { user_id: "bob", channels });
    for (const channel of ["private.team.red", "private.project.7.log", "private.own.bob"])
      assert.equal(await subscribed(client, channel), "ok", channel);
    for (const channel of ["private.team.blue", "private.team", "private.project.7", "private.own.eve"])
      assert.equal(await subscribed(client, channel), "forbidden", channel);
  });

  it("are public to the word: a name that only begins alike is no private channel", async (t) => {
    const gateway = await startTestGateway(t);
    const client = await connectAs(t, gateway);
    for (const channel of ["private", "private-user.42", "privateuser", "Private.user.42"])
      assert.equal(await subscribed(client, channel), "ok", channel);
  });
});

describe("A subscribe token", () => {
  const channel = "private.team.red";

  it("opens the one channel that it names, and gives no other right", async (t) => {
    const gateway = await startTestGateway(t);
    const client = await connectAs(t, gateway, { user_id: 42 });
    const grant = token({ channel });
    assert.equal(await subscribed(client, "private.team.blue", grant), "forbidden");
    assert.equal(await subscribed(client, channel, grant), "ok");
    assert.equal(await subscribed(client, "private.team.blue"), "forbidden");
    assert.equal((await client.ask("authenticate", { token: grant })).code, "invalid_token");
    await publish(client, channel, "hello");
    await client.next({ action: "message", channel });
  });

  it("for a user is that user's alone; for nobody in particular it is its holder's", async (t) => {
    const gateway = await startTestGateway(t);
    const mine = token({ user_id: 42, channel });
    assert.equal(await subscribed(await connectAs(t, gateway, { user_id: 42 }), channel, mine), "ok");
    assert.equal(await subscribed(await connectAs(t, gateway, { user_id: 43 }), channel, mine), "forbidden");
    assert.equal(await subscribed(await connectAs(t, gateway), channel, mine), "forbidden");
    assert.equal(await subscribed(await connectAs(t, gateway), channel, token({ channel })), "ok");
  });

  it("that is expired, forged or none at all is refused by its own code", async (t) => {
    const gateway = await startTestGateway(t);
    const client = await connectAs(t, gateway, { user_id: 42 });
    assert.equal(await subscribed(client, channel, token({ channel, exp: now() - 60 })), "token_expired");
    assert.equal(
      await subscribed(client, channel, token({ channel }, "another secret of at least 32 bytes")),
      "invalid_token",
    );
    assert.equal(await subscribed(client, channel, "not a token"), "invalid_token");
    assert.equal(await subscribed(client, channel, token({ user_id: 42 })), "invalid_token");
    assert.equal(await subscribed(client, channel), "forbidden");
  });

  it("ends its subscription with an error frame when it expires", async (t) => {
    const gateway = await startTestGateway(t);
    const holder = await connectAs(t, gateway, { user_id: 42 });
    const other = await connectAs(t, gateway, { user_id: 43, channels: [channel] });
    await other.subscribe(channel);
    await holder.subscribe("news");
    assert.equal(await subscribed(holder, channel, token({ channel, exp: now() + 1 })), "ok");
    assert.deepEqual(await holder.next({ action: "error" }), {
      success: false,
      action: "error",
      error: `No longer allowed on channel ${channel}`,
      code: "token_expired",
      request: "subscribe",
      channel,
    });
    assert.equal((await publish(other, channel, "without you")).recipients_count, 1);
    await publish(holder, "news", "still here");
    await holder.next({ action: "message", channel: "news" });
    assert.deepEqual(received(holder, channel), []);
    assert.equal((await holder.ask("message", { channel, message: "x" })).code, "not_subscribed");
  });

  it("that is renewed in time keeps the subscription", async (t) => {
    const gateway = await startTestGateway(t);
    const [holder, other] = [await connectAs(t, gateway), await connectAs(t, gateway)];
    const short = now() + 1;
    assert.equal(await subscribed(holder, channel, token({ channel, exp: short })), "ok");
    assert.equal(await subscribed(other, channel, token({ channel, exp: short })), "ok");
    assert.equal(await subscribed(holder, channel, token({ channel })), "ok");
    await other.next({ action: "error", code: "token_expired" }); // by now the first one of the holder has ended, too
    await holder.settled();
    assert.deepEqual(holder.of("error"), []);
    await publish(holder, channel, "still here");
  });

  it("that expires takes nothing away that the connection may do by itself", async (t) => {
    const gateway = await startTestGateway(t);
    const member = await connectAs(t, gateway, { user_id: 42, channels: [channel] });
    const guest = await connectAs(t, gateway);
    const exp = now() + 1;
    assert.equal(await subscribed(member, channel, token({ channel, exp })), "ok");
    assert.equal(await subscribed(member, "news", token({ channel: "news", exp })), "ok");
    assert.equal(await subscribed(guest, channel, token({ channel, exp })), "ok");
    await guest.next({ action: "error", code: "token_expired" });
    for (const name of [channel, "news"]) {
      await publish(member, name, "still here");
      await member.next({ action: "message", channel: name });
    }
    assert.deepEqual(member.of("error"), []);
  });
});

describe("A token that is refreshed", () => {
  it("with fewer rights ends the subscriptions that are no longer allowed, and only those", async (t) => {
    const gateway = await startTestGateway(t);
    const channels = ["private.one", "private.two"];
    const client = await connectAs(t, gateway, { user_id: 42, channels });
    const other = await connectAs(t, gateway, { user_id: 43, channels });
    for (const channel of [...channels, "news"]) for (const each of [client, other]) await each.subscribe(channel);
    assert.equal(await subscribed(client, "private.lent", token({ channel: "private.lent" })), "ok");

    const fewer = token({ user_id: 42, channels: ["private.two"] });
    assert.equal((await client.ask("authenticate", { token: fewer })).success, true);
    const { code, request, channel } = await client.next({ action: "error" });
    assert.deepEqual([code, request, channel], ["forbidden", "subscribe", "private.one"]);

    assert.equal((await publish(other, "private.one", "no")).recipients_count, 1);
    for (const name of ["private.two", "news"]) assert.equal((await publish(other, name, "yes")).recipients_count, 2);
    await publish(client, "private.lent", "yes");
    await client.settled();
    assert.deepEqual(received(client), ["yes", "yes", "yes"]);
    assert.equal(client.of("error").length, 1);
    assert.equal(await subscribed(client, "private.one"), "forbidden");
  });

  it("with another role loses what the role opened", async (t) => {
    const gateway = await startTestGateway(t);
    const admin = await connectAs(t, gateway, { user_id: 1, role: "admin" });
    await admin.subscribe("private.user.42");
    await admin.ask("authenticate", { token: token({ user_id: 1, role: "user" }) });
    const { code, channel } = await admin.next({ action: "error" });
    assert.deepEqual([code, channel], ["forbidden", "private.user.42"]);
  });

  it("with more rights opens what they name", async (t) => {
    const gateway = await startTestGateway(t);
    const client = await connectAs(t, gateway, { user_id: 42 });
    assert.equal(await subscribed(client, "private.team.red"), "forbidden");
    await client.ask("authenticate", { token: token({ user_id: 42, channels: ["private.team.*"] }) });
    assert.equal(await subscribed(client, "private.team.red"), "ok");
  });

  it("is in force for the frame sent right behind it", async (t) => {
    const gateway = await startTestGateway(t);
    const client = await connectAs(t, gateway);
    client.request("authenticate", { token: token({ user_id: 42 }) });
    client.request("subscribe", { channel: "private.user.42" });
    await client.next({ action: "authenticate", success: true });
    await client.next({ action: "subscribe", success: true, channel: "private.user.42" });
  });
});
