import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createTokenVerifier } from "../../src/auth/jwt-verifier.ts";
import { parseDuration } from "../../src/cli/duration.ts";
import { fileWith, load } from "../config/faults.ts";
import { run, secret } from "./program.ts";

const env = { TIDEGATE_AUTH__SECRET: secret };

describe("tidegate token", () => {
  it("prints a token that the same configuration accepts, and nothing else", async (t) => {
    const file = fileWith(t, "auth: { issuer: [me, you], audience: us, roles: [user, editor] }\n");
    const args = ["--user", "42", "--role", "editor", "--channels", "a.>, b", "--publish", "c", "--expires", "15m"];
    const { status, stdout, stderr } = await run(t, ["token", "--config", file, ...args], env);
    assert.deepEqual([status, stderr], [0, ""]);
    assert.match(stdout, /^[\w-]+\.[\w-]+\.[\w-]+\n$/);

    const verifier = await createTokenVerifier(load({ file, env }).config.auth, { warn: () => {} });
    t.after(() => verifier.stop());
    const identity = await verifier.verify(stdout.trim());
    assert.ok(typeof identity === "object", String(identity));
    const { userId, role, channels, publish } = identity;
    assert.deepEqual(
      { userId, role, channels, publish },
      { userId: "42", role: "editor", channels: ["a.>", "b"], publish: ["c"] },
    );
    const { iat, exp } = JSON.parse(Buffer.from(stdout.split(".")[1]!, "base64url").toString());
    assert.equal(exp - iat, 900);
  });

  it("prints a subscribe token for one channel", async (t) => {
    const { status, stdout } = await run(t, ["token", "--user", "42", "--channel", "private.team.a"], env);
    assert.equal(status, 0);
    const claims = JSON.parse(Buffer.from(stdout.split(".")[1]!, "base64url").toString());
    assert.deepEqual([claims.channel, claims.user_id, claims.role], ["private.team.a", "42", undefined]);
  });

  const mistakes: readonly (readonly [string, readonly string[], NodeJS.ProcessEnv, RegExp])[] = [
    ["without --user", [], env, /needs --user ID/],
    ["with an empty user", ["--user="], env, /needs --user ID/],
    [
      "with a time in no unit",
      ["--user", "1", "--expires", "3600"],
      env,
      /--expires must be a number and s, m, h or d/,
    ],
    ["with patterns that are none", ["--user", "1", "--channels", "a b"], env, /channels must be channel patterns/],
    [
      "with a channel and patterns",
      ["--user", "1", "--channel", "a", "--channels", "b"],
      env,
      /channel must be given without role, channels and publish, got both/,
    ],
    ["with a channel that is none", ["--user", "1", "--channel", "a.>"], env, /channel must be a channel name/],
    ["without a secret to sign with", ["--user", "1"], {}, /auth\.secret must be set/],
    [
      "with a role that the gateway refuses",
      ["--user", "1"],
      { ...env, TIDEGATE_AUTH__ROLES: "admin" },
      /role must be one of/,
    ],
  ];
  for (const [what, args, variables, text] of mistakes) {
    it(`${what} fails with status 2 and prints no token`, async (t) => {
      const { status, stdout, stderr } = await run(t, ["token", ...args], variables);
      assert.deepEqual([status, stdout], [2, ""]);
      assert.match(stderr, text);
    });
  }
});

describe("lengths of time", () => {
  for (const [text, seconds] of Object.entries({ "90s": 90, "15m": 900, "1h": 3600, "7d": 604_800 })) {
    it(`${text} is ${seconds} seconds`, () => assert.equal(parseDuration(text), seconds));
  }
  for (const text of ["", "0s", "5", "5x", "-5s", "1.5h", "1h30m", " 1h", "9999999d"]) {
    it(`${JSON.stringify(text)} is none`, () => assert.equal(parseDuration(text), undefined));
  }
});
