import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { describe, it } from "node:test";
import { promisify } from "node:util";
import { limited } from "../../src/log/limited-log.ts";
import { createLog } from "../../src/log/log.ts";
import { typescript } from "../support/gateway-program.ts";

/** A limited log of 3 lines a second, on a clock and timers that the test moves. */
function limitedLog() {
  const lines: { level: string; msg: string; event?: string; suppressed?: number; node?: string }[] = [];
  const inner = createLog({ level: "debug", format: "json" }, { write: (line) => void lines.push(JSON.parse(line)) });
  let nowMs = 5000;
  const timers: { action: () => void; dueMs: number }[] = [];
  const log = limited(inner, {
    linesPerSecond: 3,
    clock: { nowMs: () => nowMs, unixSeconds: () => 0 },
    later: (action, delayMs) => void timers.push({ action, dueMs: nowMs + delayMs }),
  });
  const advance = (milliseconds: number) => {
    nowMs += milliseconds;
    for (const { action } of timers.filter(({ dueMs }) => dueMs <= nowMs)) action();
  };
  const texts = () => lines.map(({ msg, suppressed }) => (suppressed === undefined ? msg : `${msg}: ${suppressed}`));
  return { log, lines, texts, advance, timers, setNow: (value: number) => (nowMs = value) };
}

const times = (count: number, action: () => void) => Array.from({ length: count }).forEach(action);

describe("a log limited to 3 lines a second of one event", () => {
  it("writes the first three at once and then one line that counts the rest", () => {
    const { log, texts, advance } = limitedLog();
    times(10, () => log.warn({}, "refused"));
    assert.deepEqual(texts(), ["refused", "refused", "refused"]);
    advance(1000);
    assert.deepEqual(texts().slice(3), ["similar log lines suppressed: 7"]);
  });

  it("names the suppressed event, at its own level", () => {
    const { log, lines, advance } = limitedLog();
    times(4, () => log.info({}, "refused"));
    advance(1000);
    assert.deepEqual([lines[3]?.level, lines[3]?.event], ["info", "refused"]);
  });

  it("writes again in the next second", () => {
    const { log, texts, advance } = limitedLog();
    times(4, () => log.warn({}, "refused"));
    advance(1000);
    times(4, () => log.warn({}, "refused"));
    assert.deepEqual(texts().slice(4), ["refused", "refused", "refused"]);
  });

  it("tells the count before the next line of the event where the timer is late, and only once", () => {
    const { log, texts, timers, setNow } = limitedLog();
    times(5, () => log.warn({}, "refused"));
    setNow(6500);
    log.warn({}, "refused");
    for (const { action } of timers) action();
    assert.deepEqual(texts().slice(3), ["similar log lines suppressed: 2", "refused"]);
  });

  it("writes nothing more where nothing was suppressed", () => {
    const { log, texts, advance } = limitedLog();
    times(3, () => log.warn({}, "refused"));
    advance(5000);
    assert.equal(texts().length, 3);
  });

  it("limits each event, and each level of it, on its own", () => {
    const { log, texts } = limitedLog();
    times(4, () => log.warn({}, "refused"));
    log.warn({}, "flooding");
    log.info({}, "refused");
    assert.deepEqual(texts().slice(3), ["flooding", "refused"]);
  });

  it("limits children together with their parent, and keeps their fields", () => {
    const { log, lines } = limitedLog();
    times(5, () => log.child({ node: "a" }).warn({}, "refused"));
    log.warn({}, "refused");
    assert.deepEqual(
      lines.map(({ node }) => node),
      ["a", "a", "a"],
    );
  });

  it("never holds back a fatal line", () => {
    const { log, texts } = limitedLog();
    times(5, () => log.fatal({}, "broken"));
    assert.equal(texts().length, 5);
  });

  it("stays bounded where messages are not constant: events beyond 256 share one limit", () => {
    const { log, texts, timers } = limitedLog();
    for (let n = 0; n < 10_000; n += 1) log.warn({}, `refused ${n}`);
    assert.equal(texts().length, 256 + 3);
    assert.equal(timers.length, 1);
  });

  it("does not keep a process alive for the count", async () => {
    const [logUrl, limitedUrl] = ["log", "limited-log"].map((name) => import.meta.resolve(`../../src/log/${name}.ts`));
    const script = `import { createLog } from ${JSON.stringify(logUrl)};
      import { limited } from ${JSON.stringify(limitedUrl)};
      const log = limited(createLog({ level: "info", format: "json" }), { linesPerSecond: 1 });
      log.warn({}, "refused");
      log.warn({}, "refused");`;
    const arguments_ = [...typescript, "--input-type=module", "--eval", script];
    const { stdout } = await promisify(execFile)(process.execPath, arguments_);
    assert.equal(stdout.trim().split("\n").length, 1); // it ended before the second was over
  });
});
