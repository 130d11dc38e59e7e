import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { explainCall, explainInput, explainResult } from "../../src/calls/explain-call.ts";
import { Policies, refuse } from "../../src/channel/policy.ts";
import { load } from "../config/faults.ts";

const { config } = load({
  flags: {
    channels: {
      "shop.>": {
        subscribe: ["authenticated"],
        authorize: { url: "https://backend/may?key=hunter2", on: ["subscribe"] },
      },
      "shop.*.admin": { subscribe: ["role:admin", "granted"], publish: ["nobody"] },
      "shop.free": { authorize: { url: "" } },
    },
  },
});
const { channels } = config;

const explained = (call: object) => {
  const explanation = explainCall(channels, explainInput.parse(call));
  assert.deepEqual(explainResult.parse(explanation), explanation, "it is what its schema says");
  return explanation;
};

describe("An explanation", () => {
  it("tells every pattern that matches, from the least to the most specific, and whose rules count", () => {
    const { patterns, decidedBy } = explained({ action: "subscribe", channel: "private.user.42" });
    assert.deepEqual(patterns, [
      { pattern: ">", rules: ["anyone"], isOverridden: true },
      { pattern: "private.>", rules: ["granted"], isOverridden: true },
      { pattern: "private.user.{user}", rules: ["owner", "role:admin"], isOverridden: false },
    ]);
    assert.equal(decidedBy, "private.user.{user}");
  });

  it("tells of each rule whether it holds, and why", () => {
    const { rules, decision, code, reason } = explained({
      action: "subscribe",
      channel: "private.user.42",
      user: 7,
      role: "staff",
    });
    assert.deepEqual(rules, [
      { rule: "owner", holds: false, why: "user 7 is not the {user} of private.user.{user}" },
      { rule: "role:admin", holds: false, why: "the role is staff" },
    ]);
    assert.deepEqual(
      [decision, code, reason],
      ["refuse", "forbidden", "none of the rules of private.user.{user} holds: owner, role:admin"],
    );
    const own = explained({ action: "subscribe", channel: "private.user.42", user: 42 });
    assert.deepEqual([own.decision, own.reason], ["allow", "owner of private.user.{user} holds"]);
  });

  const whys: [object, string, boolean, string][] = [
    [{ channel: "chat.a" }, "anyone", true, "it holds for everyone"],
    [{ channel: "private.a" }, "granted", false, "no token has a channels claim"],
    [
      { channel: "private.a", user: 7, channels: ["private.b", "private.c.>"] },
      "granted",
      false,
      "no pattern of the token selects the channel: private.b, private.c.>",
    ],
    [
      { channel: "private.a", user: 7, channels: ["private.*"] },
      "granted",
      true,
      "the token's pattern private.* selects the channel",
    ],
    [
      { channel: "private.a", lent: ["private.a"] },
      "granted",
      true,
      "the token's pattern private.a selects the channel",
    ],
    [{ channel: "private.user.7" }, "owner", false, "the connection is anonymous"],
    [{ channel: "shop.a" }, "authenticated", false, "the connection is anonymous"],
    [{ channel: "shop.a", user: "x" }, "authenticated", true, "the connection is user x"],
    [{ action: "publish", channel: "chat.a" }, "subscriber", false, "the connection is not subscribed"],
    [{ action: "publish", channel: "chat.a", subscribed: true }, "subscriber", true, "the connection is subscribed"],
    [{ action: "publish", channel: "chat.a", user: 7 }, "granted", false, "no token has a publish claim"],
    [{ action: "publish", channel: "shop.a.admin" }, "nobody", false, "it holds for no one"],
  ];
  for (const [call, name, isHeld, why] of whys) {
    it(`says that ${name} ${isHeld ? "holds" : "does not hold"} because ${why}`, () => {
      const { rules } = explained({ action: "subscribe", ...call });
      assert.deepEqual(
        rules.find(({ rule }) => rule === name),
        { rule: name, holds: isHeld, why },
      );
    });
  }

  it("names the backend that is asked next, without its query, where the rules allow and a pattern names one", () => {
    const asked = explained({ action: "subscribe", channel: "shop.a", user: 7 });
    const callout = { url: "https://backend/may", timeoutMs: 2000, whenDown: "refuse", from: "shop.>" };
    assert.deepEqual([asked.decision, asked.callout], ["ask", callout]);
    assert.equal(asked.reason, "authenticated of shop.> holds; then https://backend/may decides");
    assert.doesNotMatch(JSON.stringify(asked), /hunter2/);
    for (const [what, call] of Object.entries({
      "is refused by the rules": { action: "subscribe", channel: "shop.a" },
      "is about what it is not asked about": { action: "publish", channel: "shop.a", subscribed: true },
      "is on a channel that names nobody": { action: "subscribe", channel: "shop.free", user: 7 },
    }))
      assert.equal(explained(call).callout, undefined, what);
  });

  it("says of a channel without a pattern that it is closed", () => {
    const call = { action: "subscribe", channel: "a", user: 7 } as const;
    const { patterns, decidedBy, reason, code } = explainCall({ "b.>": { subscribe: ["anyone"] } }, call);
    assert.deepEqual([patterns, decidedBy, code], [[], "built-in", "forbidden"]);
    assert.equal(reason, "no pattern matches the channel: it is closed");
  });

  it("decides as the gateway does, for every kind of user on every kind of channel", () => {
    const policies = new Policies(channels, 8);
    const names = ["chat.a", "presence.a", "private.a", "private.user.7", "shop.a", "shop.a.admin", "shop.free", "x"];
    const users = [{}, { user: 7 }, { user: 8, role: "admin" }, { user: 8, channels: ["private.>", "shop.*.admin"] }];
    let count = 0;
    for (const action of ["subscribe", "publish"] as const)
      for (const channel of names)
        for (const user of users)
          for (const subscribed of [true, false]) {
            const call = explainInput.parse({ action, channel, subscribed, ...user });
            const { user: id, role = "user", channels: claim = [], publish = [] } = call;
            const identity =
              id === undefined
                ? undefined
                : { userId: `${id}`, userIdJson: `${id}`, role, channels: claim, publish, expiresAt: 1 };
            const granted = action === "publish" ? publish : claim;
            const policy = policies.of(channel);
            const code = refuse(policy[action], policy, { channel, identity, granted, isSubscriber: subscribed });
            assert.equal(explained(call).code, code, JSON.stringify(call));
            count += 1;
          }
    assert.equal(count, 128);
  });

  for (const [what, call] of Object.entries({
    "an unknown action": { action: "join", channel: "a" },
    "no channel": { action: "publish" },
    "a channel that is none": { action: "publish", channel: "a..b" },
    "an unknown field": { action: "publish", channel: "a", usr: 7 },
    "a claim that is no list of patterns": { action: "publish", channel: "a", publish: ["a..b"] },
  }))
    it(`is not given for ${what}`, () => assert.equal(explainInput.safeParse(call).success, false));
});
