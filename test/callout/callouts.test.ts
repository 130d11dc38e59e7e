import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { describe, it, type TestContext } from "node:test";
import type { CalloutOptions, CalloutTarget } from "../../src/callout/callout-options.ts";
import { Callouts, type Question, type Verdict } from "../../src/callout/callouts.ts";
import { GuardCounters } from "../../src/metrics/guard-counters.ts";
import { FakeClock } from "../channel/fake-clock.ts";
import { answering, Backend } from "../support/backend.ts";
import { secretOf } from "../support/printed.ts";

const question: Question = { event: "subscribe", user: 7, role: "user", channel: "a.b", connection: 1, address: "::1" };
const yes: Verdict = { allow: true };
const away: Verdict = { allow: false, code: "unavailable", reason: "Cannot be decided now. Try again." };

async function create(t: TestContext, over: Partial<CalloutOptions> = {}, target: Partial<CalloutTarget> = {}) {
  const backend = await Backend.start(t);
  const clock = new FakeClock();
  const counters = new GuardCounters();
  const lines: [object, string][] = [];
  const options: CalloutOptions = {
    connect: { url: "", timeoutMs: 1, whenDown: "refuse" },
    ...{ secret: "", failuresMax: 3, pauseSeconds: 10, inFlightMax: 100, cacheEntriesMax: 100 },
    ...over,
  };
  const callouts = new Callouts(options, { clock, counters, log: { warn: (...line) => void lines.push(line) } });
  t.after(() => callouts.stop());
  const asked: CalloutTarget = { url: backend.url, timeoutMs: 5000, whenDown: "refuse", ...target };
  const ask = (other: Partial<Question> = {}) => callouts.ask(asked, { ...question, ...other });
  return { backend, clock, counters, lines, callouts, ask };
}

describe("A question to a backend", () => {
  it("is posted as JSON, and its answer is the verdict", async (t) => {
    const { backend, ask } = await create(t);
    assert.deepEqual(await ask(), yes);
    assert.deepEqual(backend.asked[0]?.question, question);
    assert.equal(backend.asked[0]?.headers["tidegate-signature"], undefined);
    backend.reply = answering({ allow: false, code: "limit_reached", reason: "The room is full" });
    assert.deepEqual(await ask(), { allow: false, code: "limit_reached", reason: "The room is full" });
  });

  it("is refused as forbidden where the answer gives no code that clients know", async (t) => {
    const { backend, ask } = await create(t);
    backend.reply = answering({ allow: false, code: "teapot", reason: 7, ttl: "long" });
    assert.deepEqual(await ask(), { allow: false, code: "forbidden", reason: "Not allowed" });
  });

  it("is signed with its time, where there is a secret", async (t) => {
    const secret = secretOf("a secret of the backend, 32+ bytes");
    const { backend, clock, ask } = await create(t, { secret });
    await ask();
    const [{ headers, body } = assert.fail()] = backend.asked;
    const digest = createHmac("sha256", secret).update(`${clock.unixSeconds()}.${body}`).digest("hex");
    assert.equal(headers["tidegate-signature"], `t=${clock.unixSeconds()},v1=${digest}`);
  });

  it("takes the connection of the one before", async (t) => {
    const { backend, ask } = await create(t);
    for (let i = 0; i < 5; i += 1) await ask();
    assert.equal(new Set(backend.asked.map(({ socket }) => socket)).size, 1);
  });

  it("is asked once more where the backend closed that connection as it was used", async (t) => {
    const { backend, counters, ask } = await create(t);
    await ask();
    let isFirst = true;
    backend.reply = (asked, response) => {
      if (isFirst) response.destroy();
      else answering({ allow: true })(asked, response);
      isFirst = false;
    };
    assert.deepEqual(await ask(), yes);
    assert.equal(backend.asked.length, 3);
    assert.deepEqual(counters.calloutRequests, { answered: 2, failed: 0, timed_out: 0 });
  });

  const nonsense: [string, Parameters<typeof answering>][] = [
    ["a status that is not 200", [{ allow: true }, 201]],
    ["an error", [{ allow: true }, 500]],
    ["a redirect, which is not followed", ["", 307, { location: "/elsewhere" }]],
    ["a change of the protocol", ["", 101, { connection: "Upgrade", upgrade: "h2c" }]],
    ["no JSON", ["yes"]],
    ["no object", [[true]]],
    ["no allow", [{ ok: true }]],
    ["an allow that is no boolean", [{ allow: "true" }]],
    ["more than 16 KiB", [{ allow: true, more: "x".repeat(17_000) }]],
  ];
  for (const [what, answer] of nonsense) {
    it(`has no answer where there comes ${what}`, async (t) => {
      const { backend, counters, ask } = await create(t);
      backend.reply = answering(...answer);
      assert.deepEqual(await ask(), away);
      assert.equal(counters.calloutRequests.failed, 1);
      assert.equal(backend.asked.length, 1);
    });
  }

  it("has no answer where none comes in time, nor where half of one does", async (t) => {
    const { backend, counters, ask } = await create(t, {}, { timeoutMs: 100 });
    backend.hold();
    assert.deepEqual(await ask(), away);
    backend.reply = (_, response) => void response.writeHead(200).write('{"allow":');
    assert.deepEqual(await ask(), away);
    assert.deepEqual(counters.calloutRequests, { answered: 0, failed: 0, timed_out: 2 });
    assert.equal(counters.calloutDecisions.subscribe.unanswered, 2);
  });

  it("is allowed without an answer where the configuration says so", async (t) => {
    const { backend, ask } = await create(t, {}, { whenDown: "allow" });
    backend.reply = answering({}, 503);
    assert.deepEqual(await ask(), yes);
  });
});

