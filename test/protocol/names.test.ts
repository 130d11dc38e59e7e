import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { compareSpecificity, isChannelName, isPattern, matches } from "../../src/protocol/names.ts";
import { fromText, refused } from "./wire.ts";

const said = (text: string) => (text.length > 60 ? `${text.length} characters` : JSON.stringify(text));

describe("Channel names", () => {
  it("are 1 to 200 bytes", () => {
    assert.equal(isChannelName(""), false);
    for (const length of [1, 2, 199, 200]) assert.equal(isChannelName("x".repeat(length)), true, `${length}`);
    for (const length of [201, 10_000, 65_536]) assert.equal(isChannelName("x".repeat(length)), false, `${length}`);
    assert.equal(isChannelName(`${"a.".repeat(99)}ab`), true);
    assert.equal(isChannelName(`${"a.".repeat(100)}a`), false);
  });

  it("are made of letters, digits, _ and -, and of no other character", () => {
    const allowed = new Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-");
    for (let unit = 0; unit <= 0xffff; unit += 1) {
      const character = String.fromCharCode(unit);
      const isAllowed = allowed.has(character);
      for (const name of [character, `a${character}`, `${character}a`, `a.${character}.b`])
        if (isChannelName(name) !== isAllowed) assert.fail(`U+${unit.toString(16)} in ${JSON.stringify(name)}`);
    }
    for (const name of ["😀", "é", "straße", "комната", "房间"]) assert.equal(isChannelName(name), false, name);
  });

  it("join words by single dots", () => {
    for (const name of ["a.b", "a.b.c", "chat.room.1", "private.user.123", "presence.chat.room.1", "-._", "1.2"])
      assert.equal(isChannelName(name), true, name);
    for (const name of [".", "..", ".a", "a.", "a..b", "a.b.", "..a", "a.\n", ". a"])
      assert.equal(isChannelName(name), false, said(name));
  });

  it("hold no control characters, no bidirectional marks and no line ends, also at their end", () => {
    for (const name of [
      "a\n",
      "\na",
      "a\r",
      "a\u0000",
      "a\u001b[2J",
      "a\u202eb",
      "\u2066a",
      "a\u200fb",
      "a\u00adb",
      "a\u2028",
    ])
      assert.equal(isChannelName(name), false, said(name));
  });

  it("are never a wildcard, a native topic's prefix or part of a frame", () => {
    for (const name of [
      "*",
      ">",
      "a.*",
      "a.>",
      "{user}",
      "a.{user}",
      "~a",
      "#",
      "+",
      "a/b",
      'a","from":"admin',
      "a\\",
      "a b",
    ])
      assert.equal(isChannelName(name), false, said(name));
  });

  it("may be words that name properties of objects", () => {
    for (const name of ["__proto__", "constructor", "toString", "a.__proto__"]) assert.equal(isChannelName(name), true);
  });

  it("are checked wherever a frame brings one", () => {
    const names = ["", "a b", "*", "chat.>", ".a", "a.", "\u202ea", "x".repeat(201), "x".repeat(65_536)];
    const error = "Invalid channel name: expected 1 to 200 bytes, words of letters, digits, _ and - joined by dots";
    for (const action of ["subscribe", "unsubscribe", "message", "presence", "history"])
      for (const channel of names) {
        const answer = fromText(JSON.stringify({ action, data: { channel, message: 1 }, id: 3 }));
        assert.deepEqual(answer, refused("invalid_channel", error, { request: action, id: 3 }), said(channel));
      }
  });
});

