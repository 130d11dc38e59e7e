import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Troubles } from "../../src/bus/troubles.ts";

function createTroubles() {
  const lines: string[] = [];
  let blocked: string | undefined;
  const status = {
    block(reason: string) {
      blocked = reason;
    },
    clear() {
      blocked = undefined;
    },
  };
  const log = {
    info: (_: object, text: string) => lines.push(text),
    warn: (fields: object) => lines.push(reason(fields)),
  };
  const troubles = new Troubles(status, log, () => 0);
  return { troubles, lines, blocked: () => blocked };
}
const reason = (fields: object): string => (fields as { reason: string }).reason;
const back = "Redis is back: the log goes on";

describe("Troubles with Redis", () => {
  it("are told once for a change, however often they are met", () => {
    const { troubles, lines } = createTroubles();
    troubles.started();
    for (let n = 0; n < 100; n += 1) troubles.begin("a", new Error("ECONNREFUSED"));
    for (let n = 0; n < 100; n += 1) troubles.end("a");
    assert.deepEqual(lines, ["ECONNREFUSED", back]);
  });

  it("name a new reason once, and a mere consequence not at all", () => {
    const { troubles, lines, blocked } = createTroubles();
    for (const text of ["ECONNREFUSED", "no connection to Redis", "LOADING", "ECONNREFUSED", "OOM", "LOADING"])
      troubles.begin("a", new Error(text));
    for (let n = 0; n < 100; n += 1) troubles.begin("a", new Error(`reason ${n}`));
    assert.deepEqual(lines.slice(0, 3), ["ECONNREFUSED", "LOADING", "OOM"]);
    assert.equal(lines.length, 8);
    assert.match(blocked()!, /^Redis: reason/);
  });

  it("are over only when every part works again", () => {
    const { troubles, lines, blocked } = createTroubles();
    troubles.started();
    troubles.begin("a", new Error("OOM"));
    troubles.begin("b", new Error("OOM"));
    troubles.end("a");
    troubles.end("a");
    assert.equal(blocked(), "Redis: OOM");
    assert.equal(troubles.quietMs, 0);
    troubles.end("b");
    assert.equal(blocked(), undefined);
    assert.deepEqual(lines, ["OOM", back]);
  });

  it("that end before the node has started leave it not ready; that are there when it has, too", () => {
    const { troubles, blocked } = createTroubles();
    assert.match(blocked()!, /connecting/);
    troubles.begin("a", new Error("OOM"));
    troubles.end("a");
    assert.notEqual(blocked(), undefined);
    troubles.begin("a", new Error("OOM"));
    troubles.started();
    assert.notEqual(blocked(), undefined);
    troubles.end("a");
    assert.equal(blocked(), undefined);
  });
});
