/** What `/metrics` says of the log in Redis, against what a real Redis holds and what happens to it. */
import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { decodeEntry } from "../../src/bus/entry-codec.ts";
import { connect, type TestClient } from "../support/client.ts";
import type { TestGateway } from "../support/gateway.ts";
import { eventually, startProxy, startRedis, type TestRedis } from "../support/redis.ts";
import { token } from "../support/tokens.ts";
import { epochLine, logged, ready, startNodes } from "./redis-nodes.ts";

const chat = "chat.room";
const lobby = "presence.lobby";
const presence = { presence: { leaveGraceSeconds: 0 }, channels: { "presence.>": { presence: true } } };

const entriesWritten = "tidegate_bus_entries_written_total";
const recordsWritten = "tidegate_bus_records_written_total";
const entriesRead = "tidegate_bus_entries_read_total";
const failuresToWrite = 'tidegate_bus_failures_total{operation="write"}';
const failuresToRead = 'tidegate_bus_failures_total{operation="read"}';
const reconnects = "tidegate_bus_reconnects_total";
const epochChanges = "tidegate_bus_epoch_changes_total";
const queueBytes = "tidegate_bus_queue_bytes";
const readerLag = "tidegate_bus_reader_lag_seconds";
const unreadEntries = "tidegate_bus_unread_entries";
const leased = "tidegate_bus_leased";
const isReady = "tidegate_ready";

const idle = { [queueBytes]: 0, [unreadEntries]: 0, [readerLag]: below(0.5), [leased]: 1, [isReady]: 1 };
const untroubled = { [failuresToWrite]: 0, [failuresToRead]: 0, [reconnects]: 0, [epochChanges]: 0 };