describe("Patterns", () => {
  it("are words, * and {user}, and > at the end", () => {
    const patterns = [
      "a",
      "a.b",
      "*",
      ">",
      "a.*",
      "*.a",
      "*.*",
      "a.>",
      "*.>",
      "{user}",
      "a.{user}.b",
      "{user}.>",
      "x".repeat(200),
    ];
    for (const pattern of patterns) assert.equal(isPattern(pattern), true, said(pattern));
  });

  it("are nothing else", () => {
    const patterns = [
      "",
      ".",
      "a.",
      ".a",
      "a..b",
      ">.a",
      "a.>.b",
      "a*",
      "*a",
      "**",
      "a>",
      "{other}",
      "{user",
      "user}",
      "x{user}",
    ];
    patterns.push("{user}x", "{}", "a b", "é", "a\n", "(a+)+$", "[a]", "a|b", "x".repeat(201), `${"*.".repeat(100)}*`);
    for (const pattern of patterns) assert.equal(isPattern(pattern), false, said(pattern));
  });

  it("select: * one word, > one word or more, {user} the user's id, a word itself", () => {
    const selected: readonly (readonly [string, string, string?])[] = [
      ["a", "a"],
      ["a.b", "a.b"],
      ["*", "a"],
      ["a.*.c", "a.b.c"],
      [">", "a"],
      [">", "a.b.c"],
      ["a.>", "a.b"],
      ["a.>", "a.b.c"],
      ["*.>", "a.b"],
      ["private.user.{user}", "private.user.7", "7"],
      ["{user}.>", "u.x.y", "u"],
      ["{user}.{user}", "u.u", "u"],
      ["a.__proto__", "a.__proto__"],
    ];
    for (const [pattern, channel, user] of selected)
      assert.equal(matches(pattern, channel, user), true, `${pattern} ${channel}`);
    const others: readonly (readonly [string, string, string?])[] = [
      ["a", "b"],
      ["a", "A"],
      ["a", "a.b"],
      ["a.b", "a"],
      ["*", "a.b"],
      ["a.*", "a"],
      ["a.*", "a.b.c"],
      ["a.>", "a"],
      ["a.>", "ab.c"],
      ["*.>", "a"],
      ["private.user.{user}", "private.user.7", "8"],
      ["private.user.{user}", "private.user.7"],
      ["private.user.{user}", "private.user", "private.user"],
      ["private.user.{user}", "private.user.7.x", "7"],
    ];
    for (const [pattern, channel, user] of others)
      assert.equal(matches(pattern, channel, user), false, `${pattern} ${channel}`);
  });

  it("take a user's id as one literal word, whatever it is made of", () => {
    for (const user of ["*", ">", "{user}", "7.x", "7.*", "", ".", "a b", "(.*)+"]) {
      assert.equal(matches("private.user.{user}", "private.user.7", user), false, user);
      assert.equal(matches("private.user.{user}", "private.user.7.x", user), false, user);
      assert.equal(matches("{user}.>", "7.x", user), false, user);
    }
  });

  it("never select by a > that is not their last word", () => {
    for (const channel of ["a", "a.b", "a.b.c", "b.a.c"]) assert.equal(matches("a.>.c", channel), false, channel);
    assert.equal(matches(">.c", "a.c"), false);
  });

  it("never select by a word in braces that is not {user}", () => {
    for (const pattern of ["{other}", "{}", "{USER}", "{user"]) {
      assert.equal(matches(pattern, "u", "u"), false);
      assert.equal(matches(pattern, "other", "u"), false);
    }
  });

  it("agree with their definition on every short pattern and channel", () => {
    const sequences = (words: readonly string[], longest: number): string[][] =>
      longest === 0
        ? [[]]
        : sequences(words, longest - 1).flatMap((s) => [
            s,
            ...(s.length === longest - 1 ? words.map((w) => [...s, w]) : []),
          ]);
    const isSelected = ([pattern, ...patterns]: string[], [word, ...words]: string[], user: string): boolean => {
      if (pattern === undefined || word === undefined) return pattern === word;
      if (pattern === ">") return true;
      return (pattern === "*" || word === (pattern === "{user}" ? user : pattern)) && isSelected(patterns, words, user);
    };
    const patterns = sequences(["a", "b", "*", "{user}"], 3).flatMap((words) => [words, [...words, ">"]]);
    const channels = sequences(["a", "b", "u"], 4).filter((words) => words.length > 0);
    let count = 0;
    for (const pattern of patterns.filter((words) => words.length > 0))
      for (const channel of channels)
        for (const user of ["a", "u"]) {
          const [given, name] = [pattern.join("."), channel.join(".")];
          assert.equal(matches(given, name, user), isSelected(pattern, channel, user), `${given} ${name} ${user}`);
          count += 1;
        }
    assert.equal(count, 169 * 120 * 2);
  });

  it("answer for as many stars as a name has room for", () => {
    const stars = `${"*.".repeat(99)}b`;
    assert.equal(matches(stars, `${"a.".repeat(99)}b`), true);
    assert.equal(matches(stars, `${"a.".repeat(99)}c`), false);
    assert.equal(matches(stars, "a.".repeat(32_768)), false);
  });
});

describe("Specificity of patterns", () => {
  const rising = [">", "*.>", "*.*", "*.b", "{user}", "a.>", "a.*", "a.{user}", "a.b.>", "a.b.*", "a.b"];

  it("rises from > over * and {user} to a literal word, and the first differing word decides", () => {
    for (const [i, low] of rising.entries())
      for (const high of rising.slice(i + 1)) {
        assert.equal(compareSpecificity(low, high) < 0, true, `${low} ${high}`);
        assert.equal(compareSpecificity(high, low) > 0, true, `${high} ${low}`);
      }
  });

  it("is equal for the same pattern only, so that an order never depends on how a file lists them", () => {
    const patterns = [...rising, "b", "b.>", "a", "*", "{user}.>", "z.*.z", "z.z.*"];
    for (const a of patterns)
      for (const b of patterns) assert.equal(compareSpecificity(a, b) === 0, a === b, `${a} ${b}`);
    const sorted = patterns.toSorted(compareSpecificity);
    for (let turn = 1; turn < patterns.length; turn += 1) {
      const rotated = [...patterns.slice(turn), ...patterns.slice(0, turn)];
      assert.deepEqual(rotated.sort(compareSpecificity), sorted);
    }
  });
});
