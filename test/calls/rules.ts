/**
 * What the calls promise, as one suite that every deployment passes unchanged: one process, nodes that share a Redis,
 * workers under a supervisor. Each rule uses channels and users of its own, so that one start serves all.
 */
import assert from "node:assert/strict";
import { it, type TestContext } from "node:test";
import { type CallError, type Calls, type ConnectionInfo, type Published, targetOf } from "../../src/calls/calls.ts";
import type { TestClient } from "../support/client.ts";
import { eventually } from "../support/redis.ts";
import { token } from "../support/tokens.ts";

/** A running gateway of one or several processes. */
export interface Deployment {
  /** The calls of each process that takes them. */
  readonly doors: readonly Calls[];
  /** How many processes have connections. */
  readonly processes: number;
  /** One client on each process that has connections, all with `query`. */
  connectToEach(t: TestContext, query?: string): Promise<readonly TestClient[]>;
}

/** The settings that the rules need. */
export const ruleSettings = {
  channelsPerConnectionMax: 5,
  messageBytesMax: 2000,
  presence: { leaveGraceSeconds: 0 },
  channels: {
    "kept.>": { subscribe: ["anyone"], publish: ["anyone"], history: { size: 10, seconds: 300 } },
    "open.>": { subscribe: ["anyone"], publish: ["anyone"] },
    "closed.>": { subscribe: ["granted"], publish: ["nobody"] },
    "lobby.>": { subscribe: ["anyone"], presence: true },
  },
};

let made = 0;
/** A name that no other rule uses. */
const fresh = (word: string): string => {
  made += 1;
  return `${word}${made}`;
};
const as = (claims: Record<string, unknown>): string => `?token=${token(claims)}`;
const codeOf = async (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => "none",
    (error: CallError) => error.code,
  );
const now = (): number => Math.floor(Date.now() / 1000);

