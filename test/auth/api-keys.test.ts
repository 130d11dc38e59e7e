import assert from "node:assert/strict";
import crypto from "node:crypto";
import { syncBuiltinESMExports } from "node:module";
import { describe, it } from "node:test";
import { ApiKeys, loadApiKeys } from "../../src/auth/api-keys.ts";
import { fileWith } from "../config/faults.ts";

const [first, second] = ["first-key-of-the-tests", "second-key-of-the-tests"] as const;

describe("API keys", () => {
  it("find which of them was presented, and nothing for any other text", () => {
    const keys = new ApiKeys([first, second]);
    assert.deepEqual([keys.find(first), keys.find(second)], [0, 1]);
    for (const wrong of ["", "x", first.slice(0, -1), `${first} `, first.toUpperCase(), first + second])
      assert.equal(keys.find(wrong), -1, wrong);
    assert.equal(new ApiKeys([]).find(""), -1);
  });

  it("are compared in one length, all of them each time, whatever was presented", (t) => {
    const compared = t.mock.method(crypto, "timingSafeEqual");
    syncBuiltinESMExports();
    t.after(() => {
      compared.mock.restore();
      syncBuiltinESMExports();
    });
    const keys = new ApiKeys([first, second]);
    const presented = [first, second, "", "x", first.slice(0, -1), "y".repeat(64)];
    for (const text of presented) keys.find(text);
    const { calls } = compared.mock;
    assert.equal(calls.length, presented.length * 2);
    const lengths = new Set(calls.flatMap(({ arguments: [a, b] }) => [a.byteLength, b.byteLength]));
    assert.deepEqual([...lengths], [64]);
  });

  it("are not found in what is longer than any key, nor in what was presented before", () => {
    const keys = new ApiKeys([first, "y".repeat(512)]);
    for (const length of [511, 513, 10_000]) assert.equal(keys.find("y".repeat(length)), -1);
    assert.deepEqual([keys.find(first), keys.find("y".repeat(512)), keys.find(first), keys.find("")], [0, 1, 0, -1]);
  });

  it("are read from files, whose last line break is not part of them", (t) => {
    const keys = loadApiKeys([
      { name: "a", key: first },
      { name: "b", keyFile: fileWith(t, `${second}\r\n`, "key") },
    ]);
    assert.deepEqual([keys.count, keys.find(second)], [2, 1]);
  });

  const unfit = (t: Parameters<typeof fileWith>[0]) =>
    [
      ["a file that is not there", [{ name: "a", keyFile: "/no/such" }], /api\.keys\[0\]\.keyFile must be a readable/],
      ["a file with a short key", [{ name: "a", keyFile: fileWith(t, "hunter2", "k") }], /must be 16 to 512 letters/],
      ["an empty file", [{ name: "a", keyFile: fileWith(t, "\n", "k") }], /must be 16 to 512 letters/],
      ["the same key twice", [first, first].map((key) => ({ name: "a", key })), /api\.keys\[1\] must be another key/],
    ] as const;
  for (const index of [0, 1, 2, 3]) {
    it(`that cannot protect anything are refused at the start (${index + 1} of 4), and not quoted`, (t) => {
      const [what, options, text] = unfit(t)[index]!;
      assert.throws(() => loadApiKeys(options), { name: "AuthSetupError", message: text }, what);
      assert.throws(
        () => loadApiKeys(options),
        (error: Error) => !/hunter2|first-key/.test(error.message),
      );
    });
  }
});
