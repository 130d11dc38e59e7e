/** What several nodes make of one log: the rules that a bus of many nodes brings, on one that delivers at random times. */
import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { createSharedLog } from "../bus/shared-log.ts";
import { patienceMs } from "../support/child.ts";
import type { Frame } from "../support/client.ts";
import { type ClusterClient, ClusterNode } from "./cluster-node.ts";

async function cluster(t: TestContext, count: number): Promise<ClusterNode[]> {
  const nodes = createSharedLog(count).map((bus) => new ClusterNode(bus));
  t.after(() => Promise.all(nodes.map((node) => node.stop())));
  for (const node of nodes) await node.start();
  return nodes;
}

async function until(condition: () => boolean, wanted: string): Promise<void> {
  const deadline = performance.now() + patienceMs;
  while (!condition()) {
    if (performance.now() > deadline) assert.fail(`waited in vain for ${wanted}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

const messages = ({ frames }: ClusterClient): Frame[] => frames.filter(({ action }) => action === "message");
const texts = (client: ClusterClient): unknown[] => messages(client).map(({ message }) => message);

/** Resolves once every client has got "end" on `channel`, which stands behind all that they published. */
async function ended(channel: string, clients: readonly ClusterClient[]): Promise<void> {
  await until(() => clients.every(({ isAnswered }) => isAnswered), "all acknowledgements");
  clients[0]!.publish(channel, "end");
  for (const client of clients) await until(() => texts(client).includes("end"), "the last message");
}

describe("Nodes on one log", () => {
  it("deliver a channel in one order and at the same positions, while all publish", async (t) => {
    const nodes = await cluster(t, 3);
    const clients = nodes.flatMap((node) => [node.connect(), node.connect()]);
    for (const client of clients) client.subscribe("chat.room");
    for (let n = 0; n < 100; n += 1) {
      for (const [i, client] of clients.entries()) client.publish("chat.room", `${i}:${n}`);
      if (n % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await ended("chat.room", clients);
    const placed = clients.map((client) =>
      messages(client).map(({ message, offset, epoch }) => ({ message, offset, epoch })),
    );
    assert.equal(placed[0]!.length, 601);
    for (const other of placed) assert.deepEqual(other, placed[0]);
  });

  it("deliver a publication once that comes with its key through several of them at once, the same one everywhere", async (t) => {
    const nodes = await cluster(t, 3);
    const clients = nodes.map((node) => node.connect("alice"));
    for (const client of clients) client.subscribe("chat.room");
    for (let n = 0; n < 50; n += 1)
      for (const [i, client] of clients.entries()) client.publish("chat.room", `${n} by ${i}`, { key: `key ${n}` });
    await ended("chat.room", clients);
    const [first, ...others] = clients.map(texts);
    assert.equal(first!.length, 51);
    for (const other of others) assert.deepEqual(other, first);
  });

  it("let a client go on at another node where it left the first, while publishers never pause", async (t) => {
    const nodes = await cluster(t, 2);
    const witness = nodes[0]!.connect();
    const publishers = nodes.map((node) => node.connect());
    witness.subscribe("chat.room");
    publishers[0]!.publish("chat.room", "start");
    await until(() => texts(witness).length === 1, "the first message");
    let isOver = false;
    const publishing = publishers.map(async (publisher, i) => {
      for (let n = 0; !isOver; n += 1) {
        publisher.publish("chat.room", `${i}:${n}`);
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    });
    const heard: unknown[] = ["start"];
    const { offset, epoch } = messages(witness)[0]!;
    let since: object = { offset, epoch };
    const positions: string[] = [];
    for (let round = 0; round < 20; round += 1) {
      const client = nodes[round % 2]!.connect();
      client.subscribe("chat.room", { since });
      const { recovered } = client.frames[0]!;
      await until(() => messages(client).length >= 5 || recovered === false, "messages");
      client.close();
      if (recovered === false) {
        // The other node is behind what the client has: it says so, and the client may ask again.
        assert.deepEqual(messages(client), []);
        round -= 1;
        await new Promise((resolve) => setTimeout(resolve, 1));
        continue;
      }
      for (const frame of messages(client)) {
        heard.push(frame.message);
        positions.push(frame.offset as string);
        since = { offset: frame.offset, epoch: frame.epoch };
      }
    }
    isOver = true;
    await Promise.all(publishing);
    await until(() => publishers.every(({ isAnswered }) => isAnswered), "all acknowledgements");
    await ended("chat.room", [witness]);
    assert.deepEqual(heard, texts(witness).slice(0, heard.length));
    assert.deepEqual(positions, [...positions].sort());
  });

  it("reach recipients on every node, by connection and by user, and leave only the sender itself out", async (t) => {
    const nodes = await cluster(t, 2);
    const [alice, tab, bob, guest] = [
      nodes[0]!.connect("alice"),
      nodes[1]!.connect("alice"),
      nodes[1]!.connect("bob"),
      nodes[0]!.connect(),
    ];
    const clients = [alice, tab, bob, guest];
    for (const client of clients) client.subscribe("news");
    guest.publish("news", "users", { users: ["alice"] });
    guest.publish("news", "connections", { connections: [bob.id, guest.id] });
    guest.publish("news", "nobody", { users: [] });
    bob.publish("news", "silent", { echo: false });
    tab.publish("news", "others", { users: ["alice"], echo: false });
    await ended("news", clients);
    const got = clients.map((client) =>
      texts(client)
        .filter((text) => text !== "end")
        .sort(),
    );
    assert.deepEqual(got, [
      ["others", "silent", "users"],
      ["silent", "users"],
      ["connections"],
      ["connections", "silent"],
    ]);
  });

  it("agree on the members, and tell a join and a leave of each user once, whichever nodes its connections are on", async (t) => {
    const nodes = await cluster(t, 3);
    const channel = "presence.lobby";
    const watchers = nodes.map((node, i) => node.connect(`watcher ${i}`));
    for (const watcher of watchers) watcher.subscribe(channel);
    await until(() => nodes.every((node) => node.membersOf(channel).length === 3), "three members everywhere");
    const tabs = nodes.map((node) => node.connect("alice"));
    for (const tab of tabs) tab.subscribe(channel);
    await until(() => nodes.every((node) => node.membersOf(channel).length === 4), "four members everywhere");
    for (const tab of tabs) tab.close();
    await until(() => nodes.every((node) => node.membersOf(channel).length === 3), "three members everywhere");
    await ended(channel, watchers);
    const [first, ...others] = nodes.map((node) => node.membersOf(channel));
    for (const other of others) assert.deepEqual(other, first);
    for (const watcher of watchers) {
      const events = watcher.frames.filter(({ member }) => (member as Frame | undefined)?.user_id === "alice");
      assert.deepEqual(
        events.map(({ event, count }) => [event, count]),
        [
          ["join", 4],
          ["leave", 3],
        ],
      );
    }
  });
});
