/**
 * One cluster of two releases: nodes of this one, alone and with workers, and a writer that puts into their stream what a
 * node of a later release might: records of a kind that is not known here, fields behind those that are, and entries of a
 * newer version. What it writes is made by this release's codec, then extended as the codec's rule of releases allows.
 */
import assert from "node:assert/strict";
import test from "node:test";
import { Packr } from "msgpackr";
import type { LogRecord } from "../../src/bus/bus.ts";
import { decodeEntry, encodeRecord } from "../../src/bus/entry-codec.ts";
import { until } from "../support/child.ts";
import { connect, type Frame, type TestClient } from "../support/client.ts";
import { type NodeProcess, startNodeProcess } from "../support/node-process.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";

const stream = "websocket:stream:0";
const channel = "chat.x";
const unknownKind = [200, { of: "a later release" }, channel];

test("A node of a later release in the same cluster", async (t) => {
  const redis = await startRedis(t);
  const settings = { redis: { enabled: true, port: redis.port } };
  const [single, machine] = await Promise.all([
    startNodeProcess(t, settings),
    startNodeProcess(t, { ...settings, workers: 2 }),
  ]);
  const nodes = [single, machine];
  const later = new LaterRelease(redis);
  const readers = await Promise.all(nodes.map((node) => connect(t, urlOf(node))));
  for (const reader of readers) await reader.subscribe(channel);
  const skipped = async (what: string): Promise<number[]> =>
    Promise.all(nodes.map((node) => metric(node, `tidegate_bus_skipped_total{what="${what}"}`)));

  const countedAsSkipped = (records: number): Promise<void> =>
    until(
      async () => (await skipped("kind")).every((count) => count === records),
      () => `${records} records are not counted as skipped`,
    );
  let beforeBreak = {}; // positions
  let behindBreak = {};

  await t.test(
    "its records of unknown kinds are skipped and counted, and the others are delivered in their order",
    async () => {
      await later.write([published("1"), unknownKind, published("2")]);
      await later.write([unknownKind]);
      await later.write([unknownKind, published("3")]);
      for (const reader of readers) assert.deepEqual(await texts(reader, 3), ["1", "2", "3"]);
      const [[first], [second]] = readers.map((reader) => reader.of("message").map(({ offset }) => offset)) as [
        Frame[],
        Frame[],
      ];
      assert.deepEqual(first, second, "all agree on the offsets");
      await countedAsSkipped(3);
    },
  );

  await t.test("fields that it has added are passed over", async () => {
    await later.write([[...published("4"), "a field", { more: 1 }]], { behind: ["an element", 2] });
    for (const reader of readers) assert.deepEqual((await texts(reader, 4)).slice(3), ["4"]);
    assert.deepEqual(await skipped("kind"), [3, 3]);
  });

  await t.test("recovery knows the places of what was skipped, on every node and worker", async (t) => {
    const quiet = "chat.quiet"; // without a message of its own: whoever subscribes stands at the latest place of all
    await later.write([published("5"), unknownKind]);
    for (const reader of readers) await texts(reader, 5);
    await countedAsSkipped(4);
    const places: object[] = [];
    for (const node of nodes)
      for (let i = 0; i < 3; i += 1) {
        const { offset, epoch } = await (await connect(t, urlOf(node))).subscribe(quiet);
        places.push({ offset, epoch });
      }
    await later.write([unknownKind, published("first", quiet), unknownKind]);
    await countedAsSkipped(6);
    for (const node of nodes)
      for (let i = 0; i < 3; i += 1) {
        const client = await connect(t, urlOf(node));
        const since = places[nodes.indexOf(node) === 0 ? i + 3 : i]; // of the other one
        assert.equal((await client.subscribe(quiet, { since })).recovered, true);
        assert.deepEqual(await texts(client, 1), ["first"]);
      }
  });

  await t.test("what it has no word for is not missed: a probe without records breaks nothing", async () => {
    const epochs = await Promise.all(nodes.map((node) => metric(node, "tidegate_bus_epoch_changes_total")));
    await later.write([], { version: 2 });
    await later.write([published("6")]);
    for (const reader of readers) assert.deepEqual((await texts(reader, 6)).slice(5), ["6"]);
    assert.deepEqual(await Promise.all(nodes.map((node) => metric(node, "tidegate_bus_epoch_changes_total"))), epochs);
    assert.equal(
      new Set(readers.flatMap((reader) => reader.of("message").map(({ epoch }) => epoch ?? ""))).size <= 2,
      true,
    );
  });

  await t.test(
    "an entry of a newer version is skipped and counted, and told: no recovery reaches over it",
    async (t) => {
      const { offset, epoch } = readers[0]!.of("message").at(-1)!;
      beforeBreak = { offset, epoch };
      await later.write([published("unreadable"), published("this too")], { version: 2 });
      await until(
        async () => (await skipped("version")).every((count) => count === 2),
        () => "2 records of a newer version are not counted as skipped",
      );
      await later.write([published("7")]);
      for (const [i, reader] of readers.entries()) {
        assert.deepEqual((await texts(reader, 7)).slice(6), ["7"], "it goes on, in order and without a double");
        const told = reader.of("message").at(-1)!.epoch;
        assert.ok(String(told) > String(epoch), "live subscribers see a new epoch");
        const client = await connect(t, urlOf(nodes[i]!));
        assert.equal((await client.subscribe(channel, { since: { offset, epoch } })).recovered, false);
      }
      for (const node of nodes) assert.equal((await fetch(`http://127.0.0.1:${node.port}/readyz`)).status, 200);
    },
  );

  await t.test(
    "recovery works again behind the break, and publications of this release are acknowledged",
    async (t) => {
      let places: object[] = [];
      const agree = async (): Promise<boolean> => {
        const replies = await Promise.all(readers.map((reader) => reader.subscribe(channel)));
        places = replies.map(({ offset, epoch }) => ({ offset, epoch }));
        return new Set(replies.map(({ epoch }) => epoch)).size === 1;
      };
      await until(agree, () => `the nodes do not agree on an epoch: ${JSON.stringify(places)}`);
      behindBreak = places[0]!;
      for (const reader of readers)
        assert.equal((await reader.ask("message", { channel, message: "8" })).action, "message_sent");
      for (const node of nodes) {
        const client = await connect(t, urlOf(node));
        assert.equal((await client.subscribe(channel, { since: behindBreak })).recovered, true);
        assert.deepEqual(await texts(client, 2), ["8", "8"]);
      }
    },
  );

  await t.test("a node that starts reads over all of it, and recovers what the others recover", async (t) => {
    const node = await startNodeProcess(t, settings);
    assert.equal(await metric(node, 'tidegate_bus_skipped_total{what="kind"}'), 6);
    assert.equal(await metric(node, 'tidegate_bus_skipped_total{what="version"}'), 2);
    const [client, late] = [await connect(t, urlOf(node)), await connect(t, urlOf(node))];
    assert.equal((await client.subscribe(channel, { since: behindBreak })).recovered, true);
    assert.deepEqual(await texts(client, 2), ["8", "8"]);
    assert.equal((await late.subscribe(channel, { since: beforeBreak })).recovered, false);
  });
});

