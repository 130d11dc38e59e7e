/** What is an event of the log, and to whom. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isOfMembers, type LogRecord, type MembershipRecord, type NodeRecord } from "../../src/bus/bus.ts";
import { Members } from "../../src/channel/presence.ts";
import type { WebhookEvent } from "../../src/webhooks/event.ts";
import { LogEvents } from "../../src/webhooks/log-events.ts";

/** A process that holds the log, and the events that it noticed. */
class Holder {
  readonly events: WebhookEvent[] = [];
  readonly #members = new Members();
  readonly #logEvents: LogEvents;

  constructor(name: string, isStarted = true) {
    const sink = { wants: () => true, emit: (event: WebhookEvent) => void this.events.push(event) };
    this.#logEvents = new LogEvents(sink, { shards: 1, isOwn: (node) => node === name });
    if (isStarted) this.start();
  }

  start(): void {
    this.#logEvents.start();
  }

  get nodes(): readonly string[] {
    return this.#logEvents.nodes();
  }

  get names(): string[] {
    return this.events.map(({ event, channel }) => `${event} ${channel}`);
  }

  apply(record: LogRecord, offset: number, ageMs = 0): void {
    this.#logEvents.enter(record, { offset: String(offset), epoch: "e" }, ageMs, { find: () => undefined });
    if (isOfMembers(record)) this.#members.apply(record, this.#logEvents.memberChanged);
  }

  applyAll(records: readonly LogRecord[], from = 1, ageMs = 0): void {
    for (const [i, record] of records.entries()) this.apply(record, from + i, ageMs);
  }
}

const member = (kind: "join" | "leave", session: string, user = "anna", channel = "presence.a"): MembershipRecord => ({
  kind,
  channel,
  session,
  member: { user_id: user },
});
const occupied = (node: string): LogRecord => ({ kind: "occupied", channel: "presence.a", node });
const vacated = (node: string): LogRecord => ({ kind: "vacated", channel: "presence.a", node });
const ofNode = (kind: NodeRecord["kind"], node: string): NodeRecord => ({ kind, node, shard: 0 });
const rollOf = (node: string, ...told: LogRecord[]): LogRecord[] => [
  ofNode("roll_begun", node),
  ...told,
  ofNode("roll_ended", node),
];

describe("Events of the log", () => {
  const life = [
    ...[occupied("a"), member("join", "a.1"), occupied("b"), member("join", "b.1")],
    ...[vacated("a"), member("leave", "a.1"), vacated("b"), member("leave", "b.1")],
  ];
  const told = ["channel_occupied", "member_joined", "channel_vacated", "member_left"].map((e) => `${e} presence.a`);

  it("are noticed by every holder alike: the same events, with the same ids", () => {
    const [a, b, neither] = [new Holder("a"), new Holder("b"), new Holder("c")];
    for (const holder of [a, b, neither]) {
      holder.applyAll(life);
      assert.deepEqual(holder.names, told);
      assert.deepEqual(
        holder.events.map(({ id }) => id),
        a.events.map(({ id }) => id),
      );
    }
    assert.equal(new Set(a.events.map(({ id }) => id)).size, 4);
  });

  it("are those of the present: neither the past, nor what comes before the log has been read, is news", () => {
    const late = new Holder("a", false);
    late.applyAll(life.slice(0, 4));
    late.start();
    late.apply(member("join", "b.2", "ben"), 5, 700);
    assert.deepEqual(late.names, []);
    late.applyAll(life.slice(4), 6);
    assert.deepEqual(late.names, told.slice(2));
  });

  it("tell once that everyone of a node that died has left, and that its channels are empty", () => {
    const holder = new Holder("b");
    holder.applyAll([occupied("a"), member("join", "a.1"), member("join", "a.2", "ben")]);
    assert.deepEqual(holder.nodes, ["a"]);
    holder.apply(ofNode("node_ended", "a"), 4);
    holder.apply(ofNode("node_ended", "a"), 5); // buried by two
    assert.deepEqual(holder.names.slice(3), ["channel_vacated presence.a", ...Array(2).fill("member_left presence.a")]);
    assert.equal(new Set(holder.events.map(({ id }) => id)).size, 6);
    assert.deepEqual(holder.nodes, []);
  });

  it("are not what a roll tells again to a node that did not know it", () => {
    const unknowing = new Holder("b");
    unknowing.applyAll(rollOf("a", occupied("a"), member("join", "a.1")));
    assert.deepEqual(unknowing.names, []);
    unknowing.applyAll([vacated("a"), member("leave", "a.1")], 5);
    assert.deepEqual(unknowing.names, told.slice(2));
  });

  it("are what a node's own roll changes: records of it were lost on the way", () => {
    const own = new Holder("a");
    own.applyAll([member("join", "a.1"), member("join", "a.2", "ben")]);
    own.applyAll(rollOf("a", occupied("a"), member("join", "a.1"), member("join", "a.3", "cleo")), 3);
    assert.deepEqual(
      own.names.slice(2).sort(),
      ["channel_occupied", "member_joined", "member_left"].map((e) => `${e} presence.a`),
    );
  });

  it("go on behind a roll that its node's death has ended", () => {
    const holder = new Holder("b");
    holder.applyAll([ofNode("roll_begun", "a"), ofNode("node_ended", "a"), occupied("a")]);
    assert.deepEqual(holder.names, ["channel_occupied presence.a"]);
  });
});
