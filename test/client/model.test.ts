/**
 * The client against a model of the gateway, in a world where everything goes wrong by a seed: each message once and in
 * order, or a gap is told; each acknowledged publication in the log, once. A failing seed fails again: `runModel(seed)`.
 */
import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { Listener } from "../../src/client/listener.ts";
import { Outbox, type Request } from "../../src/client/outbox.ts";
import { Pace } from "../../src/client/pace.ts";
import { Subscription } from "../../src/client/subscription.ts";
import { Child } from "../support/child.ts";
import { typescript } from "../support/gateway-program.ts";
import { runModel } from "./model-run.ts";

const program = fileURLToPath(new URL("model-program.ts", import.meta.url));

/** Sums of what happened in the runs with the seeds `from` to below `to`. Rejects with the seed that failed. */
async function runAll(t: TestContext, from: number, to: number, mode = "faulty"): Promise<Record<string, number>> {
  const child = new Child(t, process.execPath, [...typescript, program, String(from), String(to), mode]);
  await child.printed(/^\{"tokens.*\}$/m, 100_000); // seconds of work, and on a busy machine a multiple of it
  return JSON.parse(/^\{"tokens.*\}$/m.exec(child.output)![0]);
}

describe("1,000 seeded runs of disconnects, drains, drops, limits, lost logs and token expiries", () => {
  it("see each message once and in order or are told of the gap, and publish once what is acknowledged", async (t) => {
    const sums: Record<string, number> = {};
    const parts = await Promise.all([0, 250, 500, 750].map((from) => runAll(t, from, from + 250)));
    for (const [what, times] of parts.flatMap(Object.entries)) sums[what] = (sums[what] ?? 0) + times;
    assert.equal(sums.runs, 1000);
    const faults = ["cut", "dead", "slow", "drain", "restart", "strict", "unavailable", "losses", "network", "leaving"];
    for (const what of [...faults, "gaps", "unknown"]) assert.ok(sums[what]! > 100, `${what}: ${sums[what]}`);
    assert.ok(sums.arrays! > 5000, `${sums.arrays} arrays`);
    assert.ok(sums.tokens! > 5000 && sums.acknowledged! > 20_000 && sums.delivered! > 50_000, JSON.stringify(sums));
  });

  it("tell of no gap and no error where nothing goes wrong", async (t) => {
    const sums = await runAll(t, 0, 50, "faultless");
    assert.ok(sums.delivered! > 2000);
  });
});

describe("The model finds a client that", () => {
  /** Replaces a method while the test runs, and wants a run to fail with `complaint`. */
  async function isFound<Class, Name extends keyof Class>(
    t: TestContext,
    { prototype }: { readonly prototype: Class },
    name: Name,
    broken: Class[Name],
    complaint: RegExp,
  ): Promise<void> {
    const kept = prototype[name];
    prototype[name] = broken;
    t.after(() => {
      prototype[name] = kept;
    });
    await assert.rejects(async () => {
      for (let seed = 0; seed < 300; seed += 1) await runModel(seed);
    }, complaint);
  }

  it("does not drop what it has had", async (t) => {
    const take: Listener["take"] = function (this: Listener, message) {
      if (this.isBegun) this.emit("message", message);
    };
    await isFound(t, Listener, "take", take, /came after/);
  });

  it("keeps a gap to itself", async (t) => {
    await isFound(t, Listener, "gap", () => {}, /no gap was told/);
  });

  it("counts a replay as had when it begins", async (t) => {
    const { subscribed } = Subscription.prototype;
    const early: Subscription["subscribed"] = function (this: Subscription, reply) {
      const gap = subscribed.call(this, reply);
      this.replayed();
      return gap;
    };
    await isFound(t, Subscription, "subscribed", early, /no gap was told|came after/);
  });

  it("sends again with another key", async (t) => {
    const { add } = Outbox.prototype;
    let keys = 0;
    const anew: Outbox["add"] = function (this: Outbox, request: Request) {
      const data = (): object => {
        keys += 1;
        return { ...request.data(), key: `key ${keys}` };
      };
      add.call(this, request.action === "message" ? { ...request, data } : request);
    };
    await isFound(t, Outbox, "add", anew, /is in the log 2 times/);
  });

  it("forgets what was on its way when the connection broke", async (t) => {
    const { closed } = Outbox.prototype;
    const forgetful: Outbox["closed"] = function (this: Outbox) {
      closed.call(this, true); // as if all of it had been too big
    };
    await isFound(t, Outbox, "closed", forgetful, /message_too_big/);
  });

  it("does not wait when it is told to slow down", async (t) => {
    await isFound(t, Pace, "emptyUntil", () => {}, /never came to rest/);
  });
});
