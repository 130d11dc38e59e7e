import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Bus, MembershipRecord, PublicationRecord } from "../../src/bus/bus.ts";
import { History } from "../../src/channel/history.ts";
import { Idempotency } from "../../src/channel/idempotency.ts";
import { Policies } from "../../src/channel/policy.ts";
import { Members } from "../../src/channel/presence.ts";
import { Replay } from "../../src/cluster/replay.ts";
import { createWorkerNodes } from "../bus/worker-nodes.ts";
import { FakeClock } from "../channel/fake-clock.ts";

/** A log whose workers keep `size` messages a channel; what the supervisor keeps for new ones is bounded as given. */
async function createLog({ size = 3, bytesMax = 1e9, secondsMax = 300 } = {}) {
  const clock = new FakeClock();
  const policies = new Policies({ ">": { history: { size, seconds: 300 } }, "plain.>": { history: none } }, 1);
  const replay = new Replay({ bytesMax, secondsMax, keepsKeys: true, shards: 1 }, policies, clock);
  const nodes = await createWorkerNodes(replay);
  const published: { channel: string; offset: string; text: string }[] = [];
  return {
    clock,
    replay,
    published,
    publish(channel: string, text: string, key?: string): void {
      nodes.source.append({ ...publication(channel, text, key), acceptedAtMs: clock.nowMs() }, (outcome) => {
        if (outcome !== "unavailable") published.push({ channel, offset: outcome.offset, text });
      });
    },
    append: nodes.source.append.bind(nodes.source),
    /** A worker that starts now, with what it builds from the log. */
    async worker() {
      const { bus } = nodes.worker();
      const view = createView(bus, policies, clock);
      await bus.start(view.apply);
      return { bus, ...view };
    },
    epoch: () => nodes.source.tail().epoch,
  };
}

function createView(bus: Bus, policies: Policies, clock: FakeClock) {
  const history = new History({ bytesMax: 1e9, channelBytesMax: 1e9 }, bus, clock);
  const idempotency = new Idempotency({ seconds: 300, keysMax: 1000 });
  const members = new Members();
  const apply: Parameters<Bus["start"]>[0] = (record, position, ageMs) => {
    if (record.kind === "join" || record.kind === "leave") return members.apply(record, () => {});
    if (record.kind !== "publication") return;
    const { channel, key, userId, target, head, acceptedAtMs } = record;
    const keyed = key === undefined ? undefined : { channel, userId, key, acceptedAtMs };
    if (keyed !== undefined && idempotency.find(keyed) !== undefined) return;
    if (keyed !== undefined) idempotency.add(keyed, position);
    const policy = policies.of(channel);
    if (policy.history.size > 0 && target === undefined) history.push(channel, policy, position, head, ageMs);
  };
  return {
    apply,
    members,
    knowsKey: (channel: string, key: string) =>
      idempotency.find({ channel, userId: "ann", key, acceptedAtMs: clock.nowMs() }) !== undefined,
    latest: (channel: string) => history.latest(channel, 100).map(({ body }) => body),
    since: (channel: string, offset: string) =>
      history.since(channel, { offset, epoch: bus.tail(channel).epoch })?.map(({ body }) => body),
  };
}

describe("A worker that starts", () => {
  it("has the history that the others have", async () => {
    const log = await createLog();
    for (const text of ["1", "2", "3", "4", "5"]) log.publish("chat.a", text);
    log.publish("chat.b", "6");
    const worker = await log.worker();
    assert.deepEqual(worker.latest("chat.a"), ["3", "4", "5"]);
    assert.deepEqual(worker.latest("chat.b"), ["6"]);
  });

  it("recovers from every position from which nothing is lost, and from no other", async () => {
    const log = await createLog();
    for (const text of ["1", "2", "3", "4", "5"]) log.publish("chat.a", text);
    const worker = await log.worker();
    const recovered = log.published.map(({ offset }) => worker.since("chat.a", offset));
    assert.deepEqual(recovered, [undefined, ["3", "4", "5"], ["4", "5"], ["5"], []]);
  });

  it("recovers a channel that has been quiet for longer than anything is kept", async () => {
    const log = await createLog();
    log.publish("chat.quiet", "1");
    log.clock.advance(3_600_000);
    log.publish("chat.busy", "2");
    const worker = await log.worker();
    assert.deepEqual(worker.since("chat.quiet", log.published[0]!.offset), []);
    assert.deepEqual(worker.since("chat.quiet", log.published[1]!.offset), []);
  });

  it("never calls a recovery whole that is not, however little was kept, and gives what it gives in order", async () => {
    for (const bytesMax of [1000, 5000, 20_000]) {
      const log = await createLog({ size: 5, bytesMax });
      let seed = 1;
      const random = (below: number): number => {
        seed = (seed * 48_271) % 2_147_483_647;
        return seed % below;
      };
      for (let n = 0; n < 400; n += 1)
        log.publish(`chat.${random(12)}`, `${n}`, random(4) === 0 ? `key ${n}` : undefined);
      const worker = await log.worker();
      let recovered = 0;
      for (let c = 0; c < 12; c += 1) {
        for (const { offset } of log.published) {
          const missed = worker.since(`chat.${c}`, offset);
          if (missed === undefined) continue;
          recovered += 1;
          const truth = log.published.filter((entry) => entry.channel === `chat.${c}` && entry.offset > offset);
          assert.deepEqual(
            missed,
            truth.map(({ text }) => text),
          );
        }
      }
      assert.equal(recovered > 0, true);
    }
  });

  it("knows the idempotency keys, of channels without history and of messages that are kept no longer as well", async () => {
    const log = await createLog();
    for (let n = 0; n < 10; n += 1) log.publish("chat.a", `${n}`, `key ${n}`);
    log.publish("plain.a", "x", "key x");
    const worker = await log.worker();
    for (let n = 0; n < 10; n += 1) assert.equal(worker.knowsKey("chat.a", `key ${n}`), true, `key ${n}`);
    assert.equal(worker.knowsKey("plain.a", "key x"), true);
    assert.deepEqual(worker.latest("chat.a"), ["7", "8", "9"]);
    assert.equal(worker.since("chat.a", log.published[5]!.offset), undefined);
  });

  it("knows who is present, without those of a node that ended", async () => {
    const log = await createLog();
    const join = (user: number, session: string): MembershipRecord => ({
      kind: "join",
      channel: "presence.a",
      session,
      member: { user_id: user },
    });
    for (const record of [join(1, "one.1"), join(1, "two.1"), join(2, "one.2"), join(3, "two.3")])
      log.append(record, () => {});
    log.append({ kind: "node_ended", node: "one" }, () => {});
    const { members } = await log.worker();
    assert.deepEqual(
      members.list("presence.a").map(({ user_id }) => user_id),
      [1, 3],
    );
    members.apply({ ...join(1, "two.1"), kind: "leave" }, () => {}); // the last tab of user 1
    assert.equal(members.countIn("presence.a"), 1);
  });

  it("is filled with nothing that is past its time", async () => {
    const log = await createLog({ secondsMax: 10 });
    log.publish("chat.a", "old", "old key");
    log.clock.advance(10_001);
    log.publish("chat.b", "new");
    assert.deepEqual(log.replay.all().records.length, 1);
  });
});

const none = { size: 0, seconds: 0 };

const publication = (channel: string, text: string, key?: string): PublicationRecord => ({
  kind: "publication",
  channel,
  head: text,
  sender: 1,
  echo: true,
  target: undefined,
  key,
  userId: "ann",
  acceptedAtMs: 0,
});
