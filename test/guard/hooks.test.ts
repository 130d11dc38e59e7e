import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { type CloseEvent, type ConnectRequest, HookRefusal, type MessageRequest } from "../../src/guard/hooks.ts";
import { loadHooks } from "../../src/guard/load-hooks.ts";
import { startWorkerCluster } from "../cluster/worker-cluster.ts";
import { temporaryFolder, until } from "../support/child.ts";
import { connect, refusedHandshake } from "../support/client.ts";
import { startTestGateway } from "../support/gateway.ts";
import { token } from "../support/tokens.ts";

describe("onConnect", () => {
  it("is shown the handshake, and its refusal becomes the status that fits its code", async (t) => {
    let seen: ConnectRequest | undefined;
    const gateway = await startTestGateway(
      t,
      {},
      {
        onConnect: (request) => {
          seen = request;
          const code = request.query.get("code") as "forbidden" | null;
          if (code !== null) throw new HookRefusal(code, `No: ${code}`);
        },
      },
    );
    const given = token({ user_id: 7, role: "staff", channels: ["a.>"] });
    await connect(t, `${gateway.url}/?token=${given}`, { headers: { Cookie: "s=1" } });
    assert.deepEqual([seen?.address, seen?.format, seen?.headers.get("cookie")], ["127.0.0.1", "json", "s=1"]);
    const { expiresAt, ...user } = seen?.user ?? assert.fail();
    assert.deepEqual(user, { id: 7, role: "staff", channels: ["a.>"], publish: [] });
    assert.ok(expiresAt > Date.now() / 1000);
    for (const [code, status] of Object.entries({
      unauthenticated: 401,
      forbidden: 403,
      rate_limit: 429,
      internal: 503,
    })) {
      const refused = await refusedHandshake(`${gateway.url}/?code=${code}`);
      assert.deepEqual([refused.status, JSON.parse(refused.body).error], [status, `No: ${code}`]);
    }
    assert.equal(await gateway.metric('tidegate_hook_calls_total{hook="onConnect",outcome="refused"}'), 4);
  });

  it("is not asked where the token is refused already", async (t) => {
    const gateway = await startTestGateway(t, { auth: { required: true } }, { onConnect: () => assert.fail("asked") });
    assert.equal((await refusedHandshake(gateway.url)).status, 401);
  });

  for (const isLate of [false, true]) {
    it(`may say who it is, ${isLate ? "also after a while" : "at once"}: the rights are that user's, and the client cannot change them`, async (t) => {
      const gateway = await startTestGateway(
        t,
        {},
        {
          onConnect: ({ headers }) => {
            const user = { id: Number(headers.get("x-user")), role: "guest", channels: ["private.team.>"] };
            return isLate ? new Promise((resolve) => setImmediate(resolve, { user })) : { user };
          },
        },
      );
      const client = await connect(t, gateway.url, { headers: { "X-User": "42" } });
      const [welcome = assert.fail()] = client.frames;
      assert.deepEqual(
        [welcome.authenticated, welcome.user_id, welcome.role, welcome.expires_in],
        [true, 42, "guest", undefined],
      );
      for (const channel of ["private.user.42", "private.team.a"]) await client.subscribe(channel);
      const again = await client.ask("authenticate", { token: token({ user_id: 42, role: "admin" }) });
      assert.equal(again.code, "forbidden");
    });
  }

  it("may say when its user ends, as JavaScript tells the time: clients are told whole seconds", async (t) => {
    const end = Date.now() / 1000 + 600.7;
    const gateway = await startTestGateway(t, {}, { onConnect: () => ({ user: { id: 1, expiresAt: end } }) });
    const seconds = (await connect(t, gateway.url)).frames[0]?.expires_in as number;
    assert.ok(Number.isInteger(seconds) && seconds > 500 && seconds <= 601, `${seconds}`);
  });

  it("may take a token's user away", async (t) => {
    const gateway = await startTestGateway(t, {}, { onConnect: () => ({ user: null }) });
    const client = await connect(t, `${gateway.url}/?token=${token({ user_id: 7 })}`);
    assert.equal(client.frames[0]?.authenticated, false);
    assert.equal((await client.ask("subscribe", { channel: "private.user.7" })).code, "unauthenticated");
  });

  it("keeps what it takes from the token where it changes only a part", async (t) => {
    const gateway = await startTestGateway(
      t,
      {},
      { onConnect: ({ user }) => ({ user: { id: user!.id, role: "admin" } }) },
    );
    const client = await connect(t, `${gateway.url}/?token=${token({ user_id: "ann", channels: ["private.a"] })}`);
    assert.deepEqual([client.frames[0]?.user_id, client.frames[0]?.role], ["ann", "admin"]);
    assert.ok((client.frames[0]?.expires_in as number) > 3000);
    for (const channel of ["private.a", "private.user.someone"]) await client.subscribe(channel);
  });

  it("is asked again, with the connection, when one authenticates; where it refuses, the connection stays who it was", async (t) => {
    const seen: [unknown, unknown][] = [];
    const gateway = await startTestGateway(
      t,
      {},
      {
        onConnect: ({ user, connection }) => {
          seen.push([user?.id, connection?.id]);
          return user?.id === 13 ? new HookRefusal("forbidden", "Banned") : undefined;
        },
      },
    );
    const client = await connect(t, gateway.url);
    const refused = await client.ask("authenticate", { token: token({ user_id: 13 }) });
    assert.deepEqual([refused.code, refused.error], ["forbidden", "Banned"]);
    assert.equal((await client.ask("authenticate", { token: token({ user_id: 7 }) })).user_id, 7);
    assert.deepEqual(seen, [
      [undefined, undefined],
      [13, client.connectionId],
      [7, client.connectionId],
    ]);
  });

  for (const [what, rewrite] of Object.entries({
    "a user without an id": { user: { role: "admin" } },
    "patterns that are none": { user: { id: 1, channels: [".."] } },
    "an unknown field": { role: "admin" },
  })) {
    it(`fails where it makes of it ${what}: the door stays closed`, async (t) => {
      const gateway = await startTestGateway(t, {}, { onConnect: () => rewrite as object });
      assert.equal((await refusedHandshake(gateway.url)).status, 503);
      assert.equal(await gateway.metric('tidegate_hook_calls_total{hook="onConnect",outcome="failed"}'), 1);
    });
  }
});