describe("The metrics of two nodes on one Redis", () => {
  it("count the records and entries that are in the stream by who wrote them, and the entries that were read", async (t) => {
    const { redis, nodes } = await start(t);
    const [near, far] = nodes;
    const [publisher, reader] = [await connect(t, near.url), await connect(t, far.url)];
    for (const client of [publisher, reader]) await client.subscribe(chat);
    await publishAll(publisher, 500);
    await publishAll(reader, 7);
    const member = await join(t, near, "anna");
    await member.ask("unsubscribe", { channel: lobby });

    await countWhatIsThere(redis, nodes);
    const written = await writtenTo(redis);
    const [byNear, byFar] = [written.get((await scrape(near)).name)!, written.get((await scrape(far)).name)!];
    assert.deepEqual([byNear.publications, byFar.publications], [500, 7]);
    assert.ok(byNear.records >= 502, "a join and a leave as well");
    assert.ok(byNear.entries < byNear.records, "several records in an entry");
    for (const node of nodes) {
      const read = (await scrape(node)).value(entriesRead);
      const all = await redis.client.xlen(stream);
      // But for those of before it started, which only ask who is there and answer that.
      assert.ok(read > byNear.publicationEntries && read <= all, `${read} entries read, of ${all}`);
    }
  });

  it("say that nothing waits and nothing is wrong while nothing happens", async (t) => {
    const { nodes } = await start(t);
    for (const node of nodes) await shows(node, { ...idle, ...untroubled });
  });

  it("name how many connections of members each node has, the same on both", async (t) => {
    const { nodes } = await start(t);
    const [near, far] = nodes;
    const names = [(await scrape(near)).name, (await scrape(far)).name];
    const [nearCount, farCount] = names.map((name) => `tidegate_presence_connections{node="${name}"}`);
    await join(t, near, "anna");
    await join(t, near, "anna");
    await join(t, near, "bob");
    const tab = await join(t, far, "bob");
    for (const node of nodes) await shows(node, { [nearCount!]: 3, [farCount!]: 1, tidegate_presence_members: 2 });
    tab.socket.terminate();
    for (const node of nodes)
      await shows(node, { [nearCount!]: 3, [farCount!]: undefined, tidegate_presence_members: 2 });
  });

  it("show what waits while Redis is frozen, that the node is not ready and its lease runs out, and that it is over", async (t) => {
    const { redis, nodes } = await start(t, { leaseSeconds: 2 });
    const publisher = await connect(t, nodes[0].url);
    await publisher.subscribe(chat);
    await shows(nodes[0], idle);
    await countWhatIsThere(redis, nodes);
    const records = (await scrape(nodes[0])).value(recordsWritten);
    redis.freeze();
    for (let n = 0; n < 20; n += 1) publisher.request("message", { channel: chat, message: "x".repeat(100) }, `${n}`);
    await shows(nodes[0], { [queueBytes]: above(20 * 100), [unreadEntries]: above(0), [readerLag]: above(0) });
    for (const node of nodes) {
      await shows(node, { [isReady]: 0, [leased]: 0, [failuresToWrite]: above(0), [failuresToRead]: above(0) });
      await shows(node, { [readerLag]: above(1) });
    }
    await shows(nodes[0], { [recordsWritten]: records, [queueBytes]: above(20 * 100) });
    redis.resume();
    await eventually(() => publisher.of("message_sent").length === 20, "acknowledgements");
    for (const node of nodes) await shows(node, { ...idle, [epochChanges]: 0 });
    await shows(nodes[0], { [recordsWritten]: above(records + 19) });
    await countWhatIsThere(redis, nodes);
  });

  it("show how far a node is behind at every scrape, with and without load, so that an alert on it can last", async (t) => {
    const redis = await startRedis(t);
    const proxy = await startProxy(t, redis);
    const [near] = (await startNodes(t, [proxy.url, redis.url], {}, presence)) as [TestGateway, TestGateway];
    const publisher = await connect(t, near.url);
    await publisher.subscribe(chat);
    proxy.delayMs = 300; // each way
    const alwaysAbove = async (seconds: number): Promise<void> => {
      await shows(near, { [readerLag]: above(seconds) });
      const seen: number[] = [];
      for (let n = 0; n < 40; n += 1) {
        seen.push((await scrape(near)).value(readerLag));
      }
      assert.ok(Math.min(...seen) > seconds, `${seen}`);
    };
    await alwaysAbove(0.4);
    const load = setInterval(() => publisher.request("message", { channel: chat, message: "load" }), 5);
    t.after(() => clearInterval(load));
    await eventually(() => publisher.of("message_sent").length > 20, "a load");
    await alwaysAbove(0.4);
    clearInterval(load);
    proxy.delayMs = 0;
    await shows(near, idle);
  });

  it("count a break of the log on both after FLUSHALL, as often as they log it", async (t) => {
    const { redis, nodes } = await start(t);
    for (const node of nodes) await shows(node, untroubled);
    // Connections end with it: on a new one a node looks at once whether the log is still the one that it has read. By
    // itself it is a break only for a node that has not read everything; the others have missed nothing, and read on.
    await redis.client.multi().flushall().call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes").exec();
    for (const node of nodes) {
      await shows(node, { ...idle, [epochChanges]: above(0), [reconnects]: above(connectionsOfNode - 1) });
      const isTold = async () => (await scrape(node)).value(epochChanges) === logged(node, epochLine);
      await eventually(isTold, "as many breaks as were logged");
    }
  });

  it("count connections that were made anew after a restart of Redis, and no break where its data stayed", async (t) => {
    const { redis, nodes } = await start(t);
    for (const node of nodes) await shows(node, untroubled);
    await redis.stop();
    for (const node of nodes) await shows(node, { [isReady]: 0 });
    await redis.start();
    await ready(...nodes);
    for (const node of nodes)
      await shows(node, { ...idle, [reconnects]: above(connectionsOfNode - 1), [epochChanges]: 0 });
  });
});

const stream = "websocket:stream:0";
/** To write, to read, and for the lease. */
const connectionsOfNode = 3;

async function start(
  t: TestContext,
  bus: object = {},
): Promise<{ redis: TestRedis; nodes: [TestGateway, TestGateway] }> {
  const redis = await startRedis(t);
  const nodes = await startNodes(t, [redis.url, redis.url], bus, presence);
  return { redis, nodes: nodes as [TestGateway, TestGateway] };
}