/** Registers the rules; `deployment` is asked for when a rule runs. */
export function callRules(deployment: () => Deployment): void {
  const doors = () => deployment().doors;
  const connect = (t: TestContext, query?: string) => deployment().connectToEach(t, query);

  it("publish: every subscriber of every process gets it from sender 0, where the result says", async (t) => {
    const channel = `kept.${fresh("room")}`;
    const clients = await connect(t);
    for (const client of clients) await client.subscribe(channel);
    for (const [n, calls] of doors().entries()) {
      const { offset, epoch } = await calls.publish({ channel, message: { n } });
      for (const client of clients) {
        const { time, ...frame } = await client.next({ action: "message" });
        assert.deepEqual(frame, { action: "message", channel, sender: 0, message: { n }, offset, epoch });
        assert.equal(Math.abs((time as number) - now()) < 10, true);
      }
    }
  });

  it("publish: users and connections are the only ones to get it, and it has no position", async (t) => {
    const channel = `kept.${fresh("room")}`;
    const user = fresh("user");
    const [named, others] = [await connect(t, as({ user_id: user })), await connect(t)];
    for (const client of [...named, ...others]) await client.subscribe(channel);
    const first = { channel, message: "for some", users: [user], connections: [others[0]!.connectionId] };
    assert.deepEqual(targetOf(first), { users: [user], connections: first.connections });
    for (const calls of doors()) assert.deepEqual(await calls.publish(first), {});
    await doors()[0]!.publish({ channel, message: "for all" });
    for (const client of [...named, others[0]!]) {
      for (const _ of doors()) assert.equal((await client.next({ action: "message" })).message, "for some");
      assert.equal((await client.next({ action: "message" })).message, "for all");
    }
    for (const client of others.slice(1)) assert.equal((await client.next({ action: "message" })).message, "for all");
  });

  it("publish: a repeated key is answered as the first one, by every process, and is not a client's key", async (t) => {
    const channel = `kept.${fresh("room")}`;
    const [client] = await connect(t);
    await client!.subscribe(channel);
    await client!.ask("message", { channel, message: "a client's", key: "order-1" });
    const first = await doors()[0]!.publish({ channel, message: "first", key: "order-1" });
    assert.equal(first.duplicate, undefined);
    for (const calls of doors()) {
      await eventually(async () => (await calls.history({ channel })).offset === first.offset, "the log");
      assert.deepEqual(await calls.publish({ channel, message: "again", key: "order-1" }), {
        ...first,
        duplicate: true,
      });
    }
    await doors()[0]!.publish({ channel, message: "last", key: "order-2" });
    await client!.next({ action: "message", message: "last" });
    const texts = client!.of("message").map(({ message }) => message);
    assert.deepEqual(texts, ["a client's", "first", "last"]);
  });

  it("publish: refuses what is no channel, no JSON or too large, and nothing of it is delivered", async (t) => {
    const channel = `open.${fresh("room")}`;
    const [client] = await connect(t);
    await client!.subscribe(channel);
    const loop: Record<string, unknown> = {};
    loop.loop = loop;
    for (const calls of doors()) {
      for (const bad of ["", "a b", "*", 'x","y":"', "a".repeat(201)])
        assert.equal(await codeOf(calls.publish({ channel: bad, message: 1 })), "invalid_channel", bad);
      for (const message of [undefined, () => 1, 1n, loop])
        assert.equal(await codeOf(calls.publish({ channel, message: message as never })), "invalid_call");
      assert.equal(await codeOf(calls.publish({ channel, message: "x".repeat(1999) })), "too_large");
      assert.equal(await codeOf(calls.publish({ channel, message: "日".repeat(700) })), "too_large");
      await calls.publish({ channel, message: "x".repeat(1998) });
      assert.equal(((await client!.next({ action: "message" })).message as string).length, 1998);
    }
  });

  it("broadcast: a result for each channel in order; a bad one does not stop the others", async (t) => {
    const [a, b] = [`kept.${fresh("room")}`, `open.${fresh("room")}`];
    const clients = await connect(t);
    for (const client of clients) for (const channel of [a, b]) await client.subscribe(channel);
    for (const calls of doors()) {
      const [first, second, third] = await calls.broadcast({ channels: [a, "no channel", b], message: { to: "all" } });
      assert.equal((second as CallError).code, "invalid_channel");
      assert.deepEqual(third, {});
      for (const client of clients) {
        const frames = [await client.next({ action: "message" }), await client.next({ action: "message" })];
        const [inA, inB] = [a, b].map((channel) => frames.find((frame) => frame.channel === channel)); // in any order
        assert.deepEqual({ offset: inA?.offset, epoch: inA?.epoch }, first);
        assert.deepEqual(inB?.message, { to: "all" });
      }
      assert.equal(await codeOf(calls.broadcast({ channels: [a], message: "x".repeat(2000) })), "too_large");
    }
  });

  it("subscribe: whoever is named is subscribed on every process, also where no rule allows it, and is told", async (t) => {
    const user = fresh("user");
    for (const calls of doors()) {
      const channel = `closed.${fresh("room")}`;
      const named = await connect(t, as({ user_id: user }));
      const others = await connect(t);
      const [byId, bySession] = [others[0]!, others.at(-1)!];
      const call = {
        channel,
        users: [user],
        connections: [byId.connectionId, 2 ** 53 - 1],
        sessions: [bySession.frames[0]!.session as string, "nobody.1", "", "."],
      };
      const expected = [...new Set([...named, byId, bySession])];
      assert.deepEqual(await calls.subscribe(call), { connections: expected.length });
      assert.deepEqual(await calls.subscribe(call), { connections: 0 }, "they are subscribed already");
      await calls.publish({ channel, message: "welcome" });
      for (const client of expected) {
        assert.deepEqual(await client.next({ channel }), { success: true, action: "subscribe", channel });
        assert.equal((await client.next({ channel })).message, "welcome");
      }
      assert.deepEqual(await calls.unsubscribe({ ...call, users: [] }), {
        connections: new Set([byId, bySession]).size,
      });
      for (const client of new Set([byId, bySession]))
        assert.deepEqual(await client.next({ channel }), { success: true, action: "unsubscribe", channel });
      await calls.publish({ channel, message: "goodbye" });
      for (const client of named) assert.equal((await client.next({ channel })).message, "goodbye");
      for (const client of others) {
        await client.settled();
        assert.deepEqual(
          client.of("message").filter(({ message }) => message === "goodbye"),
          [],
        );
      }
      await calls.disconnect({ users: [user] });
    }
  });

  it("subscribe: holds when the client authenticates anew, and ends when it unsubscribes", async (t) => {
    const [calls] = doors();
    const user = fresh("user");
    const channel = `closed.${fresh("room")}`;
    const clients = await connect(t, as({ user_id: user }));
    await calls!.subscribe({ channel, users: [user] });
    for (const client of clients) await client.ask("authenticate", { token: token({ user_id: user }) });
    await calls!.publish({ channel, message: 1 });
    for (const client of clients) await client.next({ action: "message", channel });
    for (const client of clients) await client.ask("unsubscribe", { channel });
    assert.deepEqual(await calls!.unsubscribe({ channel, users: [user] }), { connections: 0 });
  });

  it("subscribe: no further than channelsPerConnectionMax, and makes members", async (t) => {
    const user = fresh("user");
    const clients = await connect(t, as({ user_id: user }));
    for (const client of clients)
      for (let n = 0; n < (client === clients[0] ? 5 : 4); n += 1) await client.subscribe(`open.${fresh("room")}`);
    const channel = `lobby.${fresh("room")}`;
    const [calls] = doors();
    assert.deepEqual(await calls!.subscribe({ channel, users: [user] }), { connections: clients.length - 1 });
    if (clients.length === 1) return;
    for (const other of doors()) {
      await eventually(async () => (await other.presenceStats({ channel })).members === 1, "the member");
      assert.deepEqual(await other.presence({ channel }), { members: [{ user_id: user, role: "user" }] });
    }
  });

  it("disconnect: by user, connection and session, with the code and reason that are given; others stay", async (t) => {
    for (const calls of doors()) {
      const user = fresh("user");
      const named = await connect(t, as({ user_id: user }));
      const others = await connect(t);
      const channel = `open.${fresh("room")}`;
      for (const client of named) await client.subscribe(channel);
      await calls.publish({ channel, message: "you are out" });
      assert.deepEqual(await calls.disconnect({ users: [user] }), { connections: named.length });
      for (const client of named) {
        assert.deepEqual(await client.close(), { code: 4503, reason: "disconnected by an operator" });
        assert.equal(client.of("message").length, 1, "what was published before still comes");
      }
      const [byId, bySession] = [others[0]!, others.at(-1)!];
      const ended = { connections: 1 };
      assert.deepEqual(
        await calls.disconnect({ sessions: [bySession.frames[0]!.session as string], code: 4999 }),
        ended,
      );
      assert.deepEqual(await bySession.close(), { code: 4999, reason: "disconnected by an operator" });
      if (byId !== bySession) {
        const call = { connections: [byId.connectionId], code: 4000, reason: "come back" };
        assert.deepEqual(await calls.disconnect(call), ended);
        assert.deepEqual(await byId.close(), { code: 4000, reason: "come back" });
      }
      assert.deepEqual(await calls.disconnect({ users: [user, "nobody"], connections: [1e15] }), { connections: 0 });
      for (const client of others.slice(1, -1)) await client.settled();
    }
  });

  it("calls that name nobody, or something out of range, are refused", async () => {
    for (const calls of doors()) {
      for (const call of [
        calls.disconnect({}),
        calls.subscribe({ channel: "open.a" }),
        calls.revoke({}),
        calls.revoke({ users: ["a"], until: now() - 1 }),
        calls.disconnect({ users: ["a"], code: 1000 }),
        calls.disconnect({ users: ["a"], code: 4000.5 }),
        calls.disconnect({ users: ["a"], reason: "x".repeat(124) }),
        calls.channels({ limit: 0 }),
        calls.channels({ limit: 1001 }),
        calls.channels({ pattern: "a.>.b" }),
        calls.channels({ cursor: "no channel" }),
        calls.connections({ cursor: "x" }),
        calls.connections({ cursor: "-1" }),
        calls.connections({ cursor: " " }),
        calls.connections({ cursor: "1e3" }),
      ])
        assert.equal(await codeOf(call), "invalid_call");
      assert.equal(await codeOf(calls.subscribe({ channel: "no channel", users: ["a"] })), "invalid_channel");
      const names = Array.from({ length: 3000 }, () => "x".repeat(100));
      assert.equal(await codeOf(calls.disconnect({ users: names })), "too_large");
    }
  });

  it("revoke: a token ends on every process by its jti; its connections are told, and closed with 4003", async (t) => {
    for (const calls of doors()) {
      const [user, jti] = [fresh("user"), fresh("token")];
      const revoked = as({ user_id: user, jti });
      const named = await connect(t, revoked);
      const others = await connect(t, as({ user_id: user, jti: fresh("token") }));
      assert.deepEqual(await calls.revoke({ tokens: [jti] }), { connections: named.length });
      for (const client of named) {
        const { code } = await client.close();
        assert.equal(code, 4003);
        const frame = { success: false, action: "error", error: "Token revoked", code: "invalid_token" };
        assert.deepEqual(client.frames.at(-1), frame);
      }
      for (const client of await connect(t, revoked))
        assert.deepEqual(
          { authenticated: client.frames[0]!.authenticated, auth_error: client.frames[0]!.auth_error },
          { authenticated: false, auth_error: "invalid_token" },
        );
      for (const client of others) {
        await client.settled();
        const reply = await client.ask("authenticate", { token: token({ user_id: user, jti }) });
        assert.equal(reply.code, "invalid_token");
      }
    }
  });

  it("revoke: all tokens of a user issued up to now end; later ones, and other users', do not", async (t) => {
    for (const calls of doors()) {
      const user = fresh("user");
      const old = await connect(t, as({ user_id: user, iat: now() - 60 }));
      const ageless = await connect(t, as({ user_id: user }));
      const others = await connect(t, as({ user_id: fresh("user"), iat: now() - 60 }));
      assert.deepEqual(await calls.revoke({ users: [user] }), { connections: old.length + ageless.length });
      for (const client of [...old, ...ageless]) assert.equal((await client.close()).code, 4003);
      for (const client of others) await client.settled();
      const later = await connect(t, as({ user_id: user, iat: now() + 3 })); // within auth.clockToleranceSeconds
      for (const client of later) assert.equal(client.frames[0]!.authenticated, true);
    }
  });

  it("revoke: a subscription by a subscribe token ends with a frame; the connection stays", async (t) => {
    for (const calls of doors()) {
      const channel = `closed.${fresh("room")}`;
      const jti = fresh("token");
      const clients = await connect(t);
      for (const client of clients)
        assert.equal((await client.ask("subscribe", { channel, token: token({ channel, jti }) })).success, true);
      assert.deepEqual(await calls.revoke({ tokens: [jti] }), { connections: clients.length });
      for (const client of clients) {
        const frame = await client.next({ action: "error" });
        assert.deepEqual([frame.error, frame.code], [`No longer allowed on channel ${channel}`, "invalid_token"]);
        const reply = await client.ask("subscribe", { channel, token: token({ channel, jti }) });
        assert.equal(reply.code, "invalid_token");
      }
    }
  });

  it("history: the latest, in either order; since a position, all or the beginning of what followed", async () => {
    const channel = `kept.${fresh("room")}`;
    const published: Published[] = [];
    for (let n = 0; n < 12; n += 1) published.push(await doors()[0]!.publish({ channel, message: n }));
    const numbers = (page: { readonly messages: readonly unknown[] }) =>
      page.messages.map((frame) => (frame as { message: number }).message);
    const at = (n: number) => ({ offset: published[n]!.offset!, epoch: published[n]!.epoch! });
    for (const calls of doors()) {
      await eventually(async () => (await calls.history({ channel })).offset === at(11).offset, "the log");
      const all = await calls.history({ channel });
      assert.deepEqual(numbers(all), [2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
      assert.deepEqual({ offset: all.offset, epoch: all.epoch }, at(11));
      assert.deepEqual(numbers(await calls.history({ channel, limit: 2 })), [10, 11]);
      assert.deepEqual(numbers(await calls.history({ channel, limit: 2, reverse: true })), [11, 10]);
      const since = await calls.history({ channel, since: at(7) });
      assert.deepEqual([numbers(since), since.recovered], [[8, 9, 10, 11], true]);
      const some = await calls.history({ channel, since: at(7), limit: 2 });
      assert.deepEqual([numbers(some), some.recovered], [[8, 9], false]);
      assert.equal((await calls.history({ channel, since: at(1) })).recovered, true, "the edge of what is kept");
      assert.equal((await calls.history({ channel, since: at(0) })).recovered, false);
      assert.equal((await calls.history({ channel, since: { ...at(7), epoch: "other" } })).recovered, false);
      assert.equal(await codeOf(calls.history({ channel: "open.a" })), "not_found");
      const empty = await calls.history({ channel: `kept.${fresh("room")}` });
      assert.deepEqual(empty.messages, []);
    }
  });

  it("presence: members and their connections on all processes", async (t) => {
    const channel = `lobby.${fresh("room")}`;
    const user = fresh("user");
    const [named, others] = [await connect(t, as({ user_id: user })), await connect(t)];
    for (const client of [...named, ...others]) await client.subscribe(channel);
    const wanted = { members: 1 + others.length, connections: named.length + others.length };
    for (const calls of doors()) {
      await eventually(
        async () => (await calls.presenceStats({ channel })).connections === wanted.connections,
        "joins",
      );
      assert.deepEqual(await calls.presenceStats({ channel }), wanted);
      const { members } = await calls.presence({ channel });
      const ids = [
        { user_id: user, role: "user" },
        ...others.map((client) => ({ connection_id: client.connectionId })),
      ];
      const sorted = (list: readonly object[]) => list.map((member) => JSON.stringify(member)).sort();
      assert.deepEqual(sorted(members), sorted(ids));
      assert.equal(await codeOf(calls.presence({ channel: "open.a" })), "not_found");
      assert.equal(await codeOf(calls.presenceStats({ channel: "open.a" })), "not_found");
    }
  });

  it("channels: those that match, with the subscribers of all processes, in pages", async (t) => {
    const word = fresh("word");
    const clients = await connect(t);
    const names = ["a", "b", "c", "d"].map((letter) => `open.${word}.${letter}`);
    for (const [i, client] of clients.entries()) {
      for (const name of names.slice(0, i === 0 ? 4 : 2)) await client.subscribe(name);
      await client.subscribe(`open.${fresh("room")}`);
    }
    const wanted = names.map((channel, n) => ({ channel, subscribers: n < 2 ? clients.length : 1 }));
    for (const calls of doors()) {
      assert.deepEqual(await calls.channels({ pattern: `open.${word}.*` }), { items: wanted });
      assert.deepEqual(await calls.channels({ pattern: `open.${word}.>`, limit: 4 }), { items: wanted });
      const first = await calls.channels({ pattern: `open.${word}.>`, limit: 3 });
      assert.deepEqual(first, { items: wanted.slice(0, 3), next: names[2] });
      const second = await calls.channels({ pattern: `open.${word}.>`, limit: 3, cursor: first.next });
      assert.deepEqual(second, { items: wanted.slice(3) });
    }
  });

  it("connections: by user, by id, and all of them in pages", async (t) => {
    const user = fresh("user");
    const channel = `open.${fresh("room")}`;
    const clients = [...(await connect(t, as({ user_id: user }))), ...(await connect(t, as({ user_id: user })))];
    for (const client of clients) await client.subscribe(channel);
    const ids = clients.map(({ connectionId }) => connectionId).sort((a, b) => a - b);
    for (const calls of doors()) {
      const { items } = await calls.connections({ user });
      assert.deepEqual(
        items.map(({ connection }) => connection),
        ids,
      );
      const [welcome] = clients[0]!.frames;
      const { items: one, next } = await calls.connections({ connection: clients[0]!.connectionId });
      const { session, node } = welcome as unknown as ConnectionInfo;
      const info = { connection: clients[0]!.connectionId, session, node, user, role: "user", format: "json" };
      assert.deepEqual(one, [{ ...info, address: "127.0.0.1", channels: [channel], queuedBytes: 0 }]);
      assert.equal(next, undefined);
      assert.deepEqual(await calls.connections({ connection: clients[0]!.connectionId, user: "other" }), { items: [] });
      const paged: number[] = [];
      let cursor: string | undefined;
      do {
        const page = await calls.connections({ limit: 3, cursor });
        assert.equal(page.isPartial, undefined, "a process did not answer");
        assert.equal(page.items.length <= 3, true);
        paged.push(...page.items.map(({ connection }) => connection));
        cursor = page.next;
      } while (cursor !== undefined);
      assert.deepEqual(
        paged,
        [...new Set(paged)].sort((a, b) => a - b),
      );
      for (const id of ids) assert.equal(paged.includes(id), true);
      const byUser: number[] = [];
      for (let page = await calls.connections({ user, limit: 1 }); ; ) {
        byUser.push(...page.items.map(({ connection }) => connection));
        if (page.next === undefined) break;
        page = await calls.connections({ user, limit: 1, cursor: page.next });
      }
      assert.deepEqual(byUser, ids);
    }
  });

  it("info: every process with its version, and what all have together", async (t) => {
    const clients = await connect(t);
    for (const client of clients) await client.subscribe(`open.${fresh("room")}`);
    for (const calls of doors()) {
      const { nodes, connections, subscriptions, version, isPartial } = await calls.info();
      assert.equal(isPartial, undefined, "a process did not answer");
      assert.deepEqual(
        nodes.map(({ node }) => node),
        [...new Set(clients.map(({ frames }) => frames[0]!.node as string))].sort(),
      );
      assert.equal(nodes.length, deployment().processes);
      for (const node of nodes) {
        assert.equal(node.version, version);
        assert.equal(node.connections >= 1 && node.subscriptions >= 1 && node.uptimeSeconds >= 0, true);
      }
      assert.equal(
        connections,
        nodes.reduce((sum, node) => sum + node.connections, 0),
      );
      assert.equal(
        subscriptions,
        nodes.reduce((sum, node) => sum + node.subscriptions, 0),
      );
    }
  });

  it("stats: what every process has counted, and that nothing stands in the way", async (t) => {
    const channel = `open.${fresh("room")}`;
    const clients = await connect(t);
    for (const client of clients) await client.subscribe(channel);
    for (const calls of doors()) {
      const before = await calls.stats();
      assert.deepEqual([before.ready, before.reason, before.isPartial], [true, "", undefined]);
      const nodes = clients.map(({ frames }) => frames[0]!.node as string);
      assert.deepEqual(
        before.processes.map(({ node }) => node),
        [...new Set(nodes)].sort(),
      );
      await calls.publish({ channel, message: "counted" });
      for (const client of clients) await client.next({ action: "message" });
      await eventually(async () => {
        const { processes } = await calls.stats();
        return processes.every((process, n) => {
          const { deliveries, publications, deliveryLatency } = before.processes[n]!;
          return (
            process.deliveries === deliveries + 1 &&
            process.publications === publications + 1 &&
            sumOf(process.deliveryLatency) === sumOf(deliveryLatency) + 1
          );
        });
      }, "one delivery more in each process");
    }
  });
}

const sumOf = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0);
