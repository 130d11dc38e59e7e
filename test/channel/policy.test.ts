import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Identity } from "../../src/auth/identity.ts";
import { Policies, type Policy, type Request, refuse } from "../../src/channel/policy.ts";
import type { PolicyOptions } from "../../src/channel/policy-options.ts";
import { bytesKept } from "../support/memory.ts";

const policies = (options: Record<string, PolicyOptions>) => new Policies(options, 8);

function identity(userId: string, more: Partial<Identity> = {}): Identity {
  const userIdJson = JSON.stringify(userId);
  return { userId, userIdJson, role: "user", channels: [], publish: [], expiresAt: 2e9, ...more };
}

/** What `rules` of `policy` say to a request; `undefined` is yes. */
function asked(policy: Policy, rules: readonly string[], channel: string, request: Partial<Request> = {}) {
  return refuse(rules, policy, { channel, identity: undefined, granted: [], isSubscriber: false, ...request });
}

describe("A channel's policy", () => {
  it("is closed, without history and with echo, where no pattern matches", () => {
    const { subscribe, publish, history, presence, echo, rate } = policies({}).of("any.channel");
    assert.deepEqual(
      { subscribe, publish, history, presence, echo, rate },
      {
        subscribe: ["nobody"],
        publish: ["nobody"],
        history: { size: 0, seconds: 0 },
        presence: false,
        echo: true,
        rate: undefined,
      },
    );
  });

  it("takes each field from the most specific pattern that has it", () => {
    const all = policies({
      "team.red.lobby": { echo: false },
      "team.>": { subscribe: ["authenticated"], history: { size: 1, seconds: 1 } },
      "team.red.*": { history: { size: 3, seconds: 3 } },
      "team.*.*": { history: { size: 2, seconds: 2 }, presence: true },
    });
    const { subscribe, history, presence, echo, publish } = all.of("team.red.lobby");
    assert.deepEqual(
      { subscribe, history, presence, echo, publish },
      {
        subscribe: ["authenticated"],
        history: { size: 3, seconds: 3 },
        presence: true,
        echo: false,
        publish: ["nobody"],
      },
    );
    assert.deepEqual(all.of("team.blue.lobby").history, { size: 2, seconds: 2 });
    assert.deepEqual(all.of("team.blue").history, { size: 1, seconds: 1 });
    assert.deepEqual(all.of("other").history, { size: 0, seconds: 0 });
  });

  it("ranks patterns by their first differing word: > below * below {user} below a literal word", () => {
    const patterns = [">", "*.>", "{user}.>", "a.>", "a.*", "a.{user}", "a.b", "a.b.>"];
    for (const options of [patterns, [...patterns].reverse()]) {
      const all = policies(Object.fromEntries(options.map((pattern) => [pattern, { subscribe: [pattern] }])));
      const decisive = (channel: string) => all.of(channel).subscribe[0];
      assert.equal(decisive("x"), ">");
      assert.equal(decisive("x.y"), "{user}.>");
      assert.equal(decisive("a.x.y"), "a.>");
      assert.equal(decisive("a.x"), "a.{user}");
      assert.equal(decisive("a.b"), "a.b");
      assert.equal(decisive("a.b.c"), "a.b.>");
    }
  });

  it("can take a wider pattern's history, presence, rate and echo away again", () => {
    const all = policies({
      ">": { history: { size: 9, seconds: 9 }, presence: true, rate: 5, echo: false },
      "plain.>": { history: { size: 0, seconds: 0 }, presence: false, rate: 0, echo: true },
    });
    const { history, presence, rate, echo } = all.of("plain.x");
    assert.deepEqual([history, presence, rate, echo], [{ size: 0, seconds: 0 }, false, undefined, true]);
    assert.equal(all.of("other").rate === undefined, false);
  });

  it("is the same for a name asked again, also after more names than are remembered", () => {
    const all = policies({ "chat.>": { echo: false } });
    const policy = all.of("chat.room");
    for (let n = 0; n < 20_000; n += 1) assert.equal(all.of(`other.${n}`).echo, true);
    assert.equal(all.of("chat.room"), policy);
  });

  it("is remembered for 2000 names at most: names without end cost no memory", () => {
    const all = policies({ ">": { echo: false } });
    const grown = bytesKept(() => {
      for (let n = 0; n < 20_000; n += 1) all.of(`${n}.`.padEnd(2000, "x"));
    });
    assert.equal(grown < 8_000_000, true, `${grown} bytes more`); // 20,000 names are 40 MB
    assert.equal(all.of("chat.room").echo, false); // it is still in use
  });
});

