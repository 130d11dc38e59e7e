import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { encodings, plainJson } from "../../src/protocol/encoding.ts";
import { fakeConnections, identity } from "./fakes.ts";

describe("Connections", () => {
  it("are found by id while they are open, and never after", () => {
    const { connections, open } = fakeConnections();
    const { connection, socket } = open();
    assert.equal(connections.byId(connection.id), connection);
    socket.close();
    assert.equal(connections.byId(connection.id), undefined);
  });

  it("are not found by the id of an earlier owner of their slot, nor by one of another node", () => {
    const { connections, open } = fakeConnections(7);
    const ids = new Set<number>();
    for (let i = 0; i < 1024 + 5; i += 1) {
      const { connection, socket } = open();
      ids.add(connection.id);
      if (i < 1024 + 4) socket.close();
    }
    assert.equal(ids.size, 1024 + 5);
    assert.equal([...ids].filter((id) => connections.byId(id) !== undefined).length, 1);
    const [present] = connections;
    for (const id of [present!.slot, present!.id - 2 ** 42, 0, -1, 0.5, Number.NaN, 2 ** 60])
      assert.equal(connections.byId(id), undefined, `${id}`);
  });

  it("are found by their user: all of them, and only the open ones", () => {
    const { connections, open } = fakeConnections();
    const [one, two] = [open(identity("ann", 0)), open(identity("ann", 0))];
    open(identity("bob", 0));
    open();
    assert.deepEqual([...connections.byUser("ann")], [one.connection, two.connection]);
    one.socket.close();
    assert.deepEqual([...connections.byUser("ann")], [two.connection]);
    two.socket.close();
    assert.deepEqual([...connections.byUser("ann")], []);
  });

  it("change their user with identify", () => {
    const { connections, open } = fakeConnections();
    const { connection, socket } = open();
    connections.identify(connection, identity("ann", 0));
    assert.deepEqual([...connections.byUser("ann")], [connection]);
    connections.identify(connection, identity("ann", 99));
    assert.deepEqual([...connections.byUser("ann")], [connection]);
    connections.identify(connection, identity("bob", 0));
    assert.deepEqual([[...connections.byUser("ann")], [...connections.byUser("bob")]], [[], [connection]]);
    socket.close();
    assert.deepEqual([...connections.byUser("bob")], []);
  });

  it("are counted, and so is why they were closed", () => {
    const { connections, counters, open } = fakeConnections();
    const opened = [open(), open(), open()];
    assert.equal(connections.count, 3);
    opened[0]!.connection.close("flooding", "");
    opened[1]!.socket.close();
    assert.equal(connections.count, 1);
    assert.deepEqual([counters.closed.flooding, counters.closed.client], [1, 1]);
  });

  it("are counted by their encoding, and those without a connection are not in use", () => {
    const { connections, open } = fakeConnections();
    const [packed, batched] = [encodings[1]!, encodings[2]!];
    const opened = [open(), open(undefined, batched), open(undefined, packed), open(undefined, batched)];
    assert.deepEqual(connections.encodingsInUse, [packed, batched, plainJson]);
    assert.deepEqual(
      encodings.map((encoding) => connections.countOf(encoding)),
      [0, 1, 2, 1],
    );
    for (const at of [1, 2]) opened[at]!.socket.close();
    assert.deepEqual(connections.encodingsInUse, [batched, plainJson]);
    for (const at of [0, 3]) opened[at]!.socket.close();
    assert.deepEqual(connections.encodingsInUse, []);
    open(undefined, batched);
    assert.deepEqual(connections.encodingsInUse, [batched]);
  });

  it("tell of each opening and closing; the closed one has no socket any more", () => {
    const { connections, open } = fakeConnections();
    const told: string[] = [];
    connections.onOpen(({ id, socket }) => told.push(`open ${id} ${socket !== undefined}`));
    connections.onClose(({ id, socket }) => told.push(`close ${id} ${socket !== undefined}`));
    open().socket.close();
    assert.deepEqual(told, ["open 1 true", "close 1 false"]);
  });

  it("may be closed while all of them are walked over", () => {
    const { connections, open } = fakeConnections();
    for (let i = 0; i < 10; i += 1) open();
    const seen: number[] = [];
    for (const connection of connections) {
      seen.push(connection.id);
      connection.close("going_away", "");
      if (connection.id === 3) connections.byId(7)?.close("going_away", "");
    }
    assert.deepEqual(seen, [1, 2, 3, 4, 5, 6, 8, 9, 10]);
  });
});

describe("A connection that is closed or about to be", () => {
  it("can be sent to, corked, closed and measured without harm", () => {
    const { open } = fakeConnections();
    const { connection, socket } = open();
    socket.close();
    connection.send({ action: "ping" });
    connection.sendEncoded("{}");
    connection.cork(() => assert.fail("corked a closed socket"));
    connection.close("flooding", "");
    assert.deepEqual(
      [connection.queuedBytes, connection.isOpen, socket.frames, connection.closing],
      [0, false, [], undefined],
    );
  });

  it("gets nothing more once the gateway has decided to close it", () => {
    const { open } = fakeConnections();
    const { connection, socket } = open();
    connection.closing = "slow_consumer";
    connection.send({ action: "ping" });
    connection.sendEncoded("{}");
    connection.close("flooding", "");
    assert.deepEqual([socket.frames, socket.closed], [[], undefined]);
  });

  it("ends the wait for its queue", async () => {
    const { open } = fakeConnections();
    const { connection, socket } = open();
    socket.buffered = 1000;
    let isOver = false;
    const waiting = connection.queueBelow(500).then(() => {
      isOver = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 60));
    assert.equal(isOver, false);
    socket.close();
    await waiting;
  });

  it("stays where its queue gets shorter in time", async () => {
    const { open } = fakeConnections();
    const { connection, socket } = open();
    socket.buffered = 1000;
    const waiting = connection.queueBelow(500);
    socket.buffered = 500;
    await waiting;
    assert.equal(connection.isOpen, true);
  });
});