const urlOf = ({ port }: NodeProcess): string => `ws://127.0.0.1:${port}`;

/** The texts that a client has got of the channel, once they are `count`. */
async function texts(client: TestClient, count: number): Promise<unknown[]> {
  const all = (): unknown[] => client.of("message").map(({ message }) => message);
  await until(
    () => all().length >= count,
    () => `${count} messages should have come; came: ${JSON.stringify(client.frames.slice(-5))}`,
  );
  return all();
}

async function metric({ adminPort }: NodeProcess, name: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text();
  const line = text.split("\n").find((candidate) => candidate.startsWith(`${name} `));
  assert.ok(line !== undefined, `no ${name} in the metrics`);
  return Number(line.slice(name.length + 1));
}

/** A publication as it stands in an entry, with what a later release writes. */
function published(text: string, name = channel): unknown[] {
  const head = `{"action":"message","channel":"${name}","sender":7,"message":"${text}","time":1800000000`;
  const rest = { sender: 7, echo: true, target: undefined, key: undefined, userId: undefined, acceptedAtMs: 0 };
  const record: LogRecord = { kind: "publication", channel: name, head, ...rest };
  return encodeRecord(record, Date.now());
}

/** The writing half of a node of a later release. */
class LaterRelease {
  readonly #redis: TestRedis;
  readonly #packr = new Packr({ useRecords: false, moreTypes: false });
  #sequence = 0;

  constructor(redis: TestRedis) {
    this.#redis = redis;
  }

  /** Writes an entry, in the epoch in which the log is. `behind`: elements after those that are known. */
  async write(
    records: readonly (readonly unknown[])[],
    { version = 1, behind = [] }: { version?: number; behind?: readonly unknown[] } = {},
  ): Promise<void> {
    const { client } = this.#redis;
    const [latest] = await client.xrevrangeBuffer(stream, "+", "-", "COUNT", 1);
    const { epoch } = decodeEntry(latest![1][1]!, 0)!;
    this.#sequence += 1;
    const bytes = this.#packr.pack([version, epoch, "later-release", this.#sequence, records, ...behind]);
    await client.xadd(stream, "*", "v", bytes);
  }
}
