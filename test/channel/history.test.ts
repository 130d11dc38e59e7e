import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { History, type HistoryOptions } from "../../src/channel/history.ts";
import { Policies } from "../../src/channel/policy.ts";
import { bytesKept } from "../support/memory.ts";
import { FakeClock } from "./fake-clock.ts";

const overhead = 200; // bytes that an entry counts besides its text
const ringBytes = (...channels: string[]) => channels.reduce((sum, channel) => sum + 400 + channel.length, 0);

/** A history at the head of a log of its own: `publish` gives the next offset and keeps the message. */
function createHistory({ size = 100, seconds = 300, bytesMax = 1e9, channelBytesMax = 1e9, digits = 4 } = {}) {
  const clock = new FakeClock();
  const log = { epoch: "first", offset: 10 ** (digits - 1) };
  const tail = () => ({ offset: String(log.offset), epoch: log.epoch });
  let first = log.offset;
  const known = {
    tail,
    knownFrom: () => String(first),
    knows: (_channel: string, offset: string) =>
      /^\d+$/.test(offset) && offset.length === digits && Number(offset) >= first && Number(offset) <= log.offset,
  };
  const options: HistoryOptions = { bytesMax, channelBytesMax };
  const history = new History(options, known, clock);
  const policy = new Policies({ ">": { history: { size, seconds } } }, 8).of("any");
  return {
    clock,
    log,
    tail,
    history,
    /** A new epoch: nothing of before is known. */
    breakLog(): void {
      log.epoch = "second";
      first = log.offset + 1;
    },
    publish(channel: string, body: string): string {
      log.offset += 1;
      history.push(channel, policy, tail(), body);
      return tail().offset;
    },
    bodies: (channel: string, limit = 1e6, before?: string) =>
      history.latest(channel, limit, before).map(({ body }) => body),
    since: (channel: string, offset: string, epoch = log.epoch) =>
      history.since(channel, { offset, epoch })?.map(({ body }) => body),
    position: (channel: string) => history.position(channel),
  };
}

describe("A channel's ring", () => {
  it("keeps the latest messages, as many as the policy says, oldest first", () => {
    const { publish, bodies, history } = createHistory({ size: 3 });
    for (const body of ["a", "b", "c", "d", "e"]) publish("chat", body);
    assert.deepEqual(bodies("chat"), ["c", "d", "e"]);
    assert.equal(history.messages, 3);
  });

  it("stays exact over many turns of the ring", () => {
    const { publish, bodies, history } = createHistory({ size: 40 });
    for (let n = 0; n < 1000; n += 1) {
      publish("chat", `${n}`);
      const first = Math.max(0, n - 39);
      assert.deepEqual(
        bodies("chat"),
        Array.from({ length: n - first + 1 }, (_, i) => `${first + i}`),
      );
    }
    assert.deepEqual([history.messages, history.channels], [40, 1]);
  });

  it("keeps a message for the policy's seconds and no longer, each by its own age", () => {
    const { publish, bodies, clock } = createHistory({ seconds: 10 });
    publish("chat", "old");
    clock.advance(6000);
    publish("chat", "young");
    clock.advance(4000);
    assert.deepEqual(bodies("chat"), ["old", "young"]);
    clock.advance(1);
    assert.deepEqual(bodies("chat"), ["young"]);
    clock.advance(6000);
    assert.deepEqual(bodies("chat"), []);
  });

  it("holds at most channelBytesMax, so that a replay fits the send queue", () => {
    const { publish, bodies, history } = createHistory({ channelBytesMax: 3 * (overhead + 100) });
    for (const letter of ["a", "b", "c", "d"]) publish("chat", letter.repeat(100));
    assert.deepEqual(
      bodies("chat").map((body) => body[0]),
      ["b", "c", "d"],
    );
    assert.equal(history.bytes, ringBytes("chat") + 3 * (overhead + 100));
  });

  it("counts the bytes that a replay sends, not the characters", () => {
    const { publish, bodies, history } = createHistory({ channelBytesMax: 1000 });
    publish("chat", "日".repeat(100));
    assert.equal(history.bytes, ringBytes("chat") + overhead + 300);
    publish("chat", "月".repeat(100));
    assert.equal(bodies("chat").length, 2);
    publish("chat", "火".repeat(100));
    assert.deepEqual(
      bodies("chat").map((body) => body[0]),
      ["月", "火"],
    );
  });

  it("keeps nothing of a message that alone is too large, and cannot recover over it", () => {
    const { publish, bodies, since } = createHistory({ channelBytesMax: 1000 });
    const first = publish("chat", "a");
    const large = publish("chat", "b".repeat(1000));
    assert.deepEqual(bodies("chat"), []);
    assert.equal(since("chat", first), undefined);
    assert.deepEqual(since("chat", large), []);
  });

  it("lets go of what it evicted: the memory is free at once", () => {
    const { publish, history } = createHistory({ size: 1 });
    const text = (n: number) => Buffer.alloc(1_000_000, 97 + n).toString("latin1");
    publish("chat", text(0));
    const grown = bytesKept(() => {
      for (let n = 1; n <= 20; n += 1) publish("chat", text(n));
    });
    assert.equal(grown < 5_000_000, true, `${grown} bytes more for ${history.messages} message`);
  });
});

