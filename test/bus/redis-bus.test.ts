/** The contract of a bus on real Redis, and what the Redis bus promises besides. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, before, describe, it, type TestContext } from "node:test";
import type { LogRecord } from "../../src/bus/bus.ts";
import type { BusLog, BusStatus } from "../../src/bus/bus-status.ts";
import { decodeEntry } from "../../src/bus/entry-codec.ts";
import { RedisBus } from "../../src/bus/redis-bus.ts";
import { offsetOf, offsetPrefix, parseEntryId } from "../../src/bus/stream-offset.ts";
import { loadConfig } from "../../src/config/load-config.ts";
import { ensureCommand } from "../support/debian.ts";
import { eventually, startProxy, startRedis, type TestRedis } from "../support/redis.ts";
import { busContract } from "./contract.ts";
import { encodeEntry } from "./encode-entry.ts";

const silent: BusLog & BusStatus = { info() {}, warn() {}, block() {}, clear() {} };

describe("RedisBus on real Redis", () => {
  let redis: TestRedis;
  const cleanups: (() => unknown)[] = [];
  before(async () => {
    redis = await startRedis({
      after: (cleanup: () => unknown) => void cleanups.push(cleanup),
    } as unknown as TestContext);
  });
  after(async () => {
    for (const cleanup of cleanups.reverse()) await cleanup();
  });

  let logs = 0; // each a prefix of its own
  const createNodes = (count: number, shards: number) => async () => {
    logs += 1;
    const settings = { enabled: true, url: redis.url, prefix: `log${logs}:`, shards };
    const { config } = loadConfig({ env: {}, flags: { redis: settings } });
    return Array.from({ length: count }, () => new RedisBus(config.redis, silent, silent, () => []));
  };
  busContract("One node, one stream", createNodes(1, 1));
  busContract("Three nodes, one stream", createNodes(3, 1));
  busContract("Three nodes, three streams", createNodes(3, 3));

  /** A node and the texts it applies; `append` writes an entry of another writer into its stream. */
  const startNode = async (
    t: TestContext,
    before: (append: (...entry: WrittenEntry) => Promise<string>) => Promise<unknown>,
  ) => {
    const [bus] = await createNodes(1, 1)();
    const key = `log${logs}:stream:0`;
    const append = async (epoch: string, sequence: number, ...texts: string[]): Promise<string> => {
      const records = texts.map((text) => ({ ...publication, head: text }));
      const bytes = encodeEntry({ epoch, writer: "other", sequence, records }, 0);
      return (await redis.client.xadd(key, "*", "v", bytes)) as string;
    };
    await before(append);
    const applied: string[] = [];
    const epochs: string[] = []; // [i] of applied[i]
    await bus!.start((record, { epoch }) => {
      if (record.kind !== "publication") return;
      applied.push(record.head);
      epochs.push(epoch);
    });
    t.after(() => bus!.stop());
    const offset = (id: string) => offsetOf(offsetPrefix(parseEntryId(id)), 0);
    return { bus: bus!, key, append, applied, epochs, offset, epoch: () => bus!.tail("chat").epoch };
  };

  describe("The other processes", () => {
    it("are those that have written into the log lately; one that ends is forgotten at once", async (t) => {
      const nodes = await createNodes(3, 3)();
      for (const bus of nodes) {
        await bus.start(() => {});
        t.after(() => bus.stop());
      }
      const names = (buses: readonly RedisBus[]) => buses.map(({ incarnation }) => incarnation).sort();
      const [first, second, third] = nodes as [RedisBus, RedisBus, RedisBus];
      for (const bus of nodes) {
        await eventually(() => bus.processes().length === 3, "all three");
        assert.deepEqual([...bus.processes()].sort(), names(nodes));
      }
      await second.stop();
      await eventually(() => !first.processes().includes(second.incarnation), "the end of the second");
      assert.deepEqual([...first.processes()].sort(), names([first, third]));
    });
  });

  describe("A command that is kept", () => {
    it("reaches a node that starts when the streams hold nothing of it any more", async (t) => {
      const [first, second] = (await createNodes(2, 1)()) as [RedisBus, RedisBus];
      await first.start(() => {});
      t.after(() => first.stop());
      const command = { kind: "command", channel: "", node: "a", id: 1, body: "{}", keptUntil: 4e9 } as const;
      await new Promise((resolve) => first.append(command, resolve));
      await redis.client.xtrim(`log${logs}:stream:0`, "MAXLEN", 0);
      const applied: LogRecord[] = [];
      await second.start((record) => void applied.push(record));
      t.after(() => second.stop());
      assert.deepEqual(
        applied.find(({ kind }) => kind === "command"),
        command,
      );
    });
  });

  describe("An entry that was sent twice", () => {
    it("is acknowledged at its first place, also where the reader comes back 3 s after the writer", async (t) => {
      const proxy = await startProxy(t, redis);
      const settings = { enabled: true, url: proxy.url, prefix: "twice:" };
      const bus = new RedisBus(
        loadConfig({ env: {}, flags: { redis: settings } }).config.redis,
        silent,
        silent,
        () => [],
      );
      const applied: string[] = [];
      await bus.start((record, { offset }) => void (record.kind === "publication" && applied.push(offset)));
      t.after(() => bus.stop());
      proxy.swallowReplies();
      const acknowledged: unknown[] = [];
      bus.append({ ...publication, head: "a" }, (outcome) => void acknowledged.push(outcome));
      const copies = async (): Promise<number> =>
        (await redis.client.xrangeBuffer("twice:stream:0", "-", "+")).filter(
          ([, fields]) => decodeEntry(fields[1]!, 0)?.records[0]?.kind === "publication",
        ).length;
      await eventually(async () => (await copies()) === 1, "the first copy");
      proxy.swallowReplies("xread");
      proxy.reset();
      await eventually(async () => (await copies()) === 2, "the second copy");
      await new Promise((resolve) => setTimeout(resolve, 3000));
      proxy.restore();
      proxy.reset();
      await eventually(() => acknowledged.length === 1, "the acknowledgement");
      assert.deepEqual(applied, [(acknowledged[0] as { offset: string }).offset]);
    });
  });

  describe("What a reader makes of other nodes' entries", () => {
    it("an entry that comes twice is applied once", async (t) => {
      const { append, applied, epoch } = await startNode(t, (write) => write("0a", 1, "a"));
      await append("0a", 2, "b", "c");
      await append("0a", 2, "b", "c");
      await append("0a", 1, "a");
      await append("0a", 3, "d");
      await eventually(() => applied.at(-1) === "d", "d");
      assert.deepEqual(applied, ["a", "b", "c", "d"]);
      assert.equal(epoch(), "0a");
    });

    it("an entry that is missing makes a new epoch, and what was before it is not known any more", async (t) => {
      let first = "";
      const node = await startNode(t, async (append) => {
        first = await append("0a", 1, "a");
      });
      assert.equal(node.bus.knows("chat", node.offset(first)), true);
      const later = await node.append("0a", 3, "c");
      await eventually(() => node.applied.at(-1) === "c", "c");
      assert.equal(node.epoch() > "0a", true);
      assert.equal(node.bus.knows("chat", node.offset(first)), false);
      assert.equal(node.bus.knows("chat", node.offset(later)), true);
      const { epoch } = node.bus.tail("chat");
      await eventually(async () => {
        const [entry] = await redis.client.xrevrangeBuffer(node.key, "+", "-", "COUNT", 1);
        return decodeEntry(entry![1][1]!, 0)?.epoch === epoch;
      }, "the new epoch in the log");
    });

    it("a gap in the past of which the log tells is no news to a node that starts", async (t) => {
      const { epoch, bus, offset, applied } = await startNode(t, async (append) => {
        await append("0a", 1, "a");
        await append("0a", 3, "c");
        await append("0b", 4, "d");
      });
      assert.deepEqual([epoch(), applied], ["0b", ["a", "c", "d"]]);
      assert.equal(bus.knows("chat", offset("1-0")), false);
    });

    it("a gap in the past of which nobody told makes a new epoch", async (t) => {
      let first = "";
      const { epoch, bus, offset } = await startNode(t, async (append) => {
        first = await append("0a", 1, "a");
        await append("0a", 3, "c");
      });
      assert.equal(epoch() > "0a", true);
      assert.equal(bus.knows("chat", offset(first)), false);
    });

    it("a full stream that is trimmed while a node starts to read it makes no new epoch", async (t) => {
      const cli = await ensureCommand("redis-cli", "redis-tools");
      const settings = { enabled: true, url: redis.url, prefix: "full:", entriesMax: 100 };
      const { config } = loadConfig({ env: {}, flags: { redis: settings } });
      for (let sequence = 1; sequence <= 400; sequence += 1) {
        const records = [{ ...publication, head: String(sequence) }];
        const bytes = encodeEntry({ epoch: "0a", writer: "other", sequence, records }, 0);
        await redis.client.xadd("full:stream:0", "*", "v", bytes);
      }
      const bus = new RedisBus(config.redis, silent, silent, () => []);
      const applied: string[] = [];
      await bus.start((record) => {
        if (record.kind !== "publication") return;
        // Before the next page: all of the first and more of what follows it.
        if (applied.length === 0) execFileSync(cli, ["-p", `${redis.port}`, "XTRIM", "full:stream:0", "MAXLEN", "250"]);
        applied.push(record.head);
      });
      t.after(() => bus.stop());
      assert.equal(bus.tail("chat").epoch, "0a");
      const first = Number(applied[0]);
      assert.deepEqual(
        applied,
        Array.from({ length: 401 - first }, (_, i) => String(first + i)),
      );
    });

    it("a later epoch is taken over, an earlier one is not", async (t) => {
      const { append, applied, epoch } = await startNode(t, (write) => write("0b", 1, "a"));
      await append("0c", 2, "b");
      await append("0a", 3, "c");
      await eventually(() => applied.at(-1) === "c", "c");
      assert.equal(epoch(), "0c");
    });

    it("a log that begins again below the cursor, as after a failover to a slow clock, is noticed and read", async (t) => {
      const { key, append, applied, epoch } = await startNode(t, (write) => write("0a", 1, "a"));
      const inAnHour = `${Date.now() + 3_600_000}-0`;
      const records = [{ ...publication, head: "b" }];
      await redis.client.xadd(
        key,
        inAnHour,
        "v",
        encodeEntry({ epoch: "0a", writer: "other", sequence: 2, records }, 0),
      );
      await eventually(() => applied.at(-1) === "b", "b");
      await redis.client.del(key);
      await append("0a", 3, "c");
      await eventually(() => applied.at(-1) === "c", "c");
      assert.equal(epoch() > "0a", true);
    });

    it("a gap in what is read after a break is a break of its own, before what follows it", async (t) => {
      const { key, append, applied, epochs } = await startNode(t, (write) => write("0a", 1, "a"));
      const records = [{ ...publication, head: "b" }];
      const bytes = encodeEntry({ epoch: "0a", writer: "other", sequence: 2, records }, 0);
      await redis.client.xadd(key, `${Date.now() + 3_600_000}-0`, "v", bytes);
      await eventually(() => applied.at(-1) === "b", "b");
      await redis.client.del(key); // and what follows is below the cursor: it is read as the past
      await append("0a", 3, "c");
      await append("0a", 5, "e");
      await eventually(() => applied.at(-1) === "e", "e");
      assert.deepEqual(applied, ["a", "b", "c", "e"]);
      assert.equal(epochs[2]! > epochs[1]! && epochs[3]! > epochs[2]!, true, `${epochs}`);
    });

    it("a later epoch is taken over from a second copy as well, whose writer may say nothing more", async (t) => {
      const { append, applied, epoch } = await startNode(t, (write) => write("0a", 1, "a"));
      await append("0b", 1, "a");
      await eventually(() => epoch() === "0b", "the later epoch");
      assert.deepEqual(applied, ["a"]);
    });

    it("what is no entry is passed over", async (t) => {
      const { append, applied, epoch, key } = await startNode(t, (write) => write("0a", 1, "a"));
      await redis.client.xadd(key, "*", "other", "field");
      await redis.client.xadd(key, "*", "v", Buffer.from([0xc1]));
      await append("0a", 2, "b");
      await eventually(() => applied.at(-1) === "b", "b");
      assert.equal(epoch(), "0a");
    });
  });
});

type WrittenEntry = [epoch: string, sequence: number, ...texts: string[]];

const publication = {
  kind: "publication",
  channel: "chat",
  sender: 1,
  echo: true,
  target: undefined,
  key: undefined,
  userId: undefined,
  acceptedAtMs: 0,
} as const;
