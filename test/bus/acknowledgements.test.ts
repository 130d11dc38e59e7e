/** When entries are acknowledged: in their order, and those with a key once they were read. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Acknowledgements } from "../../src/bus/acknowledgements.ts";

const id = { ms: 1, sequence: 0 };
const entry = (name: string, hasKey: boolean) => ({ name, hasKey });

function createAcknowledgements() {
  const acknowledged: string[] = [];
  const acknowledgements = new Acknowledgements<ReturnType<typeof entry>>(({ name }) => void acknowledged.push(name));
  return { acknowledgements, acknowledged };
}

describe("Acknowledgements", () => {
  it("need no reading where there is no key", () => {
    const { acknowledgements, acknowledged } = createAcknowledgements();
    acknowledgements.written(entry("a", false), id, 1);
    assert.deepEqual(acknowledged, ["a"]);
  });

  it("of an entry with a key come once it was read, and those behind it wait for them", () => {
    const { acknowledgements, acknowledged } = createAcknowledgements();
    acknowledgements.written(entry("a", true), id, 1);
    acknowledgements.written(entry("b", false), id, 2);
    acknowledgements.written(entry("c", true), id, 3);
    acknowledgements.written(entry("d", false), id, 4);
    assert.deepEqual(acknowledged, []);
    acknowledgements.seen(1);
    assert.deepEqual(acknowledged, ["a", "b"]);
    acknowledgements.seen(2);
    acknowledgements.seen(3);
    assert.deepEqual(acknowledged, ["a", "b", "c", "d"]);
  });

  it("of an entry that was read before the answer came are given at once", () => {
    const { acknowledgements, acknowledged } = createAcknowledgements();
    acknowledgements.seen(1);
    acknowledgements.written(entry("a", true), id, 1);
    assert.deepEqual(acknowledged, ["a"]);
  });

  it("do not wait for ever for an entry that is never read", (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    let nowMs = 0;
    t.mock.method(performance, "now", () => nowMs);
    const { acknowledgements, acknowledged } = createAcknowledgements();
    const pass = (ms: number): void => {
      nowMs += ms;
      t.mock.timers.tick(ms);
    };
    acknowledgements.written(entry("a", true), id, 1);
    pass(3000);
    acknowledgements.written(entry("b", true), id, 2);
    pass(2000);
    assert.deepEqual(acknowledged, ["a"]);
    pass(3000);
    assert.deepEqual(acknowledged, ["a", "b"]);
  });

  it("are all given in the end", () => {
    const { acknowledgements, acknowledged } = createAcknowledgements();
    acknowledgements.written(entry("a", true), id, 1);
    acknowledgements.written(entry("b", false), id, 2);
    acknowledgements.stop();
    assert.deepEqual(acknowledged, ["a", "b"]);
  });
});