describe("onSubscribe", () => {
  it("refuses with its code, and may change how much is replayed", async (t) => {
    const gateway = await startTestGateway(
      t,
      {},
      {
        onSubscribe: async ({ channel, history }) => {
          if (channel === "chat.closed") return new HookRefusal("limit_reached", "Full");
          return { history: Math.min(history, 1) };
        },
      },
    );
    const client = await connect(t, gateway.url);
    const refused = await client.ask("subscribe", { channel: "chat.closed" });
    assert.deepEqual([refused.code, refused.error, refused.channel], ["limit_reached", "Full", "chat.closed"]);
    await client.subscribe("chat.a");
    for (const message of [1, 2, 3]) await client.ask("message", { channel: "chat.a", message });
    const other = await connect(t, gateway.url);
    await other.subscribe("chat.a", { history: 3 });
    await other.settled();
    assert.deepEqual(
      other.of("message").map(({ message, replayed }) => [message, replayed]),
      [[3, true]],
    );
    assert.equal((await other.ask("history", { channel: "chat.closed" })).code, "not_subscribed");
  });

  it("is asked only about what the rules allow", async (t) => {
    const asked: string[] = [];
    const gateway = await startTestGateway(t, {}, { onSubscribe: ({ channel }) => void asked.push(channel) });
    const client = await connect(t, gateway.url);
    await client.ask("subscribe", { channel: "private.user.7" });
    await client.ask("subscribe", { channel: "chat.a" });
    assert.deepEqual(asked, ["chat.a"]);
  });
});