describe("The rings of a node together", () => {
  it("hold at most bytesMax: the oldest message of the whole node goes first, whatever its channel", () => {
    const { publish, bodies, history } = createHistory({ bytesMax: ringBytes("quiet", "busy") + 4 * (overhead + 1) });
    publish("quiet", "1");
    publish("busy", "2");
    publish("quiet", "3");
    publish("busy", "4");
    assert.equal(history.messages, 4);
    publish("busy", "5");
    assert.deepEqual([bodies("quiet"), bodies("busy")], [["3"], ["2", "4", "5"]]);
    publish("busy", "6");
    assert.deepEqual([bodies("quiet"), bodies("busy")], [["3"], ["4", "5", "6"]]);
    publish("third", "7");
    assert.deepEqual([bodies("quiet"), bodies("busy"), bodies("third")], [[], ["4", "5", "6"], ["7"]]);
    assert.equal(history.bytes, ringBytes("third", "busy") + 4 * (overhead + 1));
  });

  it("evict by age over all channels also after some went by their ring's own size", () => {
    const { publish, bodies } = createHistory({ size: 2, bytesMax: ringBytes("a", "b") + 4 * (overhead + 1) });
    const all = () => ["a", "b", "c", "d"].map((channel) => bodies(channel).join(""));
    for (const body of ["1", "2"]) publish("a", body);
    for (const body of ["1", "2", "3"]) publish("b", body); // b's own first one goes by size
    assert.deepEqual(all(), ["12", "23", "", ""]);
    publish("c", "1"); // a ring takes as much as two such messages
    assert.deepEqual(all(), ["", "23", "1", ""]);
    publish("c", "2");
    assert.deepEqual(all(), ["", "23", "12", ""]);
    publish("d", "1");
    assert.deepEqual(all(), ["", "", "12", "1"]);
  });

  it("evict by age also behind a gap that a ring's own size left in the middle", () => {
    const { publish, bodies } = createHistory({ size: 1, bytesMax: ringBytes("a", "b", "c") + 3 * (overhead + 1) });
    for (const channel of ["b", "a", "c"]) publish(channel, "1");
    publish("a", "2"); // evicts a's first one, which stood between those of b and c
    publish("d", "1");
    assert.deepEqual([bodies("b"), bodies("c"), bodies("a"), bodies("d")], [[], ["1"], ["2"], ["1"]]);
    publish("e", "1");
    assert.deepEqual([bodies("c"), bodies("a"), bodies("d"), bodies("e")], [[], ["2"], ["1"], ["1"]]);
  });

  it("count messages and bytes as they hold them, also after everything has gone", () => {
    const bytesMax = 7 * ringBytes("channel-1") + 20 * (overhead + 2);
    const { publish, history, clock } = createHistory({ size: 5, seconds: 10, bytesMax });
    for (let n = 10; n < 99; n += 1) publish(`channel-${n % 7}`, `${n}`);
    assert.deepEqual([history.messages, history.bytes], [20, bytesMax]);
    clock.advance(10_001);
    history.sweep();
    assert.deepEqual([history.messages, history.bytes], [0, 0]);
    publish("channel-1", "again");
    assert.deepEqual([history.messages, history.bytes], [1, ringBytes("channel-1") + overhead + 5]);
  });
});

