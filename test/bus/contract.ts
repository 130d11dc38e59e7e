/**
 * The contract of `src/bus/bus.ts` as one suite that every bus passes unchanged: one process or many nodes, delivering
 * at once or later. A rule never assumes that a record is applied before `append` returns, nor before `done`.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type {
  AppendFault,
  Bus,
  CommandRecord,
  LogRecord,
  MembershipRecord,
  PublicationRecord,
} from "../../src/bus/bus.ts";
import type { StreamPosition } from "../../src/protocol/messages.ts";
import { patienceMs } from "../support/child.ts";

/** Makes all nodes of one fresh log, none of them started: at least one, and as many as the bus is to be tested with. */
export type CreateNodes = () => Promise<readonly Bus[]>;

export interface Rule {
  readonly title: string;
  /** Rejects where the rule is broken. `waitMs`: how long a record may be on its way. */
  check(createNodes: CreateNodes, waitMs: number): Promise<void>;
}

const waitMs = patienceMs;

/** Registers the suite. */
export function busContract(name: string, createNodes: CreateNodes): void {
  describe(`${name}: the contract of a bus`, () => {
    for (const { title, check } of busRules) it(title, () => check(createNodes, waitMs));
  });
}

export const busRules: readonly Rule[] = [
  rule("applies each record once on every node, the publisher's own included", async (log) => {
    for (const node of log.nodes) for (let n = 0; n < 20; n += 1) node.append(publication("chat.one", `${n}`));
    await log.settled(["chat.one"]);
    const sent = log.appends.map(({ record }) => textOf(record)).sort();
    for (const node of log.nodes) assert.deepEqual(node.applied.map(({ record }) => textOf(record)).sort(), sent);
  }),

  rule("applies the records of a channel in one order on every node, while all nodes append", async (log) => {
    const channels = ["chat.one", "chat.two", "presence.lobby"];
    for (let turn = 0; turn < 30; turn += 1) {
      for (const node of log.nodes)
        for (const channel of channels) {
          node.append(publication(channel, `turn ${turn}`));
          if (turn % 3 === 0) node.append(membership(channel, turn % 2 === 0 ? "join" : "leave", turn));
          if (turn % 5 === 0) node.append(command(channel));
          if (turn % 7 === 0) node.append({ ...command(channel), kind: "answer", from: "node" });
        }
      await new Promise((resolve) => setTimeout(resolve, turn % 4));
    }
    await log.settled(channels);
    for (const channel of channels) {
      const [first, ...others] = log.nodes.map((node) => node.in(channel).map(({ record }) => textOf(record)));
      for (const other of others) assert.deepEqual(other, first, `the order of ${channel} differs between nodes`);
    }
  }),

  rule("keeps the order in which a node appended to a channel, also in one turn of the event loop", async (log) => {
    for (let n = 0; n < 2000; n += 1) log.nodes[n % log.nodes.length]!.append(publication("chat.one", `${n}`));
    await log.settled(["chat.one"]);
    for (const by of log.nodes.keys()) {
      const wanted = log.appends.filter((append) => append.by === by).map(({ record }) => textOf(record));
      const own = new Set(wanted);
      for (const node of log.nodes) {
        const applied = node.applied.map(({ record }) => textOf(record)).filter((text) => own.has(text));
        assert.deepEqual(applied, wanted, `what node ${by} appended`);
      }
    }
  }),

  rule("acknowledges each append once, with the position at which every node applies it", async (log) => {
    for (let n = 0; n < 200; n += 1) {
      log.nodes[n % log.nodes.length]!.append(publication(`chat.${n % 7}`, `${n}`));
      if (n % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await log.settled(sevenChannels);
    for (const { record, outcomes } of log.appends) {
      assert.equal(outcomes.length, 1, `done was called ${outcomes.length} times`);
      for (const node of log.nodes) {
        const applied = node.applied.find((entry) => textOf(entry.record) === textOf(record));
        assert.deepEqual(outcomes[0], applied?.position);
      }
    }
  }),

  rule("gives a channel offsets that ascend strictly as text, within one epoch", async (log) => {
    // 12,000 records: plain counters would pass 9, 99, 999 and 9999 on the way, where text order and number order part.
    for (let n = 0; n < 12_000; n += 1) {
      log.nodes[n % log.nodes.length]!.append(publication("chat.one", `${n}`));
      if (n % 1000 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await log.settled(["chat.one"]);
    for (const node of log.nodes) {
      const positions = node.in("chat.one").map(({ position }) => position);
      for (const [i, { offset, epoch }] of positions.entries()) {
        if (i === 0) continue;
        assert.equal(positions[i - 1]!.offset < offset, true, `${positions[i - 1]!.offset} came before ${offset}`);
        assert.equal(epoch, positions[0]!.epoch);
      }
    }
  }),

  rule("gives positions that a client can send back: 1 to 128 characters that JSON does not escape", async (log) => {
    const before = log.nodes.map(({ bus }) => bus.tail("chat.one"));
    log.nodes[0]!.append(publication("chat.one", "hello"));
    await log.settled(["chat.one"]);
    for (const { offset, epoch } of [...before, ...log.nodes[0]!.applied.map(({ position }) => position)])
      for (const text of [offset, epoch]) {
        assert.equal(text.length >= 1 && text.length <= 128, true, `${text.length} characters`);
        assert.equal(JSON.stringify(text), `"${text}"`);
      }
  }),

  rule("has its tail at or behind the last record applied, and before the next", async (log) => {
    for (let n = 0; n < 5; n += 1) {
      const tails = log.nodes.map(({ bus }) => bus.tail("chat.one"));
      const seen = log.nodes.map((node) => node.in("chat.one").length);
      log.nodes[n % log.nodes.length]!.append(publication("chat.one", `${n}`));
      await log.settled(["chat.one"]);
      for (const [i, node] of log.nodes.entries()) {
        const next = node.in("chat.one")[seen[i]!]!.position;
        assert.equal(tails[i]!.epoch, next.epoch);
        assert.equal(tails[i]!.offset < next.offset, true, `tail ${tails[i]!.offset}, then ${next.offset}`);
        const last = node.in("chat.one").at(-1)!.position;
        assert.equal(node.bus.tail("chat.one").offset >= last.offset, true);
      }
    }
  }),

  rule("knows the positions that it has applied, on every node, and no others", async (log) => {
    for (const [n, node] of log.nodes.entries()) node.append(publication("chat.one", `${n}`));
    await log.settled(["chat.one"]);
    const offsets = log.nodes[0]!.in("chat.one").map(({ position }) => position.offset);
    for (const { bus } of log.nodes) {
      for (const offset of offsets) assert.equal(bus.knows("chat.one", offset), true, offset);
      assert.equal(bus.knownFrom("chat.one") < offsets[0]!, true);
      for (const offset of ["", "1", "~", `${offsets[0]} `, `0${offsets[0]}`, offsets[0]!.replace(/.$/, "x")])
        assert.equal(bus.knows("chat.one", offset), false, JSON.stringify(offset));
    }
  }),

  rule("hands on a record as it was: every field, any text, 64 kB", async (log) => {
    for (const record of differentRecords) log.nodes[0]!.append(record);
    await log.settled(["chat.one"]);
    for (const node of log.nodes) {
      const applied = node.applied.slice(0, differentRecords.length).map(({ record }) => record);
      for (const [i, sent] of differentRecords.entries())
        assert.deepEqual(ofAnyNode(applied[i]!), ofAnyNode(sent), `record ${i}`);
      for (const record of applied)
        if (record.kind === "publication") assert.equal(Number.isFinite(record.acceptedAtMs), true);
    }
  }),

  {
    title: "lets a node that starts later see a part of the past, then everything, in the same order",
    async check(createNodes, waitMs) {
      const log = new TestLog(await createNodes(), waitMs);
      try {
        const [first, ...later] = log.nodes;
        await first!.start();
        for (let n = 0; n < 50; n += 1) first!.append(publication("chat.one", `before ${n}`));
        await log.acknowledged();
        const starting = Promise.all(later.map((node) => node.start()));
        for (let n = 0; n < 20; n += 1) {
          first!.append(publication("chat.one", `during ${n}`));
          await new Promise((resolve) => setTimeout(resolve, 1));
        }
        await starting;
        const started = later.map((node) => node.applied.length);
        for (const node of log.nodes)
          for (let n = 0; n < 50; n += 1) node.append(publication("chat.one", `after ${n}`));
        await log.settled(["chat.one"]);
        const wanted = first!.applied.map(({ record }) => textOf(record));
        for (const [i, node] of later.entries()) {
          const applied = node.applied.map(({ record }) => textOf(record));
          assert.equal(applied.length >= 50 * log.nodes.length, true);
          assert.deepEqual(applied, wanted.slice(-applied.length), `after it saw ${started[i]} records at its start`);
        }
      } finally {
        await log.stop();
      }
    },
  },

  {
    title: "tells a node that starts later of the commands that are kept, as they were",
    async check(createNodes, waitMs) {
      const log = new TestLog(await createNodes(), waitMs);
      try {
        const [first, ...later] = log.nodes;
        await first!.start();
        const keptUntil = Math.floor(Date.now() / 1000) + 3600;
        const kept = ["", "chat.one", "chat.two"].map((name) => ({ ...command(name), keptUntil, body: unicode }));
        for (const record of kept) first!.append(record);
        await log.acknowledged();
        await Promise.all(later.map((node) => node.start()));
        await log.settled(["", "chat.one", "chat.two"]);
        for (const node of log.nodes)
          for (const record of kept) {
            await node.until(() => node.texts.has(textOf(record)), textOf(record));
            const applied = node.applied.find((entry) => textOf(entry.record) === textOf(record));
            assert.deepEqual(applied?.record, record);
          }
      } finally {
        await log.stop();
      }
    },
  },

  rule("names itself first among the processes that it has heard of", async (log) => {
    for (const { bus } of log.nodes) assert.equal(bus.processes()[0], bus.incarnation);
  }),

  rule("refuses what is appended after stop, and applies nothing any more", async (log) => {
    log.nodes[0]!.append(publication("chat.one", "before"));
    await log.settled(["chat.one"]);
    const counts = log.nodes.map((node) => node.applied.length);
    for (const { bus } of log.nodes) await bus.stop();
    const late = log.nodes.map((node) => node.append(publication("chat.one", "after")));
    await log.acknowledged();
    for (const { outcomes } of late) assert.deepEqual(outcomes, ["unavailable"]);
    assert.deepEqual(
      log.nodes.map((node) => node.applied.length),
      counts,
    );
  }),

  rule("answers every append that stop finds under way, once; what it acknowledges reaches the others", async (log) => {
    const [first, ...others] = log.nodes;
    const appends = Array.from({ length: 500 }, (_, n) => first!.append(publication("chat.one", `${n}`)));
    await first!.bus.stop();
    await log.acknowledged();
    for (const { outcomes } of appends) assert.equal(outcomes.length, 1);
    const committed = appends.filter(({ outcomes }) => outcomes[0] !== "unavailable");
    for (const node of others)
      await node.until(
        () => committed.every(({ record }) => node.texts.has(textOf(record))),
        `all ${committed.length} acknowledged records`,
      );
  }),
];

/** A rule that wants all nodes started, and stopped at its end. */
function rule(title: string, body: (log: TestLog) => Promise<void>): Rule {
  return {
    title,
    async check(createNodes, waitMs) {
      const log = new TestLog(await createNodes(), waitMs);
      try {
        await Promise.all(log.nodes.map((node) => node.start()));
        await body(log);
      } finally {
        await log.stop();
      }
    },
  };
}

interface Append {
  /** The index of the node that appended it. */
  readonly by: number;
  readonly record: LogRecord;
  /** What `done` was called with. */
  readonly outcomes: (StreamPosition | AppendFault)[];
}

interface Applied {
  readonly record: LogRecord;
  readonly position: StreamPosition;
}

/** All nodes of a log, and everything that was appended to it. */
class TestLog {
  readonly nodes: readonly TestNode[];
  readonly appends: Append[] = [];
  readonly #waitMs: number;

  constructor(buses: readonly Bus[], waitMs: number) {
    this.#waitMs = waitMs;
    this.nodes = buses.map((bus, index) => new TestNode(this, bus, index, waitMs));
  }

  /** Resolves once every append was answered. */
  async acknowledged(): Promise<void> {
    await within(this.#waitMs, () => this.appends.every(({ outcomes }) => outcomes.length > 0), "all acknowledgements");
  }

  /** Resolves once every node has applied a last record in each of `channels`: all that was before it has come, too. */
  async settled(channels: readonly string[]): Promise<void> {
    await this.acknowledged();
    const last = channels.map((channel) => this.nodes[0]!.append(publication(channel, "last")));
    await this.acknowledged();
    for (const node of this.nodes)
      for (const { record } of last)
        await node.until(() => node.texts.has(textOf(record)), `the last ${textOf(record)}`);
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map(({ bus }) => bus.stop()));
  }
}

class TestNode {
  readonly bus: Bus;
  readonly applied: Applied[] = [];
  /** Of all records applied. */
  readonly texts = new Set<string>();
  readonly #log: TestLog;
  readonly #index: number;
  readonly #waitMs: number;

  constructor(log: TestLog, bus: Bus, index: number, waitMs: number) {
    this.#log = log;
    this.bus = bus;
    this.#index = index;
    this.#waitMs = waitMs;
  }

  start(): Promise<void> {
    return this.bus.start((record, position) => {
      if (record.kind === "roll_call" || record.kind === "node_ended") return; // the bus' own
      this.applied.push({ record, position });
      this.texts.add(textOf(record));
    });
  }

  append(record: LogRecord): Append {
    const append: Append = { by: this.#index, record, outcomes: [] };
    this.#log.appends.push(append);
    this.bus.append(record, (outcome) => void append.outcomes.push(outcome));
    return append;
  }

  in(channel: string): Applied[] {
    return this.applied.filter(({ record }) => "channel" in record && record.channel === channel);
  }

  until(condition: () => boolean, wanted: string): Promise<void> {
    return within(this.#waitMs, condition, `${wanted} on node ${this.#index}, which applied ${this.applied.length}`);
  }
}

async function within(waitMs: number, condition: () => boolean, wanted: string): Promise<void> {
  const deadline = performance.now() + waitMs;
  while (!condition()) {
    if (performance.now() > deadline) assert.fail(`waited ${waitMs} ms in vain for ${wanted}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

const sevenChannels = Array.from({ length: 7 }, (_, n) => `chat.${n}`);

let made = 0; // makes every record of a run a different one

function publication(channel: string, text: string, more: Partial<PublicationRecord> = {}): PublicationRecord {
  made += 1;
  return {
    kind: "publication",
    channel,
    head: `{"action":"message","channel":"${channel}","sender":1,"message":${JSON.stringify(text)},"n":${made}`,
    sender: 1,
    echo: true,
    target: undefined,
    key: undefined,
    userId: undefined,
    acceptedAtMs: performance.now(),
    ...more,
  };
}

function command(channel: string): CommandRecord {
  made += 1;
  return { kind: "command", channel, node: "node", id: made, body: "{}", keptUntil: 0 };
}

function membership(channel: string, kind: "join" | "leave", user: number): MembershipRecord {
  made += 1;
  return { kind, channel, session: `node.${made}`, member: { user_id: user, role: "user" } };
}

/** What tells one record of a run from all others. */
function textOf(record: LogRecord): string {
  if (record.kind === "publication") return record.head;
  if (record.kind === "command" || record.kind === "answer") return `${record.kind} ${record.node} ${record.id}`;
  return `${record.kind} ${"session" in record ? record.session : record.node}`;
}

/** A record without what a node may say differently: the monotonic clock is each process' own, an absent field too. */
function ofAnyNode(record: LogRecord): object {
  const { acceptedAtMs: _, ...rest } = { acceptedAtMs: 0, ...record };
  return Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
}

const unicode = "ärger \u0000\u001f \u2028 \ufeff 日本語 🏳️‍🌈 e\u0301 \u202e \\ \" ' {user} * > \r\n";

const differentRecords: readonly LogRecord[] = [
  publication("chat.one", "plain"),
  publication("chat.one", unicode),
  publication("chat.one", "x".repeat(65_536)),
  publication("chat.one", "日".repeat(65_536)),
  publication("chat.one", "", { echo: false, sender: 2 ** 53 - 1, key: "a".repeat(128), userId: "u".repeat(1000) }),
  publication("chat.one", "keys", { key: unicode, userId: unicode }),
  publication("chat.one", "empty key parts", { key: " ", userId: "0" }),
  publication("chat.one", "nobody", { target: { connections: [], users: [] } }),
  publication("chat.one", "some", { target: { connections: [1, 2 ** 53 - 1, -1, 0], users: ["1", "", unicode] } }),
  publication("chat.one", "many", { target: { connections: Array.from({ length: 5000 }, (_, n) => n), users: [] } }),
  publication("chat.one", "server", { sender: 0 }),
  {
    kind: "join",
    channel: "chat.one",
    session: `node.${(2 ** 53 - 1).toString(36)}`,
    member: { user_id: 42, role: "admin" },
  },
  { kind: "join", channel: "chat.one", session: "node.7", member: { user_id: "42", role: unicode } },
  { kind: "leave", channel: "chat.one", session: unicode, member: { connection_id: 8 } },
  { kind: "command", channel: "chat.one", node: unicode, id: 2 ** 53 - 1, body: unicode, keptUntil: 0 },
  { kind: "command", channel: "chat.one", node: "node", id: 1, body: "x".repeat(65_536), keptUntil: 0 },
  { kind: "answer", channel: "chat.one", node: "node", id: 0, body: "", from: unicode },
  { kind: "answer", channel: "chat.one", node: "node", id: 1, body: "日".repeat(65_536), from: "" },
];
