/**
 * The server API of real gateways: over HTTP, from sockets' side seen, on two nodes with Redis, under a supervisor and
 * in one process. Every answer is checked against the OpenAPI document that the same port serves.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, it, type TestContext } from "node:test";
import { z } from "zod";
import { run } from "../cli/program.ts";
import { connectToAll, startWorkerCluster } from "../cluster/worker-cluster.ts";
import { connect } from "../support/client.ts";
import { startTestGateway } from "../support/gateway.ts";
import { secretOf } from "../support/printed.ts";
import { eventually, startRedis } from "../support/redis.ts";
import { token } from "../support/tokens.ts";
import { startNodes } from "./redis-nodes.ts";

const key = secretOf("a-key-of-the-tests-0001");
const channels = {
  "lobby.>": { presence: true, history: { size: 10, seconds: 300 } },
};
const settings = { api: { keys: [key] }, presence: { leaveGraceSeconds: 0 }, messageBytesMax: 2000, channels };

interface Result {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: whatever the document says it is, which is checked
  readonly result: any;
  readonly error: { readonly code: string; readonly message: string } | undefined;
}

/** Calls the port, and checks what it answers against its own document. */
async function backend(adminPort: number) {
  const url = `http://127.0.0.1:${adminPort}`;
  const document = JSON.parse(await (await fetch(`${url}/api/openapi.json`)).text());
  return async (name: string, params: object = {}): Promise<Result> => {
    const headers = { "Content-Type": "application/json", Authorization: `Bearer ${key}` };
    const response = await fetch(`${url}/api/v1/${name}`, { method: "POST", headers, body: JSON.stringify(params) });
    const json = JSON.parse(await response.text());
    const { responses } = document.paths[`/api/v1/${name}`].post;
    const schema =
      response.status === 200 ? responses["200"].content["application/json"].schema : document.components.schemas.Error;
    z.fromJSONSchema(schema).parse(json);
    return { status: response.status, result: json.result, error: json.error };
  };
}

const as = (user: string): string => `?token=${token({ user_id: user })}`;

describe("the server API of two nodes that share a Redis", () => {
  it("publishes, asks, subscribes, disconnects and revokes on both, through either", async (t) => {
    const { url } = await startRedis(t);
    const [one, two] = await startNodes(t, [url, url], {}, settings);
    const ask = await backend(two!.adminPort);
    const anna = await connect(t, `${one!.url}/${as("anna")}`);
    const bert = await connect(t, `${two!.url}/${as("bert")}`);
    await anna.subscribe("lobby.a");
    await bert.subscribe("lobby.a");

    const { result: published } = await ask("publish", { channel: "lobby.a", message: { n: 1 } });
    for (const client of [anna, bert]) {
      const { sender, message, offset, epoch } = await client.next({ action: "message", channel: "lobby.a" });
      assert.deepEqual({ sender, message, offset, epoch }, { sender: 0, message: { n: 1 }, ...published });
    }
    await eventually(async () => (await ask("presence_stats", { channel: "lobby.a" })).result.members === 2, "both in");
    const { result: presence } = await ask("presence", { channel: "lobby.a" });
    assert.deepEqual(presence.members.map(({ user_id }: { user_id: string }) => user_id).sort(), ["anna", "bert"]);
    const { result: history } = await ask("history", { channel: "lobby.a" });
    assert.deepEqual(
      history.messages.map(({ message }: { message: unknown }) => message),
      [{ n: 1 }],
    );
    const { result: listed } = await ask("channels", { pattern: "lobby.>" });
    assert.deepEqual(listed.items, [{ channel: "lobby.a", subscribers: 2, members: 2 }]);

    assert.equal((await ask("subscribe", { channel: "lobby.b", users: ["anna", "bert"] })).result.connections, 2);
    const both = await ask("broadcast", { channels: ["lobby.a", "lobby.b"], message: "all" });
    assert.equal(both.result.results.length, 2);
    for (const client of [anna, bert]) await client.next({ action: "message", channel: "lobby.b", message: "all" });
    assert.equal((await ask("unsubscribe", { channel: "lobby.b", users: ["anna"] })).result.connections, 1);

    const info = await ask("info");
    assert.deepEqual([info.result.nodes.length, info.result.connections, info.result.isPartial], [2, 2, undefined]);
    const { result: first } = await ask("connections", { limit: 1 });
    const { result: second } = await ask("connections", { limit: 1, cursor: first.next });
    assert.deepEqual([first.items[0].user, second.items[0].user].sort(), ["anna", "bert"]);
    assert.notEqual(first.items[0].node, second.items[0].node);

    const closed = once(anna.socket, "close");
    const { result: sent } = await ask("disconnect", { users: ["anna"], code: 4400, reason: "bye" });
    assert.equal(sent.connections, 1);
    const [code, reason] = await closed;
    assert.deepEqual([code, String(reason)], [4400, "bye"]);

    const { result: issued } = await ask("token", { user: "carl", ttlSeconds: 60 });
    const carl = await connect(t, `${one!.url}/?token=${issued.token}`);
    const revoked = once(carl.socket, "close");
    assert.equal((await ask("revoke", { tokens: [issued.jti] })).result.connections, 1);
    assert.equal((await revoked)[0], 4003);
  });
});

