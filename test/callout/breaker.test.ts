import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Breaker } from "../../src/callout/breaker.ts";
import { FakeClock } from "../channel/fake-clock.ts";

function create() {
  const clock = new FakeClock();
  const breaker = new Breaker({ failuresMax: 3, pauseMs: 1000 }, clock);
  const fail = (): boolean => breaker.failed(breaker.pass()!);
  const open = (): void => {
    for (let i = 0; i < 3; i += 1) fail();
  };
  return { clock, breaker, fail, open };
}

describe("A breaker: 3 failures, a pause of a second", () => {
  it("opens at the third failure in a row, and says so once", () => {
    const { breaker, fail } = create();
    assert.deepEqual([fail(), fail(), breaker.state], [false, false, "closed"]);
    assert.deepEqual([fail(), breaker.state, breaker.pass()], [true, "open", undefined]);
  });

  it("counts failures in a row: a success between begins anew", () => {
    const { breaker, fail } = create();
    fail();
    fail();
    assert.equal(breaker.succeeded(breaker.pass()!), false);
    fail();
    fail();
    assert.equal(breaker.state, "closed");
  });

  it("lets nobody pass during the pause, and then one alone", () => {
    const { breaker, clock, open } = create();
    open();
    clock.advance(999);
    assert.equal(breaker.pass(), undefined);
    clock.advance(1);
    assert.notEqual(breaker.pass(), undefined);
    assert.deepEqual([breaker.state, breaker.pass()], ["half_open", undefined]);
  });

  it("closes when that one succeeds, and says so", () => {
    const { breaker, clock, open, fail } = create();
    open();
    clock.advance(1000);
    assert.equal(breaker.succeeded(breaker.pass()!), true);
    assert.equal(breaker.state, "closed");
    fail();
    fail();
    assert.equal(breaker.state, "closed", "it counts from none again");
  });

  it("opens for another pause when that one fails, without saying so again", () => {
    const { breaker, clock, open, fail } = create();
    open();
    clock.advance(1000);
    assert.equal(fail(), false);
    clock.advance(999);
    assert.deepEqual([breaker.state, breaker.pass()], ["open", undefined]);
    clock.advance(1);
    assert.notEqual(breaker.pass(), undefined);
  });

  it("passes over what began before: neither a late success closes it, nor a late failure opens it", () => {
    const { breaker, clock, open } = create();
    const [early, earlier] = [breaker.pass()!, breaker.pass()!];
    open();
    assert.equal(breaker.succeeded(early), false);
    assert.equal(breaker.state, "open");
    clock.advance(1000);
    const probe = breaker.pass()!;
    breaker.failed(earlier);
    assert.equal(breaker.state, "half_open");
    breaker.succeeded(probe);
    breaker.failed(earlier);
    assert.equal(breaker.state, "closed");
  });
});
