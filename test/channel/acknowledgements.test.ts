import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Acknowledgements } from "../../src/channel/acknowledgements.ts";
import type { Connection } from "../../src/connection/connection.ts";
import { type FakeSocket, fakeConnections } from "../connection/fakes.ts";

/** Acknowledgements, and connections that note which ids went out in which cork. */
function create() {
  const { connections, open } = fakeConnections();
  const acknowledgements = new Acknowledgements();
  const corks: { readonly by: string; readonly ids: unknown[] }[] = []; // of all connections, as they came
  return {
    connections,
    corks,
    add: (connection: Connection, id: number) => acknowledgements.add(connection, `{"id":${id}}`),
    open(by: string) {
      const { connection, socket } = open();
      const cork = socket.cork.bind(socket);
      socket.cork = (task) => {
        const before = socket.frames.length;
        cork(task);
        corks.push({ by, ids: idsOf(socket).slice(before) });
      };
      return { connection, socket };
    },
  };
}

const idsOf = ({ frames }: FakeSocket): unknown[] => frames.map(({ id }) => id);

/** Resolves once what was handed in so far has gone out. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("Acknowledgements", () => {
  it("of one connection go out within one cork, in the order in which they came", async () => {
    const { add, open, corks } = create();
    const { connection, socket } = open("anna");
    for (let id = 1; id <= 100; id += 1) add(connection, id);
    assert.deepEqual(socket.frames, [], "not before everything has been handed in");
    await turn();
    const ids = Array.from({ length: 100 }, (_, i) => i + 1);
    assert.deepEqual(corks, [{ by: "anna", ids }]);
    assert.deepEqual(idsOf(socket), ids, "each once, and none outside of the cork");
  });

  it("go out before anything else happens: by the end of the turn in which the log answered", async () => {
    const { add, open } = create();
    const { connection, socket } = open("anna");
    add(connection, 1);
    await Promise.resolve();
    assert.deepEqual(idsOf(socket), [1]);
  });

  it("of several connections that take turns go out within one cork each, whoever came first first", async () => {
    const { add, open, corks } = create();
    const [anna, bob, carl] = [open("anna"), open("bob"), open("carl")];
    for (const [id, { connection }] of [bob, anna, bob, carl, anna, bob].entries()) add(connection, id);
    await turn();
    assert.deepEqual(corks, [
      { by: "bob", ids: [0, 2, 5] },
      { by: "anna", ids: [1, 4] },
      { by: "carl", ids: [3] },
    ]);
  });

  it("that come later go out later, and none goes out again", async () => {
    const { add, open, corks } = create();
    const { connection } = open("anna");
    for (const ids of [[1, 2], [3], [4, 5]]) {
      for (const id of ids) add(connection, id);
      await turn();
    }
    assert.deepEqual(
      corks.map(({ ids }) => ids),
      [[1, 2], [3], [4, 5]],
    );
  });

  it("that are handed in while others go out follow them, also of the same connection", async () => {
    const { add, open, corks } = create();
    const [anna, bob] = [open("anna"), open("bob")];
    const send = anna.socket.send.bind(anna.socket);
    anna.socket.send = (frame) => {
      if (anna.socket.frames.length === 0) {
        add(anna.connection, 11);
        add(bob.connection, 12);
      }
      return send(frame);
    };
    for (const id of [1, 2]) add(anna.connection, id);
    add(bob.connection, 3);
    await turn();
    assert.deepEqual(corks, [
      { by: "anna", ids: [1, 2] },
      { by: "bob", ids: [3] },
      { by: "anna", ids: [11] },
      { by: "bob", ids: [12] },
    ]);
  });

  // A touch of a closed socket throws, here as in uWebSockets.js.
  it("of a connection that was closed meanwhile are left out, those of the others are not", async () => {
    const { add, open, corks, connections } = create();
    const [left, dropped, here] = [open("left"), open("dropped"), open("here")];
    for (const [id, { connection }] of [left, dropped, here].entries()) add(connection, id);
    connections.closed(left.connection); // by its client
    dropped.connection.close("slow_consumer", "too slow");
    await turn();
    assert.deepEqual(corks, [{ by: "here", ids: [2] }]);
    assert.deepEqual([left.socket.frames, dropped.socket.frames], [[], []]);
  });

  it("of a connection that is closed already are left out", async () => {
    const { add, open, corks, connections } = create();
    const { connection } = open("anna");
    connections.closed(connection);
    add(connection, 1);
    await turn();
    assert.deepEqual(corks, []);
  });

  it("end where the connection is closed while they go out", async () => {
    const { add, open } = create();
    const [anna, bob] = [open("anna"), open("bob")];
    const send = anna.socket.send.bind(anna.socket);
    anna.socket.send = (frame) => {
      const sent = send(frame);
      anna.connection.close("slow_consumer", "too slow");
      return sent;
    };
    for (const id of [1, 2, 3]) add(anna.connection, id);
    add(bob.connection, 4);
    await turn();
    assert.deepEqual([idsOf(anna.socket), idsOf(bob.socket)], [[1], [4]]);
  });
});