describe("onMessage", () => {
  const masked = ({ message }: MessageRequest) => {
    if (message === "spam") return new HookRefusal("forbidden", "No spam");
    if (typeof message !== "string") return undefined;
    return message.includes("darn") ? { message: message.replace("darn", "****") } : undefined;
  };

  it("refuses, rewrites or leaves a message; history has what subscribers got", async (t) => {
    const gateway = await startTestGateway(t, {}, { onMessage: masked });
    const client = await connect(t, gateway.url);
    await client.subscribe("chat.a");
    const replies = [];
    for (const message of ["spam", "darn it", "hello", { any: "thing" }])
      replies.push((await client.ask("message", { channel: "chat.a", message })).action);
    assert.deepEqual(replies, ["error", "message_sent", "message_sent", "message_sent"]);
    const { messages } = await client.ask("history", { channel: "chat.a" });
    for (const got of [client.of("message"), messages as { message: unknown }[]])
      assert.deepEqual(
        got.map(({ message }) => message),
        ["**** it", "hello", { any: "thing" }],
      );
    for (const [outcome, count] of Object.entries({ refused: 1, rewritten: 1, allowed: 2, failed: 0 }))
      assert.equal(await gateway.metric(`tidegate_hook_calls_total{hook="onMessage",outcome="${outcome}"}`), count);
  });

  it("may say who gets it, and that all do", async (t) => {
    const gateway = await startTestGateway(
      t,
      {},
      {
        onMessage: ({ message, target, connection }) =>
          message === "to me" ? { target: { connections: [connection.id] } } : target && { target: null },
      },
    );
    const [ann, ben] = [await connect(t, gateway.url), await connect(t, gateway.url)];
    for (const client of [ann, ben]) await client.subscribe("chat.a");
    await ann.ask("message", { channel: "chat.a", message: "to me" });
    await ann.ask("message", { channel: "chat.a", message: "to all", connections: [ann.connectionId] });
    await ben.next({ action: "message", message: "to all" });
    assert.deepEqual([ann.of("message").length, ben.of("message").length], [2, 1]);
  });

  it("keeps a connection's messages in their order, however long each takes, and holds up nobody else", async (t) => {
    const open: (() => void)[] = [];
    const gateway = await startTestGateway(
      t,
      {},
      {
        onMessage: ({ message }) =>
          message === "slow" ? new Promise<void>((resolve) => open.push(resolve)) : undefined,
      },
    );
    const [ann, ben] = [await connect(t, gateway.url), await connect(t, gateway.url)];
    for (const client of [ann, ben]) await client.subscribe("chat.a");
    for (const [id, message] of ["slow", "quick", "slow", "last"].entries())
      ann.request("message", { channel: "chat.a", message }, id);
    await until(
      () => open.length === 1,
      () => "no hook waits",
    );
    assert.equal((await ben.ask("message", { channel: "chat.a", message: "between" })).action, "message_sent");
    open.shift()?.();
    await until(
      () => open.length === 1,
      () => "no hook waits",
    );
    open.shift()?.();
    await ann.next({ action: "message", message: "last" });
    assert.deepEqual(
      ann.of("message").map(({ message }) => message),
      ["between", "slow", "quick", "slow", "last"],
    );
  });

  it("hurts only the connection whose message it fails on or hangs with, and is counted", async (t) => {
    const gateway = await startTestGateway(
      t,
      { hooks: { timeoutMs: 50 } },
      {
        onMessage: ({ message }) => {
          if (message === "throw") throw new Error("boom");
          if (message === "hang") return new Promise(() => {});
          if (message === "nonsense") return { message: () => {} };
          return message === "large" ? { message: "x".repeat(70_000) } : undefined;
        },
      },
    );
    const [ann, ben] = [await connect(t, gateway.url), await connect(t, gateway.url)];
    for (const client of [ann, ben]) await client.subscribe("chat.a");
    const codes: Record<string, unknown> = {};
    for (const message of ["throw", "hang", "nonsense", "large", "fine"])
      codes[message] = (await ann.ask("message", { channel: "chat.a", message })).code;
    assert.deepEqual(codes, {
      throw: "internal",
      hang: "unavailable",
      nonsense: "internal",
      large: "internal",
      fine: undefined,
    });
    assert.equal((await ben.next({ action: "message" })).message, "fine");
    assert.equal(await gateway.metric('tidegate_hook_calls_total{hook="onMessage",outcome="failed"}'), 3);
    assert.equal(await gateway.metric('tidegate_hook_calls_total{hook="onMessage",outcome="timed_out"}'), 1);
    assert.equal(gateway.logLines.filter(({ msg }) => msg === "hook failed").length, 3);
  });
});

describe("onClose", () => {
  it("is told of every end, with its reason, its user, and what onConnect gave; what it throws hurts nobody", async (t) => {
    const closed: CloseEvent[] = [];
    const gateway = await startTestGateway(
      t,
      { messageBytesMax: 1024, sendQueueBytesMax: 65_536 },
      {
        onConnect: () => ({ data: { since: "today" } }),
        onClose: (event) => {
          closed.push(event);
          throw new Error("boom");
        },
      },
    );
    const ann = await connect(t, `${gateway.url}/?token=${token({ user_id: 7 })}`);
    const ben = await connect(t, gateway.url);
    ann.socket.close();
    await ann.close();
    ben.sendRaw("x".repeat(2000));
    await ben.close();
    await until(
      () => closed.length === 2,
      () => `${closed.length} ends were told`,
    );
    assert.deepEqual(
      closed.map(({ connection, reason }) => [connection.id, connection.user?.id, connection.data, reason]),
      [
        [ann.connectionId, 7, { since: "today" }, "client"],
        [ben.connectionId, undefined, { since: "today" }, "message_too_big"],
      ],
    );
    await (await connect(t, gateway.url)).settled();
  });

  it("is waited for when the gateway stops", async (t) => {
    let isDone = false;
    const gateway = await startTestGateway(
      t,
      {},
      {
        onClose: async () => {
          await new Promise((resolve) => setTimeout(resolve, 50));
          isDone = true;
        },
      },
    );
    await connect(t, gateway.url);
    await gateway.stop();
    assert.equal(isDone, true);
  });
});