describe("Equal questions", () => {
  it("are one while the first is open, for all who ask", async (t) => {
    const { backend, counters, ask } = await create(t);
    backend.hold();
    const answers = [ask(), ask({ connection: 2 }), ask({ connection: 3 })];
    await backend.askedTimes(1);
    backend.release({ allow: false, code: "forbidden", reason: "no" });
    const no = { allow: false, code: "forbidden", reason: "no" };
    assert.deepEqual(await Promise.all(answers), [no, no, no]);
    assert.equal(backend.asked.length, 1);
    assert.deepEqual([counters.calloutsReused.flight, counters.calloutDecisions.subscribe.refused], [2, 3]);
  });

  it("are answered at once for as long as the answer says, be it yes or no", async (t) => {
    const { backend, clock, counters, ask } = await create(t);
    for (const allow of [true, false]) {
      backend.reply = answering({ allow, reason: "so", ttl: 60 });
      const first = await ask();
      clock.advance(59_999);
      assert.deepEqual(ask(), first, "no promise");
      clock.advance(1);
      backend.reply = answering({ allow });
      await ask();
      await ask();
    }
    assert.equal(backend.asked.length, 6, "without a ttl each is asked");
    assert.equal(counters.calloutsReused.cache, 2);
  });

  it("are answered for a day at most, and not again where the ttl is none", async (t) => {
    const { backend, clock, ask } = await create(t);
    backend.reply = answering({ allow: true, ttl: 1e9 });
    await ask();
    clock.advance(86_399_999);
    assert.deepEqual(ask(), yes);
    for (const ttl of [-1, "60", null]) {
      clock.advance(1);
      backend.reply = answering({ allow: true, ttl });
      await ask();
    }
    await ask();
    assert.equal(backend.asked.length, 5);
  });

  const differences: [string, Partial<Question>][] = [
    ["user", { user: 8 }],
    ["type of the user's id", { user: "7" }],
    ["role", { role: "admin" }],
    ["channel", { channel: "a.c" }],
    ["event", { event: "publish" }],
  ];
  for (const [what, other] of differences) {
    it(`are not those of another ${what}`, async (t) => {
      const { backend, ask } = await create(t);
      backend.reply = answering({ allow: true, ttl: 60 });
      await ask();
      backend.reply = answering({ allow: false, ttl: 60 });
      assert.equal((await ask(other)).allow, false);
    });
  }

  it("are not those of two anonymous users at different addresses", async (t) => {
    const { backend, ask } = await create(t);
    backend.reply = answering({ allow: true, ttl: 60 });
    const anonymous = { user: undefined, role: undefined };
    await ask(anonymous);
    await ask({ ...anonymous, connection: 2 });
    await ask({ ...anonymous, address: "::2" });
    assert.equal(backend.asked.length, 2);
  });
});

