import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, it } from "node:test";
import { ApiKeys } from "../../src/auth/api-keys.ts";
import type { ConnectionsCall } from "../../src/calls/calls.ts";
import { apiKey, startApi } from "../admin/api-scene.ts";
import { fileWith } from "../config/faults.ts";
import { run } from "./program.ts";

const withKey = { TIDEGATE_API_KEY: apiKey };

describe("the commands that speak to a running gateway", { concurrency: 4 }, () => {
  it("publish hands on the channel, the value, the user and the key, and says where it went", async (t) => {
    const api = await startApi(t);
    const args = ["publish", "chat.a", '{"price":42}', "--user", "7", "--key", "k", "--url", api.url];
    const { status, stdout, stderr } = await run(t, args, withKey);
    assert.deepEqual([status, stdout, stderr], [0, "chat.a: published at 12 of e1\n", ""]);
    assert.deepEqual(api.done, [
      { name: "publish", call: { channel: "chat.a", message: { price: 42 }, users: ["7"], key: "k" } },
    ]);
  });

  it("publish says where its key came before", async (t) => {
    const api = await startApi(t);
    const { stdout } = await run(t, ["publish", "a", "1", "--key", "again", "--url", api.url], withKey);
    assert.equal(stdout, "a: its key came before: not delivered again at 12 of e1\n");
  });

  it("connections lists all pages, a line for each, and warns where a part is missing", async (t) => {
    const one = { session: "n1.1", node: "n1", address: "127.0.0.1", channels: ["a", "b"] };
    const pages = {
      connections: async ({ cursor, user }: ConnectionsCall) => ({
        items:
          cursor === undefined
            ? [{ ...one, connection: 1, user: user ?? "", role: "admin", format: "json" as const, queuedBytes: 0 }]
            : [{ ...one, connection: 2, format: "msgpack" as const, queuedBytes: 9 }],
        ...(cursor === undefined ? { next: "1" } : { isPartial: true as const }),
      }),
    };
    const api = await startApi(t, {}, pages);
    const { status, stdout, stderr } = await run(t, ["connections", "--user", "42", "--url", api.url], withKey);
    assert.deepEqual(stdout.split("\n"), [
      "1  n1.1  42 (admin)  127.0.0.1  json  n1  a b",
      "2  n1.1  anonymous  127.0.0.1  msgpack  n1  9 bytes queued  a b",
      "",
    ]);
    assert.deepEqual(
      [status, stderr],
      [0, "tidegate: warning: a node did not answer in time, and what it has is missing\n"],
    );
  });

  it("disconnect names whom, with code and reason, and tells how many", async (t) => {
    const api = await startApi(t);
    const args = ["--user", "42", "--connection", "7", "--session", "n.1", "--code", "4400", "--reason", "bye"];
    const { status, stdout } = await run(t, ["disconnect", ...args, "--url", api.url], withKey);
    assert.deepEqual([status, stdout], [0, "3 connections closed\n"]);
    assert.deepEqual(api.done[0]?.call, {
      users: ["42"],
      connections: [7],
      sessions: ["n.1"],
      code: 4400,
      reason: "bye",
    });
  });

  it("info tells what waits for webhooks, and what was given up", async (t) => {
    const nodes = [{ node: "n1", version: "1.2.3", connections: 1, subscriptions: 2, uptimeSeconds: 3.5 }];
    const webhooks = [
      { url: "https://a.example/hooks", queued: 7, oldestSeconds: 125.4, deadLetters: 1 },
      { url: "https://b.example/hooks", queued: 0, oldestSeconds: 0, deadLetters: 50 },
    ];
    const info = async () => ({ version: "1.2.3", nodes, connections: 1, subscriptions: 2, webhooks });
    const api = await startApi(t, {}, { info });
    const { stdout } = await run(t, ["info", "--url", api.url], withKey);
    assert.deepEqual(stdout.split("\n").slice(-3), [
      "https://a.example/hooks  7 events waiting for 2 min, 1 dead letter",
      "https://b.example/hooks  nothing waits, 50 dead letters",
      "",
    ]);
  });

  it("info tells the nodes; with --raw as JSON; with the key from a file", async (t) => {
    const api = await startApi(t);
    const keyFile = fileWith(t, `${apiKey}\n`, "key");
    const { stdout } = await run(t, ["info", "--url", api.url, "--key-file", keyFile]);
    assert.equal(
      stdout,
      "tidegate 1.2.3: 1 node, 1 connection, 2 subscriptions\nn1  1.2.3  1 connection, 2 subscriptions, up 3 s\n",
    );
    const raw = await run(t, ["info", "--raw", "--url", api.url], withKey);
    assert.equal(JSON.parse(raw.stdout).nodes[0].node, "n1");
  });

  it("need no key where the gateway has none", async (t) => {
    const api = await startApi(t, { keys: new ApiKeys([]) });
    assert.equal((await run(t, ["info", "--url", api.url])).status, 0);
  });

  it("say which key is missing or wrong, and never the key", async (t) => {
    const api = await startApi(t);
    const none = await run(t, ["info", "--url", api.url]);
    assert.equal(none.status, 1);
    assert.match(
      none.stderr,
      /^tidegate: cannot tell info: An API key is needed.*; give one in TIDEGATE_API_KEY or by --key-file\n$/,
    );
    const wrong = await run(t, ["info", "--url", api.url], { TIDEGATE_API_KEY: "hunter2hunter2hunter2" });
    assert.match(
      wrong.stderr,
      /^tidegate: cannot tell info: The API key is not one of api\.keys; see api\.keys there\n$/,
    );
  });

  it("say that nothing listens, or that what does is no gateway", async (t) => {
    const server = createServer((_, response) => response.writeHead(404).end("<h1>no</h1>")).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const foreign = await run(t, ["info", "--url", url]);
    assert.deepEqual(
      [foreign.status, foreign.stderr],
      [1, `tidegate: cannot tell info: ${url} answered 404 and is no Tidegate admin port\n`],
    );
    await new Promise((resolve) => server.close(resolve));
    const gone = await run(t, ["info", "--url", url]);
    assert.equal(gone.status, 1);
    assert.match(
      gone.stderr,
      /^tidegate: cannot tell info: nothing listens on http:\/\/127\.0\.0\.1:\d+; is the gateway running/,
    );
  });

  it("tell what the gateway refuses in its own words", async (t) => {
    const api = await startApi(t, { depthMax: 2 });
    const { status, stderr } = await run(t, ["publish", "a", "[[[1]]]", "--url", api.url], withKey);
    assert.equal(status, 1);
    assert.match(
      stderr,
      /^tidegate: cannot publish: message must be a JSON value with less nesting \(2 levels at most\)\n$/,
    );
  });

  const mistakes: readonly (readonly [readonly string[], RegExp])[] = [
    [["publish"], /publish needs a CHANNEL/],
    [["publish", "a"], /publish needs a JSON/],
    [["publish", "a b", "1"], /CHANNEL must be words/],
    [["publish", "a", "hello"], /JSON must be a JSON value, got "hello"; a text is written '"hello"'/],
    [["publish", "a", "{"], /JSON must be a JSON value, got "\{"\n/],
    [["disconnect"], /disconnect needs --user ID, --connection ID or --session NAME/],
    [["disconnect", "--connection", "x"], /--connection must be a whole number, got "x"/],
    [["info", "--url", "127.0.0.1:9502"], /--url must be an http:\/\/ or https:\/\/ URL/],
    [["info", "--key-file", "/no/such"], /--key-file must be a file that can be read, got "\/no\/such" \(ENOENT\)/],
    [["info", "--key", "x"], /unknown flag --key/],
  ];
  for (const [args, text] of mistakes) {
    it(`${args.join(" ")} is a mistake: status 2`, async (t) => {
      const { status, stdout, stderr } = await run(t, args);
      assert.deepEqual([status, stdout], [2, ""]);
      assert.match(stderr, text);
    });
  }
});