describe("hooks.module", () => {
  const moduleOf = async (t: TestContext, source: string): Promise<string> => {
    const file = join(await temporaryFolder(t), "hooks.mjs");
    await writeFile(file, source);
    return file;
  };

  it("is loaded by every worker: its hooks are asked wherever a client ends up", async (t) => {
    const module = await moduleOf(t, "export const onMessage = ({ message }) => ({ message: message + '!' });");
    const cluster = await startWorkerCluster(t, { hooks: { module } });
    for (let i = 0; i < 6; i += 1) {
      const client = await connect(t, cluster.url);
      await client.subscribe("chat.a");
      client.request("message", { channel: "chat.a", message: i });
      await client.next({ action: "message", message: `${i}!` });
    }
  });

  it("may have them in its default export", async (t) => {
    const module = await moduleOf(t, "export default { onConnect: () => ({ user: { id: 'x' } }) };");
    const gateway = await startTestGateway(t, { hooks: { module } });
    assert.equal((await connect(t, gateway.url)).frames[0]?.user_id, "x");
  });

  for (const [source, expected] of [
    ["export const x = 1;", /cannot use hooks: hooks\.module .*\.mjs must have one of onConnect, /],
    ["export const onClose = 1;", /onClose of hooks\.module .*\.mjs must be a function, got number/],
    ["throw null;", /cannot load hooks: hooks\.module must be a module, got .*\.mjs \(it threw object\)/],
    ["this is no JavaScript", /cannot load hooks: hooks\.module must be a module, got .*\.mjs \(/],
  ] as const) {
    it(`stops the start where it is ${JSON.stringify(source)}`, async (t) => {
      const module = await moduleOf(t, source);
      await assert.rejects(startTestGateway(t, { hooks: { module } }), expected);
    });
  }

  it("stops the start where it awaits what never comes, and says so: the process would end or wait without a word", async (t) => {
    const module = await moduleOf(t, "await new Promise(() => {}); export const onClose = () => {};");
    await assert.rejects(
      loadHooks(module, 50),
      /cannot load hooks: hooks\.module must be a module, got .*\.mjs \(not loaded after 0\.05 s/,
    );
  });

  it("must be there", (t) =>
    assert.rejects(startTestGateway(t, { hooks: { module: "gone.mjs" } }), /hooks\.module must be a file/));
});

describe("A revocation", () => {
  it("that comes while a hook is asked about its token keeps the connection out", async (t) => {
    let answer: () => void = () => assert.fail("not asked");
    const waiting = new Promise<void>((resolve) => {
      answer = resolve;
    });
    let isAsked = false;
    const onConnect = async ({ user }: ConnectRequest): Promise<void> => {
      if (user === undefined) return;
      isAsked = true;
      await waiting;
    };
    const gateway = await startTestGateway(t, {}, { onConnect });
    const refused = refusedHandshake(`${gateway.url}/?token=${token({ user_id: 7, jti: "j" })}`);
    await until(
      () => isAsked,
      () => "the hook is not asked",
    );
    await gateway.calls.revoke({ tokens: ["j"] });
    answer();
    assert.equal((await refused).status, 401);
  });

  it("that comes while a hook is asked about a subscription takes it from the subscribe token that asks for it", async (t) => {
    let answer: () => void = () => {};
    let isAsked = false;
    const onSubscribe = async (): Promise<void> => {
      isAsked = true;
      await new Promise<void>((resolve) => {
        answer = resolve;
      });
    };
    const gateway = await startTestGateway(t, {}, { onSubscribe });
    const client = await connect(t, gateway.url);
    const subscribing = client.ask("subscribe", {
      channel: "private.a",
      token: token({ channel: "private.a", jti: "j" }),
    });
    await until(
      () => isAsked,
      () => "the hook is not asked",
    );
    await gateway.calls.revoke({ tokens: ["j"] });
    answer();
    assert.equal((await subscribing).code, "invalid_token");
    assert.equal(await gateway.metric("tidegate_subscriptions"), 0);
  });

  it("of a user ends the connections that a hook made theirs, and not those that it makes theirs later", async (t) => {
    const gateway = await startTestGateway(t, {}, { onConnect: () => ({ user: { id: 7 } }) });
    const before = await connect(t, gateway.url);
    assert.equal((await gateway.calls.revoke({ users: [7] })).connections, 1);
    assert.equal((await before.close()).code, 4003);
    // A token issued in the second of the revocation ends with it, and so does such a connection.
    await until(
      () =>
        connect(t, gateway.url).then(
          () => true,
          () => false,
        ),
      () => "the user cannot come back",
    );
  });
});
