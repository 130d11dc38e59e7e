import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Health, healthAnswer } from "../../src/metrics/health.ts";

describe("the health of a node", () => {
  it("is not ready before it has started", () => {
    assert.deepEqual(new Health().ready(), { ok: false, reason: "starting" });
  });

  it("is ready when nothing stands in the way", () => {
    const health = new Health();
    health.clear("start");
    assert.deepEqual(health.ready(), { ok: true, reason: "" });
  });

  it("tells every obstacle until its own part clears it", () => {
    const health = new Health();
    health.clear("start");
    health.block("bus", "redis away");
    health.block("drain", "draining");
    health.block("bus", "catching up");
    assert.equal(health.ready().reason, "catching up; draining");
    health.clear("bus");
    health.clear("bus");
    assert.deepEqual(health.ready(), { ok: false, reason: "draining" });
  });

  it("answers /healthz while the process lives, ready or not", () => {
    assert.deepEqual(healthAnswer("/healthz", new Health()), { status: 200, body: "ok" });
  });

  it("answers /readyz with 200 or with 503 and the reason", () => {
    const health = new Health();
    assert.deepEqual(healthAnswer("/readyz", health), { status: 503, body: "starting" });
    health.clear("start");
    assert.deepEqual(healthAnswer("/readyz", health), { status: 200, body: "ready" });
  });

  it("has no answer for other paths", () => {
    assert.equal(healthAnswer("/healthz/", new Health()), undefined);
  });
});