async function join(t: TestContext, { url }: TestGateway, user: string): Promise<TestClient> {
  const client = await connect(t, `${url}?token=${token({ user_id: user })}`);
  await client.subscribe(lobby);
  return client;
}

/** Publishes so many messages to the room; resolves once all are acknowledged. */
async function publishAll(client: TestClient, count: number): Promise<void> {
  for (let n = 0; n < count; n += 1) {
    client.request("message", { channel: chat, message: n });
    if (n % 50 === 49) await client.settled();
  }
  await eventually(() => client.of("message_sent").length === count, "acknowledgements");
}

interface Scrape {
  /** The node's, as labels and entries have it. */
  readonly name: string;
  readonly series: ReadonlyMap<string, number>;
  /** Throws where there is no such series. */
  value(series: string): number;
}

async function scrape({ adminUrl }: TestGateway): Promise<Scrape> {
  const text = await (await fetch(`${adminUrl}/metrics`)).text();
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  const series = new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ")))]),
  );
  return {
    name: /^tidegate_info\{.*node="([^"]+)"/m.exec(text)![1]!,
    series,
    value(name) {
      assert.ok(series.has(name), `no ${name} in ${text}`);
      return series.get(name)!;
    },
  };
}

/** A value, `undefined` for a series that is not there, or what a value must be above or below. */
type Wanted = number | undefined | { readonly above?: number; readonly below?: number };

function above(value: number): Wanted {
  return { above: value };
}

function below(value: number): Wanted {
  return { below: value };
}

/** Resolves once one scrape of the node has all of `wanted`. */
async function shows(node: TestGateway, wanted: Record<string, Wanted>): Promise<void> {
  const isWanted = (value: number | undefined, want: Wanted): boolean =>
    typeof want === "object"
      ? value !== undefined && value > (want.above ?? -1) && value < (want.below ?? Number.POSITIVE_INFINITY)
      : value === want;
  let found: unknown;
  const holds = async (): Promise<boolean> => {
    const { series } = await scrape(node);
    found = Object.fromEntries(Object.keys(wanted).map((name) => [name, series.get(name)]));
    return Object.entries(wanted).every(([name, want]) => isWanted(series.get(name), want));
  };
  await eventually(holds, JSON.stringify(wanted)).catch((error: Error) => {
    throw new Error(`${error.message}; last: ${JSON.stringify(found)}`);
  });
}

interface Written {
  records: number;
  publications: number;
  /** That hold records. */
  entries: number;
  /** That hold publications. */
  publicationEntries: number;
}

/** What is in the stream, by its writer; what was sent twice counts once. */
async function writtenTo({ client }: TestRedis): Promise<Map<string, Written>> {
  const written = new Map<string, Written>();
  const seen = new Set<string>();
  for (const [, fields] of await client.xrangeBuffer(stream, "-", "+")) {
    const { writer, sequence, records } = decodeEntry(fields[1]!, 0)!;
    if (seen.has(`${writer} ${sequence}`)) continue;
    seen.add(`${writer} ${sequence}`);
    const sum = written.get(writer) ?? { records: 0, publications: 0, entries: 0, publicationEntries: 0 };
    written.set(writer, sum);
    const publications = records.filter((record) => record?.kind === "publication").length;
    sum.records += records.length;
    sum.publications += publications;
    if (records.length > 0) sum.entries += 1;
    if (publications > 0) sum.publicationEntries += 1;
  }
  return written;
}

/** Resolves once each node has counted as written what the stream holds of it. */
async function countWhatIsThere(redis: TestRedis, nodes: readonly TestGateway[]): Promise<void> {
  for (const node of nodes) {
    const { name } = await scrape(node);
    const holds = async (): Promise<boolean> => {
      const { value } = await scrape(node);
      const { records, entries } = (await writtenTo(redis)).get(name)!;
      return value(recordsWritten) === records && value(entriesWritten) === entries;
    };
    await eventually(holds, "the counts of the stream");
  }
}