describe("Recovery with since", () => {
  it("gives what followed an exact offset, and nothing where it is the latest", () => {
    const { publish, since } = createHistory();
    const offsets = ["a", "b", "c"].map((body) => publish("chat", body));
    assert.deepEqual(since("chat", offsets[0]!), ["b", "c"]);
    assert.deepEqual(since("chat", offsets[1]!), ["c"]);
    assert.deepEqual(since("chat", offsets[2]!), []);
  });

  it("gives everything from the position of an empty channel on", () => {
    const { publish, since, position } = createHistory();
    const { offset } = position("chat");
    publish("chat", "a");
    publish("chat", "b");
    assert.deepEqual(since("chat", offset), ["a", "b"]);
  });

  it("is still whole at the floor, the last message evicted, and refused one before it", () => {
    const { publish, since } = createHistory({ size: 2 });
    const offsets = ["a", "b", "c", "d"].map((body) => publish("chat", body));
    assert.deepEqual(since("chat", offsets[1]!), ["c", "d"]);
    assert.equal(since("chat", offsets[0]!), undefined);
  });

  it("is refused where the messages in between were evicted by age or by the node's bytes", () => {
    const { publish, since, clock } = createHistory({ seconds: 10 });
    const first = publish("chat", "a");
    publish("chat", "b");
    clock.advance(10_001);
    publish("chat", "c");
    assert.equal(since("chat", first), undefined);

    const small = createHistory({ bytesMax: ringBytes("other") + 2 * (overhead + 1) });
    const start = small.position("chat").offset;
    small.publish("chat", "a");
    small.publish("other", "b");
    small.publish("other", "c");
    assert.equal(small.since("chat", start), undefined);
  });

  it("is refused for an offset that the log never had, however near: made up, malformed, of the future", () => {
    const { publish, since } = createHistory();
    publish("chat", "a");
    publish("other", "b");
    publish("chat", "c");
    for (const offset of ["0999", "1", "1002 ", "01001", "1004", "9999", "undefined", "__proto__"])
      assert.equal(since("chat", offset), undefined, JSON.stringify(offset));
  });

  it("gives what followed a position of another channel, which the log knows and the ring reaches back to", () => {
    const { publish, since } = createHistory({ size: 2 });
    publish("chat", "a");
    const early = publish("other", "x");
    publish("chat", "b");
    const late = publish("other", "y");
    publish("chat", "c");
    assert.deepEqual(since("chat", early), ["b", "c"]);
    assert.deepEqual(since("chat", late), ["c"]);
    publish("chat", "d");
    assert.equal(since("chat", early), undefined, "b was evicted");
    assert.deepEqual(since("chat", late), ["c", "d"]);
  });

  it("is refused in another epoch, also at an offset that both have", () => {
    const { publish, since } = createHistory();
    const offset = publish("chat", "a");
    assert.equal(since("chat", offset, "zeroth"), undefined);
    assert.equal(since("nothing-here", "1001", "zeroth"), undefined);
    assert.deepEqual(since("chat", offset, "first"), []);
  });

  it("is refused over a change of the epoch, whose ring starts empty", () => {
    const { publish, since, bodies, log, history } = createHistory();
    const offset = publish("chat", "a");
    log.epoch = "second";
    assert.equal(since("chat", offset, "first"), undefined);
    assert.equal(history.messages, 0);
    publish("chat", "b");
    assert.deepEqual(bodies("chat"), ["b"]);
    assert.equal(history.messages, 1);
  });

  it("is refused over a change of the epoch that a message brings", () => {
    const { publish, since, bodies, breakLog } = createHistory();
    const offset = publish("chat", "a");
    breakLog();
    publish("chat", "b");
    assert.equal(since("chat", offset, "first"), undefined);
    assert.equal(since("chat", offset, "second"), undefined);
    assert.deepEqual(bodies("chat"), ["b"]);
  });

  it("is refused for what was before the log is known on this node, and given from there on", () => {
    const { publish, since, log } = createHistory();
    log.offset += 5;
    const first = publish("chat", "a"); // nobody asked for the channel before
    assert.equal(since("chat", "0999"), undefined);
    assert.deepEqual(since("chat", "1000"), ["a"]);
    assert.deepEqual(since("chat", "1005"), ["a"]);
    assert.deepEqual(since("chat", first), []);
  });
});

