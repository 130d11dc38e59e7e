import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HookRunner } from "../../src/guard/hook-runner.ts";
import { HookRefusal } from "../../src/guard/hooks.ts";
import { createLog } from "../../src/log/log.ts";
import { GuardCounters } from "../../src/metrics/guard-counters.ts";
import { FakeClock } from "../channel/fake-clock.ts";

function create(timeoutMs = 5000) {
  const counters = new GuardCounters();
  const clock = new FakeClock();
  const lines: Record<string, unknown>[] = [];
  const log = createLog({ level: "info", format: "json" }, { write: (line) => void lines.push(JSON.parse(line)) });
  const runner = new HookRunner(timeoutMs, { counters, clock, log });
  const run = (hook: () => unknown) => runner.run("onMessage", hook, (answer) => answer, { connection: 7 });
  return { counters, clock, lines, runner, run };
}

describe("What a hook answers at once", () => {
  it("is used at once: leave, a refusal and a rewrite come without a promise", () => {
    const { run, counters } = create();
    assert.equal(
      run(() => undefined),
      undefined,
    );
    assert.deepEqual(
      run(() => new HookRefusal("rate_limit", "Slowly", { retryAfter: 3 })),
      { code: "rate_limit", error: "Slowly", retryAfter: 3 },
    );
    assert.deepEqual(
      run(() => ({ message: 1 })),
      { message: 1 },
    );
    assert.deepEqual({ ...counters.hookCalls.onMessage }, outcomes({ allowed: 1, refused: 1, rewritten: 1 }));
  });

  it("may be thrown, where it is a refusal", () => {
    const { run, lines } = create();
    const refused = run(() => {
      throw new HookRefusal("forbidden", "No");
    });
    assert.deepEqual(refused, { code: "forbidden", error: "No", retryAfter: undefined });
    assert.deepEqual(lines, []);
  });

  it("is told when to try again in whole seconds, and not at all where that is no time", () => {
    const { run } = create();
    const told = (retryAfter: unknown) =>
      run(() => new HookRefusal("rate_limit", "Slowly", { retryAfter: retryAfter as number }));
    const times = [1.2, Number.NaN, -1, Number.POSITIVE_INFINITY, "5\r\nSet-Cookie: a=b"].map(
      (time) => (told(time) as { retryAfter: unknown }).retryAfter,
    );
    assert.deepEqual(times, [2, undefined, undefined, undefined, undefined]);
  });

  it("is known as a refusal by its name, of whichever copy of this package it comes", () => {
    const { run } = create();
    class HookRefusalOfAnotherCopy extends Error {
      override name = "HookRefusal";
      code = "forbidden";
    }
    assert.deepEqual(
      run(() => new HookRefusalOfAnotherCopy("No")),
      { code: "forbidden", error: "No", retryAfter: undefined },
    );
  });
});

describe("A hook that fails", () => {
  const failures: [string, () => unknown][] = [
    [
      "throws",
      () => {
        throw new Error("boom");
      },
    ],
    [
      "answers what cannot even be looked at",
      () =>
        new Proxy(
          {},
          {
            get() {
              throw new Error("boom");
            },
          },
        ),
    ],
    [
      "throws what is no error",
      () => {
        throw "boom";
      },
    ],
    [
      "throws what has no text",
      () => {
        throw Object.create(null);
      },
    ],
    [
      "throws an error that throws where it is looked at",
      () => {
        throw Object.defineProperty(new Error("boom"), "name", {
          get() {
            throw new Error("boom");
          },
        });
      },
    ],
    ["rejects with what has no text", () => Promise.reject(Object.create(null))],
    ["returns what cannot be compared", () => revoked()],
    ["rejects with what cannot be compared", () => Promise.reject(revoked())],
    ["rejects", () => Promise.reject(new Error("boom"))],
    ["answers what is neither leave, refusal nor rewrite", () => "boom"],
    ["answers null", async () => null],
    ["returns an error that is no refusal", () => new Error("boom")],
    ["refuses with a code that clients do not know", () => new HookRefusal("boom" as "internal", "")],
  ];
  for (const [what, hook] of failures) {
    it(`is counted, and named in the log with its connection, where it ${what}: the request ends as internal`, async () => {
      const { run, counters, lines } = create();
      const failed = await run(hook);
      assert.equal((failed as { code: string }).code, "internal");
      assert.equal(counters.hookCalls.onMessage.failed, 1);
      assert.deepEqual(
        lines.map(({ level, msg, hook: name, connection }) => [level, msg, name, connection]),
        [["error", "hook failed", "onMessage", 7]],
      );
    });
  }

  it("is given up after its time-out as unavailable; what it answers later is passed over", async () => {
    const { run, counters, lines } = create(20);
    let answer: (value: unknown) => void = () => assert.fail("not called");
    const refused = await run(
      () =>
        new Promise((resolve) => {
          answer = resolve;
        }),
    );
    assert.equal((refused as { code: string }).code, "unavailable");
    answer({ message: 1 });
    await Promise.resolve();
    assert.deepEqual({ ...counters.hookCalls.onMessage }, outcomes({ timed_out: 1 }));
    assert.deepEqual(
      lines.map(({ msg, timeoutMs }) => [msg, timeoutMs]),
      [["hook did not answer in time", 20]],
    );
  });

  it("is counted and named where it held up the process for more than 100 ms, whatever it answers", () => {
    const { run, counters, clock, lines } = create();
    run(() => clock.advance(100));
    assert.equal(counters.hookBlocks.onMessage, 0);
    run(() => clock.advance(101));
    run(() => {
      clock.advance(250);
      throw new HookRefusal("forbidden", "No");
    });
    assert.equal(counters.hookBlocks.onMessage, 2);
    assert.deepEqual(
      lines.map(({ level, msg, hook, tookMs }) => [level, msg, hook, tookMs]),
      [
        ["warn", "hook held up the whole process", "onMessage", 101],
        ["warn", "hook held up the whole process", "onMessage", 250],
      ],
    );
  });
});

it("No more than 10,000 calls of one hook wait at once: further ones are refused without a call, until some have ended", async () => {
  const { run, runner, counters } = create();
  let answer: (value: undefined) => void = () => assert.fail("not called");
  const open = new Promise<undefined>((resolve) => {
    answer = resolve;
  });
  const waiting = Array.from({ length: 10_000 }, () => run(() => open));
  assert.equal((run(() => assert.fail("called")) as { code: string }).code, "unavailable");
  assert.equal(counters.hookCalls.onMessage.overloaded, 1);
  assert.equal(
    runner.run(
      "onClose",
      () => undefined,
      () => undefined,
      {},
    ),
    undefined,
    "others are called",
  );
  answer(undefined);
  await Promise.all(waiting);
  await runner.idle();
  assert.equal(
    run(() => undefined),
    undefined,
  );
});

/** Whatever is done with it throws. */
function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

const outcomes = (some: object): object => ({
  ...{ allowed: 0, rewritten: 0, refused: 0, failed: 0, timed_out: 0, overloaded: 0 },
  ...some,
});