describe("the server API of a supervisor", () => {
  it("reaches the connections of all workers, and counts its requests once", async (t) => {
    const cluster = await startWorkerCluster(t, settings);
    await cluster.becameReady(2);
    const ask = await backend(cluster.adminPort);
    const clients = (await connectToAll(t, cluster)).flat();
    for (const client of clients) await client.subscribe("lobby.a");
    await ask("publish", { channel: "lobby.a", message: "hi" });
    for (const client of clients) await client.next({ action: "message", message: "hi", sender: 0 });
    const { result } = await ask("info");
    assert.deepEqual([result.connections, result.isPartial], [clients.length, undefined]);
    const counted = await cluster.metric("tidegate_api_requests_total");
    assert.deepEqual(counted, { 'call="publish",status="200"': 1, 'call="info",status="200"': 1 });
  });
});

describe("the server API of one process", () => {
  const started = async (t: TestContext, more: object = {}) => {
    const gateway = await startTestGateway(t, { ...settings, ...more });
    return { gateway, ask: await backend(gateway.adminPort) };
  };

  it("carries out the good items of a batch and says of each bad one what is wrong", async (t) => {
    const { gateway, ask } = await started(t);
    const client = await connect(t, gateway.url);
    await client.subscribe("chat.a");
    const publish = (channel: string, message: unknown) => ({ method: "publish", params: { channel, message } });
    const calls = [
      publish("chat.a", 1),
      publish("no channel", 2),
      publish("chat.a", "x".repeat(3000)),
      { method: "history", params: { channel: "plain" } },
      publish("chat.a", 3),
    ];
    const { result } = await ask("batch", { calls });
    const codes = result.results.map(({ error }: { error?: { code: string } }) => error?.code);
    assert.deepEqual(codes, [undefined, "invalid_channel", "too_large", "not_found", undefined]);
    for (const message of [1, 3]) assert.equal((await client.next({ action: "message" })).message, message);
  });

  it("answers 413 for a message of more than messageBytesMax, also for one that grows when it is written", async (t) => {
    const { gateway, ask } = await started(t);
    assert.equal((await ask("publish", { channel: "a", message: "x".repeat(1998) })).status, 200);
    assert.equal((await ask("publish", { channel: "a", message: "x".repeat(1999) })).status, 413);
    const body = `{"channel":"a","message":[${Array(100).fill("1e20").join()}]}`;
    const headers = { "Content-Type": "application/json", "X-API-Key": key };
    const url = `http://127.0.0.1:${gateway.adminPort}/api/v1/publish`;
    assert.equal((await fetch(url, { method: "POST", headers, body })).status, 413);
  });

  it("answers 404 where a channel has no history or no presence", async (t) => {
    const { ask } = await started(t);
    for (const name of ["history", "presence", "presence_stats"])
      assert.deepEqual([(await ask(name, { channel: "a" })).error?.code], ["not_found"], name);
  });

  it("delivers a publication with a key once", async (t) => {
    const { ask } = await started(t);
    const call = { channel: "chat.a", message: 1, key: "k" };
    const first = await ask("publish", call);
    assert.deepEqual((await ask("publish", call)).result, { ...first.result, duplicate: true });
  });

  it("says at the start, once, that without keys only this machine is answered; a warning where others reach the port", async (t) => {
    for (const [adminHost, level] of [
      ["127.0.0.1", "info"],
      ["0.0.0.0", "warn"],
    ]) {
      const { gateway } = await started(t, { api: {}, adminHost });
      const lines = gateway.logLines.filter(({ msg }) => String(msg).startsWith("no api.keys"));
      assert.deepEqual(
        lines.map((line) => line.level),
        [level],
      );
    }
    const { gateway } = await started(t);
    assert.deepEqual(
      gateway.logLines.filter(({ msg }) => String(msg).startsWith("no api.keys")),
      [],
    );
    assert.equal(JSON.stringify(gateway.logLines).includes(key), false);
  });

  it("is counted on the metrics page", async (t) => {
    const { gateway, ask } = await started(t);
    await ask("info");
    await ask("publish", { channel: "a b", message: 1 });
    assert.equal(await gateway.metric('tidegate_api_requests_total{call="info",status="200"}'), 1);
    assert.equal(await gateway.metric('tidegate_api_requests_total{call="publish",status="400"}'), 1);
    assert.equal(await gateway.metric('tidegate_api_batch_items_total{result="ok"}'), 0);
  });

  it("is spoken to by the commands", async (t) => {
    const { gateway } = await started(t);
    const client = await connect(t, `${gateway.url}/${as("anna")}`);
    await client.subscribe("chat.a");
    const command = (...args: string[]) =>
      run(t, [...args, "--url", gateway.adminUrl], { TIDEGATE_API_KEY: key }).then(({ stdout }) => stdout);
    assert.match(await command("publish", "chat.a", '{"n":1}'), /^chat\.a: published at \S+ of \S+\n$/);
    assert.deepEqual((await client.next({ action: "message" })).message, { n: 1 });
    assert.match(
      await command("connections"),
      /^\d+ {2}\S+ {2}anna \(user\) {2}127\.0\.0\.1 {2}json {2}\S+ {2}chat\.a\n$/,
    );
    assert.match(await command("info"), /^tidegate \S+: 1 node, 1 connection, 1 subscription\n/);
    const closed = once(client.socket, "close");
    assert.equal(await command("disconnect", "--user", "anna"), "1 connection closed\n");
    assert.equal((await closed)[0], 4503);
  });
});
