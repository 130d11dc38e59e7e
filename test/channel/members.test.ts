import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Member } from "../../src/bus/bus.ts";
import { Members } from "../../src/channel/presence.ts";

const alice: Member = { user_id: "alice", role: "user" };
const bob: Member = { user_id: "bob", role: "user" };
const anonymous = (id: number): Member => ({ connection_id: id });

function createMembers() {
  const members = new Members();
  const apply = (kind: "join" | "leave") => (member: Member, connectionId: number, channel: string) => {
    let isChanged = false;
    members.apply({ kind, channel, session: `node.${connectionId}`, member }, () => {
      isChanged = true;
    });
    return isChanged;
  };
  const join = apply("join");
  const leave = apply("leave");
  return {
    members,
    /** True where the channel is to be told. */
    join: (member: Member, connectionId: number, channel = "presence.lobby") => join(member, connectionId, channel),
    leave: (member: Member, connectionId: number, channel = "presence.lobby") => leave(member, connectionId, channel),
    list: (channel = "presence.lobby") => members.list(channel),
  };
}

describe("Members of a channel", () => {
  it("are users: the first connection joins and the last one leaves, in any order", () => {
    const { members, join, leave, list } = createMembers();
    assert.equal(join(alice, 1), true);
    assert.equal(join(alice, 2), false);
    assert.equal(join(bob, 3), true);
    assert.deepEqual(list(), [alice, bob]);
    assert.equal(leave(alice, 1), false);
    assert.deepEqual(list(), [alice, bob]);
    assert.equal(leave(alice, 2), true);
    assert.deepEqual(list(), [bob]);
    assert.deepEqual([members.countIn("presence.lobby"), members.count], [1, 1]);
  });

  it("are one for each anonymous connection, and never a user whose id looks like one", () => {
    const { join, leave, list } = createMembers();
    assert.equal(join(anonymous(1), 1), true);
    assert.equal(join(anonymous(2), 2), true);
    assert.equal(join({ user_id: 1, role: "user" }, 3), true);
    assert.equal(join({ user_id: "connection 1", role: "user" }, 4), true);
    assert.equal(list().length, 4);
    assert.equal(leave(anonymous(1), 1), true);
    assert.deepEqual(list(), [anonymous(2), { user_id: 1, role: "user" }, { user_id: "connection 1", role: "user" }]);
  });

  it("are the same user with a number or its text as the id, as everywhere else", () => {
    const { join, list } = createMembers();
    assert.equal(join({ user_id: 42, role: "user" }, 1), true);
    assert.equal(join({ user_id: "42", role: "user" }, 2), false);
    assert.deepEqual(list(), [{ user_id: 42, role: "user" }]);
  });

  it("are counted per channel, and over all channels", () => {
    const { members, join, leave, list } = createMembers();
    join(alice, 1, "presence.one");
    join(alice, 1, "presence.two");
    join(bob, 2, "presence.two");
    assert.deepEqual([members.countIn("presence.one"), members.countIn("presence.two"), members.count], [1, 2, 3]);
    assert.equal(leave(alice, 1, "presence.one"), true);
    assert.deepEqual(list("presence.two"), [alice, bob]);
    assert.deepEqual([members.countIn("presence.one"), members.count], [0, 2]);
    assert.deepEqual(list("presence.three"), []);
  });

  it("are not changed by a leave that belongs to no join, or comes twice", () => {
    const { members, join, leave } = createMembers();
    assert.equal(leave(alice, 1), false);
    join(alice, 1);
    assert.equal(leave(alice, 2), false);
    assert.equal(leave(bob, 1), false);
    assert.equal(leave(alice, 1, "presence.other"), false);
    assert.equal(leave(alice, 1), true);
    assert.equal(leave(alice, 1), false);
    assert.equal(members.count, 0);
  });

  it("are not doubled by a join that comes twice", () => {
    const { members, join, leave } = createMembers();
    assert.equal(join(alice, 1), true);
    assert.equal(join(alice, 1), false);
    assert.equal(leave(alice, 1), true);
    assert.equal(members.count, 0);
  });

  it("can join again after they left", () => {
    const { join, leave, list } = createMembers();
    join(alice, 1);
    leave(alice, 1);
    assert.equal(join(alice, 2), true);
    assert.deepEqual(list(), [alice]);
  });
});