describe("The rules of a policy", () => {
  const policy = policies({}).of("chat.room");
  const bob = identity("bob");

  it("allow whom any one of them allows", () => {
    assert.equal(asked(policy, ["nobody", "role:admin", "authenticated"], "chat.room", { identity: bob }), undefined);
    assert.equal(asked(policy, ["nobody", "anyone"], "chat.room"), undefined);
    assert.equal(asked(policy, ["role:admin", "role:user"], "chat.room", { identity: bob }), undefined);
  });

  it("answer the anonymous with unauthenticated, where a token could help, and others with forbidden", () => {
    assert.equal(asked(policy, ["authenticated"], "chat.room"), "unauthenticated");
    assert.equal(asked(policy, ["role:admin"], "chat.room"), "unauthenticated");
    assert.equal(asked(policy, ["role:admin"], "chat.room", { identity: bob }), "forbidden");
    assert.equal(asked(policy, ["nobody"], "chat.room"), "forbidden");
    assert.equal(asked(policy, ["nobody"], "chat.room", { identity: bob }), "forbidden");
  });

  it("answer whoever is not subscribed with not_subscribed, where subscribing could help", () => {
    assert.equal(asked(policy, ["subscriber"], "chat.room"), "not_subscribed");
    assert.equal(asked(policy, ["role:admin", "subscriber"], "chat.room", { identity: bob }), "not_subscribed");
    assert.equal(asked(policy, ["subscriber"], "chat.room", { isSubscriber: true }), undefined);
  });

  it("know a role by its exact name; nobody has the role of an absent identity", () => {
    const admin = identity("root", { role: "admin" });
    assert.equal(asked(policy, ["role:admin"], "chat.room", { identity: admin }), undefined);
    for (const role of ["Admin", "admin ", "admins", "", "role:admin"])
      assert.equal(asked(policy, ["role:admin"], "chat.room", { identity: identity("x", { role }) }), "forbidden");
    assert.equal(asked(policy, ["role:undefined"], "chat.room"), "unauthenticated");
  });

  it("grant what a claim's patterns name and nothing else, with {user} as the claim's own user", () => {
    const granted = ["team.red", "news.*", "logs.>", "users.{user}.inbox"];
    const allowed = ["team.red", "news.sport", "logs.a", "logs.a.b.c", "users.bob.inbox"];
    const refused = ["team.blue", "team", "team.red.x", "news", "news.sport.x", "logs", "users.eve.inbox", "users.bob"];
    for (const channel of allowed)
      assert.equal(asked(policy, ["granted"], channel, { identity: bob, granted }), undefined, channel);
    for (const channel of refused)
      assert.equal(asked(policy, ["granted"], channel, { identity: bob, granted }), "forbidden", channel);
    assert.equal(asked(policy, ["granted"], "users.bob.inbox", { granted }), "unauthenticated");
    assert.equal(asked(policy, ["granted"], "team.red", { granted }), undefined); // a subscribe token of an anonymous one
  });

  it("grant nothing by a claim where the policy does not ask for it", () => {
    assert.equal(asked(policy, ["owner"], "chat.room", { identity: bob, granted: [">"] }), "forbidden");
  });
});

describe("The owner of a channel", () => {
  const all = policies({ "private.>": { subscribe: ["granted"] }, "private.user.{user}": { subscribe: ["owner"] } });
  const policy = all.of("private.user.42");

  it("is the user that {user} stands for, and nobody else", () => {
    assert.equal(asked(policy, ["owner"], "private.user.42", { identity: identity("42") }), undefined);
    for (const userId of ["43", "4", "420", "042", "42 ", " 42", "42.0"])
      assert.equal(asked(policy, ["owner"], "private.user.42", { identity: identity(userId) }), "forbidden", userId);
    assert.equal(asked(policy, ["owner"], "private.user.42"), "unauthenticated");
  });

  it("is never a user whose id is a wildcard, a pattern or several words", () => {
    for (const userId of ["*", ">", "{user}", "42.>", "*.*", "user.42", "", ".", "__proto__", "42\n", "４２"])
      assert.equal(asked(policy, ["owner"], "private.user.42", { identity: identity(userId) }), "forbidden", userId);
    const granted = ["private.user.{user}"];
    for (const userId of ["*", ">", "{user}"]) {
      const hostile = identity(userId);
      assert.equal(asked(policy, ["granted"], "private.user.42", { identity: hostile, granted }), "forbidden", userId);
    }
  });

  it("keeps the rules of {user} for every user's channel, not only the own", () => {
    for (const channel of ["private.user.42", "private.user.43"])
      assert.deepEqual(all.of(channel).subscribe, ["owner"]);
    assert.deepEqual(all.of("private.user.42.deeper").subscribe, ["granted"]);
    assert.deepEqual(all.of("private.user").subscribe, ["granted"]);
  });

  it("stays known to a more specific pattern that names no {user}", () => {
    const { ownerPatterns } = policies({
      "home.{user}.>": { subscribe: ["owner"] },
      "home.*.door": { echo: false },
    }).of("home.bob.door");
    assert.deepEqual(ownerPatterns, ["home.{user}.>"]);
  });
});

describe("A policy's rate", () => {
  const all = policies({ ">": { rate: 600 }, "slow.>": { rate: 2 }, "slow.but.free": { rate: 0 } });

  it("is a burst of one minute's messages that refills over the minute, per connection", () => {
    const { rate } = all.of("slow.one");
    all.reset(1);
    all.reset(2);
    assert.deepEqual(
      [rate?.take(1, 1, 0), rate?.take(1, 1, 0), rate?.take(1, 1, 0), rate?.take(2, 1, 0)],
      [true, true, false, true],
    );
    assert.equal(rate?.waitMs(1, 1, 0), 30_000);
    assert.equal(rate?.take(1, 1, 30_000), true);
  });

  it("is shared by all channels of the pattern that sets it, and by no others", () => {
    assert.equal(all.of("slow.one").rate, all.of("slow.two").rate);
    assert.notEqual(all.of("slow.one").rate, all.of("fast").rate);
    assert.equal(all.of("slow.but.free").rate, undefined);
  });

  it("starts full for the next owner of a slot, also of a slot that was grown", () => {
    const { rate } = all.of("slow.one");
    all.reset(3);
    rate?.take(3, 2, 0);
    assert.equal(rate?.take(3, 1, 0), false);
    all.reset(3);
    assert.equal(rate?.take(3, 2, 0), true);
    all.grow(64);
    all.reset(50);
    assert.equal(rate?.take(50, 2, 0), true);
    assert.equal(rate?.take(50, 1, 0), false);
  });
});
