import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { Program } from "./program.ts";
import { ScriptedGateway } from "./scripted-gateway.ts";

const channel = "chat.room.1";
const time = Math.floor(Date.now() / 1000);
const messageFrame = (message: unknown, more: object = {}) => ({
  action: "message",
  channel,
  sender: 7,
  message,
  time,
  ...more,
});

async function start(t: TestContext, args: readonly string[] = [], env: NodeJS.ProcessEnv = {}) {
  const gateway = await ScriptedGateway.start(t);
  const program = new Program(t, ["tail", channel, "--url", gateway.url, ...args], env);
  return { gateway, program };
}

describe("tidegate tail: what arrives", { concurrency: 4 }, () => {
  it("subscribes after the welcome, and prints messages and presence as lines", async (t) => {
    const { gateway, program } = await start(t);
    const peer = await gateway.connection();
    const request = await peer.accept();
    assert.deepEqual([request.action, request.data], ["subscribe", { channel, options: { history: 0 } }]);
    peer.send(messageFrame("hello"));
    peer.send(messageFrame({ a: 1 }, { user_id: "42" }));
    peer.send({ action: "presence", event: "join", channel, member: { user_id: "ann" }, count: 2, time });
    await program.printed(/ann join/);
    const lines = program.stdout.replace(/^(?:\S+ )?\d\d:\d\d:\d\d /gm, "");
    assert.equal(lines, '#7  hello\n42  {"a":1}\n* ann join (2 here)\n');
  });

  it("escapes control characters", async (t) => {
    const { gateway, program } = await start(t);
    const peer = await gateway.connection();
    await peer.accept();
    peer.send(messageFrame("\u001b[2J\u202eend"));
    await program.printed(/end/);
    assert.ok(program.stdout.endsWith("#7  \\u001b[2J\\u202eend\n"));
  });

  it("--raw prints every frame, one a line", async (t) => {
    const { gateway, program } = await start(t, ["--raw"]);
    const peer = await gateway.connection();
    await peer.accept();
    const text = `{"action":"message","message":"caf\u00e9 \u009b"}`;
    peer.send(text);
    await program.printed(/caf/);
    const frames = program.stdout.trimEnd().split("\n");
    assert.deepEqual(
      frames.map((frame) => JSON.parse(frame).action),
      ["welcome", "subscribe", "message"],
    );
    assert.equal(frames[2], '{"action":"message","message":"caf\u00e9 \\u009b"}');
  });

  it("--since asks for the last messages first", async (t) => {
    const { gateway } = await start(t, ["--since", "20"]);
    const request = await (await gateway.connection()).accept();
    assert.deepEqual(request.data?.options, { history: 20 });
  });

  it("answers a ping with a pong", async (t) => {
    const { gateway } = await start(t);
    const peer = await gateway.connection();
    await peer.accept();
    peer.send({ action: "ping", time });
    assert.deepEqual(await peer.next(), { action: "pong" });
  });

  it("survives what is no frame", async (t) => {
    const { gateway, program } = await start(t);
    const peer = await gateway.connection();
    await peer.accept();
    for (const text of ["{", "[]", "7", "null", '{"action":{}}']) peer.send(text);
    peer.send(messageFrame("after"));
    await program.printed(/after/);
    await program.printed(/^tidegate: not a JSON frame: \{$/m, "stderr");
  });

  it("sends the token as a header and never in the URL", async (t) => {
    for (const [args, env] of [
      [["--token", "a.b.c"], { TIDEGATE_TOKEN: "x.y.z" }],
      [[], { TIDEGATE_TOKEN: "a.b.c" }],
    ] as const) {
      const { gateway } = await start(t, args, env);
      const { headers, url } = await gateway.connection();
      assert.deepEqual([headers.authorization, url], ["Bearer a.b.c", "/"]);
    }
  });
});

describe("tidegate tail: lines typed", { concurrency: 4 }, () => {
  it("are published as JSON where they are JSON, else as text, each after the one before is acknowledged", async (t) => {
    const { gateway, program } = await start(t);
    program.process.stdin.write('hello there\n\n{"a":1}\n42\n');
    const peer = await gateway.connection();
    await peer.accept();
    for (const message of ["hello there", { a: 1 }, 42]) {
      const frame = await peer.next();
      assert.deepEqual([frame.action, frame.data?.channel, frame.data?.message], ["message", channel, message]);
      peer.send({ action: "ping", time });
      assert.deepEqual(await peer.next(), { action: "pong" }, "nothing is sent before the acknowledgement");
      peer.send({ success: true, action: "message_sent", channel, recipients_count: 1, id: frame.id });
    }
  });

  it("of a pipe that has ended are published, and the program goes on listening", async (t) => {
    const { gateway, program } = await start(t);
    program.process.stdin.end("last");
    const peer = await gateway.connection();
    await peer.accept();
    const frame = await peer.next();
    assert.equal(frame.data?.message, "last");
    peer.send({ success: true, action: "message_sent", channel, recipients_count: 1, id: frame.id });
    peer.send(messageFrame("still here"));
    await program.printed(/still here/);
    assert.equal(program.process.exitCode, null);
  });

  it("are sent again where the rate limit refused them", async (t) => {
    const { gateway, program } = await start(t);
    const peer = await gateway.connection();
    await peer.accept();
    program.process.stdin.write("hello\n");
    const first = await peer.next();
    const error = "Rate limit exceeded. Please slow down.";
    peer.send({ success: false, action: "error", error, code: "rate_limit", retry_after: 1 });
    assert.deepEqual(await peer.next(), first);
    await program.printed(/Rate limit exceeded\. Please slow down\. Trying again in 1 s/, "stderr");
  });

  it("that are refused are told, and the next follows", async (t) => {
    const { gateway, program } = await start(t);
    const peer = await gateway.connection();
    await peer.accept();
    program.process.stdin.write("one\ntwo\n");
    const { id } = await peer.next();
    peer.send({ success: false, action: "error", error: "Not \u001b[1mallowed", code: "forbidden", id });
    assert.equal((await peer.next()).data?.message, "two");
    await program.printed(/^tidegate: not published: Not \\u001b\[1mallowed$/m, "stderr");
  });

  it("on their way when the connection broke are sent again, with the same key", async (t) => {
    const { gateway, program } = await start(t);
    const peer = await gateway.connection();
    await peer.accept();
    program.process.stdin.write("hello\n");
    const first = await peer.next();
    peer.close(4002, "too slow");
    const second = await gateway.connection();
    await second.accept();
    assert.deepEqual((await second.next()).data, first.data);
    assert.equal(typeof first.data?.key, "string");
  });

  it("too long for the gateway are dropped, and the next follows", async (t) => {
    const { gateway, program } = await start(t);
    const peer = await gateway.connection();
    await peer.accept();
    program.process.stdin.write("long\nnext\n");
    await peer.next();
    peer.close(1009, "message too big");
    const second = await gateway.connection();
    await second.accept();
    assert.equal((await second.next()).data?.message, "next");
    await program.printed(/too long for the gateway/, "stderr");
  });
});

describe("tidegate tail: connections", { concurrency: 4 }, () => {
  it("that end with a code below 4500 are opened again, from the last position", async (t) => {
    const { gateway, program } = await start(t, ["--since", "5"]);
    const peer = await gateway.connection();
    await peer.accept({ offset: "1", epoch: "e" });
    peer.send(messageFrame("a", { offset: "2", epoch: "e" }));
    peer.send({ action: "reconnect", retry_in_ms: 0 });
    peer.close(1001, "draining");
    const second = await gateway.connection();
    const request = await second.accept({ offset: "9", epoch: "f", recovered: false });
    assert.deepEqual(request.data?.options, { since: { offset: "2", epoch: "e" } });
    await program.printed(/messages may be missing/, "stderr");
    await program.printed(/connection closed \(1001\): draining; connecting again in 0\.0 s/, "stderr");

    second.close(4001, "idle timeout");
    const third = await (await gateway.connection()).accept();
    assert.deepEqual(third.data?.options, { since: { offset: "9", epoch: "f" } });
  });

  it("that a busy gateway refuses are tried again", async (t) => {
    const gateway = await ScriptedGateway.start(t);
    gateway.refusals.push("503 Service Unavailable", "429 Too Many Requests\r\nRetry-After: 1");
    const program = new Program(t, ["tail", channel, "--url", gateway.url]);
    await (await gateway.connection()).accept();
    await program.printed(/refused the connection: 503 Service Unavailable; connecting again/, "stderr");
    await program.printed(/429 Too Many Requests; connecting again in 1\.0 s/, "stderr");
  });

  for (const [code, reason] of [
    [4500, "invalid token"],
    [4503, "disconnected"],
    [4508, "flooding"],
  ] as const) {
    it(`that end with ${code} end the program with status 1`, async (t) => {
      const { gateway, program } = await start(t);
      const peer = await gateway.connection();
      await peer.accept();
      peer.close(code, reason);
      const { status, stderr } = await program.outcome();
      assert.deepEqual([status, stderr], [1, `tidegate: connection closed (${code}): ${reason}\n`]);
    });
  }

  it("that are refused for good end the program with status 1", async (t) => {
    const gateway = await ScriptedGateway.start(t);
    gateway.refusals.push("401 Unauthorized");
    const { status, stderr } = await new Program(t, ["tail", channel, "--url", gateway.url]).outcome();
    assert.deepEqual([status, stderr], [1, "tidegate: the gateway refused the connection: 401 Unauthorized\n"]);
  });

  it("that lead nowhere end the program with status 1", async (t) => {
    const { status, stderr } = await new Program(t, ["tail", channel, "--url", "ws://127.0.0.1:1"]).outcome();
    assert.equal(status, 1);
    assert.match(stderr, /^tidegate: cannot connect to 127\.0\.0\.1:1: connect ECONNREFUSED/);
  });

  it("a channel that may not be followed ends the program with status 1", async (t) => {
    const { gateway, program } = await start(t);
    const peer = await gateway.connection();
    peer.send({ action: "welcome", heartbeat_interval: 30 });
    const { id } = await peer.next();
    peer.send({ success: false, action: "error", error: "Not allowed", code: "forbidden", id, request: "subscribe" });
    const { status, stderr } = await program.outcome();
    assert.deepEqual([status, stderr], [1, "tidegate: cannot follow chat.room.1: Not allowed\n"]);
  });

  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    it(`${signal} says good-bye and ends with status 0`, async (t) => {
      const { gateway, program } = await start(t);
      const peer = await gateway.connection();
      await peer.accept();
      peer.send(messageFrame("ready"));
      await program.printed(/ready/);
      const closed = peer.closed();
      program.process.kill(signal);
      assert.equal(((await closed) as unknown[])[0], 1000);
      assert.equal((await program.outcome()).status, 0);
    });
  }

  it("SIGINT ends the wait for the next connection", async (t) => {
    const { gateway, program } = await start(t);
    const peer = await gateway.connection();
    await peer.accept();
    peer.send({ action: "reconnect", retry_in_ms: 3_600_000 });
    peer.close(1001);
    await program.printed(/connecting again in 3600\.0 s/, "stderr");
    program.process.kill("SIGINT");
    assert.equal((await program.outcome()).status, 0);
  });

  it("ends without a word when nobody reads its output", async (t) => {
    const { gateway, program } = await start(t);
    const peer = await gateway.connection();
    await peer.accept();
    program.process.stdout.destroy();
    const timer = setInterval(() => peer.send(messageFrame("x")), 20);
    t.after(() => clearInterval(timer));
    const { status, stderr } = await program.outcome();
    assert.deepEqual([status, stderr], [0, ""]);
  });
});