describe("A backend that fails", () => {
  it("is left alone after so many failures, tried by one question after the pause, and asked again once that is answered", async (t) => {
    const { backend, clock, counters, lines, callouts, ask } = await create(t);
    backend.reply = answering({}, 500);
    for (let i = 0; i < 3; i += 1) assert.deepEqual(await ask(), away);
    assert.deepEqual(callouts.breakers(), { closed: 0, open: 1, half_open: 0 });
    assert.deepEqual(ask(), away, "at once, without a promise");
    assert.equal(backend.asked.length, 3);
    assert.equal(counters.calloutsUnasked.breaker, 1);

    backend.hold();
    clock.advance(10_000);
    const probe = ask();
    await backend.askedTimes(4);
    assert.deepEqual(callouts.breakers(), { closed: 0, open: 0, half_open: 1 });
    assert.deepEqual(ask({ channel: "other" }), away);
    backend.release();
    assert.deepEqual(await probe, yes);
    assert.deepEqual(callouts.breakers(), { closed: 1, open: 0, half_open: 0 });
    assert.deepEqual(await ask({ channel: "other" }), yes);
    assert.deepEqual(
      lines.map(([, text]) => text),
      ["call-outs fail: the backend is not asked for a while", "call-outs are answered again"],
    );
  });

  it("does not take what is remembered with it", async (t) => {
    const { backend, ask } = await create(t, { failuresMax: 1 });
    backend.reply = answering({ allow: true, ttl: 60 });
    await ask();
    backend.reply = answering({}, 500);
    assert.deepEqual(await ask({ channel: "other" }), away);
    assert.deepEqual(ask(), yes);
  });

  it("does not stop another one", async (t) => {
    const { backend, callouts, ask } = await create(t, { failuresMax: 1 });
    backend.reply = answering({}, 500);
    await ask();
    const other = await Backend.start(t);
    assert.deepEqual(await callouts.ask({ url: other.url, timeoutMs: 5000, whenDown: "refuse" }, question), yes);
  });

  it("is named in the log without its query", async (t) => {
    const { backend, callouts, lines } = await create(t, { failuresMax: 1 });
    backend.reply = answering({}, 500);
    await callouts.ask({ url: `${backend.url}?key=hunter2`, timeoutMs: 5000, whenDown: "refuse" }, question);
    assert.deepEqual({ ...lines[0]?.[0] }, { url: backend.url, reason: "status 500", pauseSeconds: 10 });
    assert.doesNotMatch(JSON.stringify(lines), /hunter2/);
  });
});

it("More questions at once than may be under way go as if the backend were down", async (t) => {
  const { backend, counters, ask } = await create(t, { inFlightMax: 2 });
  backend.hold();
  const open = [ask({ channel: "a" }), ask({ channel: "b" })];
  assert.deepEqual(ask({ channel: "c" }), away);
  assert.equal(counters.calloutsUnasked.in_flight_max, 1);
  await backend.askedTimes(2);
  backend.release();
  assert.deepEqual(await Promise.all(open), [yes, yes]);
  assert.deepEqual(await ask({ channel: "c" }), yes);
});