describe("The nodes of members", () => {
  const session = (node: string, connection: number) => `${node}.${connection}`;

  it("count connections in channels, each once, however often it is told, until it has left them", () => {
    const members = new Members();
    const tell = (kind: "join" | "leave", node: string, connection: number, channel = "presence.lobby") =>
      members.apply({ kind, channel, session: session(node, connection), member: alice }, () => {});
    tell("join", "a", 1);
    tell("join", "a", 1);
    tell("join", "a", 2);
    tell("join", "a", 1, "presence.hall");
    tell("join", "b", 1);
    assert.deepEqual(members.connectionsByNode(), { a: 3, b: 1 });
    tell("leave", "a", 2);
    tell("leave", "a", 2);
    tell("leave", "b", 1);
    assert.deepEqual([members.connectionsByNode(), members.nodes()], [{ a: 2 }, ["a"]]);
    members.apply({ kind: "node_ended", node: "a" }, () => {});
    assert.deepEqual([members.nodes(), members.count], [[], 0]);
  });
});

describe("Records of a node", () => {
  /** Members in two shards; `apply` returns what channels were told. */
  const createShards = () => {
    const members = new Members(2);
    const channels = [0, 1].map((shard) => {
      for (let n = 0; ; n += 1) if (members.shardOf(`presence.${n}`) === shard) return `presence.${n}`;
    });
    const apply = (record: Parameters<Members["apply"]>[0]): string[] => {
      const told: string[] = [];
      members.apply(record, ({ kind, channel, member }) => {
        told.push(`${kind} ${channels.indexOf(channel)} ${member.user_id} of ${members.countIn(channel)}`);
      });
      return told;
    };
    const join = (session: string, user: string, shard = 0) =>
      apply({ kind: "join", channel: channels[shard]!, session, member: { user_id: user } });
    return { members, apply, join, channels };
  };

  it("node_ended: its members leave the channels of its shard, each told with the count that is left", () => {
    const { apply, join, members, channels } = createShards();
    for (const user of ["ann", "bob"]) join(`a.${user}`, user);
    join("b.1", "cyd");
    join("a.1", "ann", 1);
    assert.deepEqual(apply({ kind: "node_ended", node: "a", shard: 0 }), ["leave 0 ann of 2", "leave 0 bob of 1"]);
    assert.deepEqual(members.list(channels[1]!), [{ user_id: "ann" }]);
    assert.deepEqual(apply({ kind: "node_ended", node: "a", shard: 1 }), ["leave 1 ann of 0"]);
  });

  it("a roll: who is in it stays without a word, who is not has left, who is new has joined; other nodes' and shards' stay", () => {
    const { apply, join } = createShards();
    for (const user of ["ann", "bob"]) join(`a.${user}`, user);
    join("b.bob", "bob"); // with a second tab, on another node
    join("b.dan", "dan");
    join("a.eve", "eve", 1);
    assert.deepEqual(apply({ kind: "roll_begun", node: "a", shard: 0 }), []);
    assert.deepEqual(join("a.ann", "ann"), []);
    assert.deepEqual(join("a.cyd", "cyd"), ["join 0 cyd of 4"]);
    assert.deepEqual(apply({ kind: "roll_ended", node: "a", shard: 0 }), []); // bob is on b still
    assert.deepEqual(apply({ kind: "roll_begun", node: "b", shard: 0 }), []);
    assert.deepEqual(join("b.dan", "dan"), []);
    assert.deepEqual(apply({ kind: "roll_ended", node: "b", shard: 0 }), ["leave 0 bob of 3"]);
  });

  it("an empty roll: whoever was held for its members has left", () => {
    const { apply, join } = createShards();
    join("a.ann", "ann");
    apply({ kind: "roll_begun", node: "a", shard: 0 });
    assert.deepEqual(apply({ kind: "roll_ended", node: "a", shard: 0 }), ["leave 0 ann of 0"]);
  });

  it("a roll whose beginning was not heard, or that its node did not live to end, changes nothing", () => {
    const { apply, join } = createShards();
    join("a.ann", "ann");
    assert.deepEqual(apply({ kind: "roll_ended", node: "a", shard: 0 }), []);
    apply({ kind: "roll_begun", node: "a", shard: 0 });
    assert.deepEqual(apply({ kind: "node_ended", node: "a", shard: 0 }), ["leave 0 ann of 0"]);
    join("a.ann", "ann");
    assert.deepEqual(apply({ kind: "roll_ended", node: "a", shard: 0 }), []);
  });
});