describe("A channel's position", () => {
  it("is its latest message; the log's tail after that was evicted, which is later and as good", () => {
    const { publish, position, clock, since } = createHistory({ seconds: 10 });
    const offset = publish("chat", "a");
    publish("other", "b");
    assert.deepEqual(position("chat"), { offset, epoch: "first" });
    clock.advance(10_001);
    assert.deepEqual(position("chat"), { offset: "1002", epoch: "first" });
    assert.deepEqual([since("chat", offset), since("chat", "1002")], [[], []]);
  });

  it("is the log's tail where the channel has had no message, and moves with it", () => {
    const { publish, position, since } = createHistory();
    assert.deepEqual(position("chat"), { offset: "1000", epoch: "first" });
    publish("other", "a");
    assert.deepEqual(position("chat"), { offset: "1001", epoch: "first" });
    publish("chat", "b");
    assert.deepEqual([since("chat", "1000"), since("chat", "1001")], [["b"], ["b"]]);
  });
});

describe("The latest messages", () => {
  it("are as many as asked for, oldest first; none for 0", () => {
    const { publish, bodies } = createHistory();
    for (const body of ["a", "b", "c"]) publish("chat", body);
    assert.deepEqual(bodies("chat", 2), ["b", "c"]);
    assert.deepEqual(bodies("chat", 0), []);
    assert.deepEqual(bodies("chat", 99), ["a", "b", "c"]);
  });

  it("before an offset are those with a lower one: a client pages back without a gap or a double", () => {
    const { publish, bodies, history } = createHistory();
    const offsets = ["a", "b", "c", "d", "e"].map((body) => publish("chat", body));
    assert.deepEqual(bodies("chat", 2, offsets[3]), ["b", "c"]);
    assert.deepEqual(bodies("chat", 2, offsets[1]), ["a"]);
    assert.deepEqual(bodies("chat", 2, offsets[0]), []);
    assert.deepEqual(bodies("chat", 2, "~"), ["d", "e"]);
    assert.equal(history.messages, 5);
  });

  it("are none in a channel that has had none", () => {
    assert.deepEqual(createHistory().bodies("chat"), []);
  });
});

describe("A channel without messages", () => {
  it("has no ring, however often it is asked for: what it costs is its floor, once it has had one", () => {
    const { publish, bodies, since, position, history, clock } = createHistory({ seconds: 10 });
    for (let i = 0; i < 100; i += 1) {
      position(`chat.${i}`);
      assert.deepEqual([bodies(`chat.${i}`), since(`chat.${i}`, "1000")], [[], []]);
    }
    assert.deepEqual([history.channels, history.bytes], [0, 0]);
    publish("chat.1", "a");
    assert.deepEqual([history.channels, history.bytes], [1, ringBytes("chat.1") + overhead + 1]);
    clock.advance(10_001);
    history.sweep();
    assert.deepEqual([history.channels, history.bytes], [0, 0]);
  });

  it("is still whole, for whoever had its last message and for whoever came later, however long it is quiet", () => {
    const { publish, position, since, history, clock } = createHistory({ seconds: 10 });
    const last = publish("chat", "a");
    clock.advance(10_001);
    history.sweep();
    publish("other", "b");
    const later = position("chat").offset;
    clock.advance(1_000_000);
    history.sweep();
    assert.deepEqual([since("chat", last), since("chat", later)], [[], []]);
    publish("chat", "c");
    assert.deepEqual([since("chat", last), since("chat", later)], [["c"], ["c"]]);
  });

  it("never lets a client that was away recover over what it missed meanwhile", () => {
    const { publish, position, since, history, clock } = createHistory({ seconds: 10 });
    const { offset } = position("chat");
    for (let n = 0; n < 3; n += 1) {
      publish("chat", "missed");
      clock.advance(20_001);
      history.sweep();
      assert.equal(history.channels, 0);
      assert.equal(since("chat", offset), undefined);
    }
    publish("chat", "new");
    assert.equal(since("chat", offset), undefined);
  });

  it("is not called whole once its floor had to go, among 100,000 newer ones; nor is another one of that age", () => {
    const { publish, position, since, history, clock } = createHistory({ seconds: 10, digits: 6 });
    const early = position("never").offset;
    const last = publish("chat", "a");
    for (let i = 0; i < 100_000; i += 1) publish(`chat.${i}`, "b");
    const late = position("never").offset;
    clock.advance(10_001);
    history.sweep();
    assert.deepEqual([since("chat", last), since("never", early), since("never", late)], [[], undefined, []]);
    publish("one.more", "c");
    clock.advance(10_001);
    history.sweep();
    assert.equal(since("chat.0", early), undefined);
    assert.equal(since("never", early), undefined);
    assert.deepEqual(since("never", late), []);
  });
});
