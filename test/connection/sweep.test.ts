import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { drivenSweep, type FakeConnection, identity } from "./fakes.ts";

const actions = ({ socket }: FakeConnection): unknown[] => socket.frames.map(({ action }) => action);
const closeCode = ({ socket }: FakeConnection): number | undefined => socket.closed?.code;
const heartbeats = (client: FakeConnection): number => actions(client).filter((action) => action === "ping").length;

describe("Heartbeats", () => {
  it("come once an interval, with the time", (t) => {
    const { open, pass, clock, sweep } = drivenSweep(t, { heartbeatInterval: 10 });
    const client = open();
    client.socket.onPing = () => sweep.heard(client.connection, clock.nowMs());
    pass(10 * 100);
    const count = heartbeats(client);
    assert.ok(count >= 90 && count <= 101, `${count} in 100 intervals: each may be up to a second late`);
    for (const { time } of client.socket.frames)
      assert.ok(Number.isInteger(time) && Number(time) <= clock.unixSeconds());
  });

  it("first come within an interval, spread over all of it, for clients that connect together", (t) => {
    const { open, pass } = drivenSweep(t, { heartbeatInterval: 10 });
    const clients = Array.from({ length: 500 }, () => open());
    let pinged = 0;
    for (let second = 1; second <= 11; second += 1) {
      pass(1);
      const now = clients.filter((client) => heartbeats(client) > 0).length;
      assert.ok(now - pinged < 150, `${now - pinged} of 500 in second ${second}`);
      pinged = now;
    }
    assert.equal(pinged, 500);
  });

  it("stay spread: no second of a later interval has them all", (t) => {
    const { open, pass } = drivenSweep(t, { heartbeatInterval: 10, connectionTimeout: 1000 });
    const clients = Array.from({ length: 500 }, () => open());
    pass(200);
    for (let second = 0; second < 12; second += 1) {
      const before = clients.map(heartbeats);
      pass(1);
      const now = clients.filter((client, i) => heartbeats(client) > before[i]!).length;
      assert.ok(now < 150, `${now} of 500`);
    }
  });

  it("also come to connections beyond the first slots", (t) => {
    const { open, pass } = drivenSweep(t, { heartbeatInterval: 2 });
    const clients = Array.from({ length: 3000 }, () => open());
    pass(4);
    assert.equal(
      clients.every((client) => heartbeats(client) > 0),
      true,
    );
  });

  it("are not sent to a connection that is being closed", (t) => {
    const { open, pass } = drivenSweep(t, { heartbeatInterval: 2, connectionTimeout: 5 });
    const client = open();
    client.connection.closing = "slow_consumer";
    pass(20);
    assert.deepEqual([client.socket.frames, client.socket.pings, client.socket.closed], [[], 0, undefined]);
  });
});

describe("The idle time-out", () => {
  it("tells a silent client, then closes it with 4001", (t) => {
    const { open, pass, counters } = drivenSweep(t, { connectionTimeout: 60 });
    const client = open();
    pass(59.9);
    assert.equal(closeCode(client), undefined);
    pass(1.1);
    assert.deepEqual(client.socket.frames.at(-1), {
      action: "timeout",
      message: "Connection timed out due to inactivity",
    });
    assert.equal(closeCode(client), 4001);
    assert.equal(counters.closed.idle_timeout, 1);
  });

  it("begins again with every sign of life", (t) => {
    const { open, pass, sweep, clock } = drivenSweep(t, { connectionTimeout: 60 });
    const client = open();
    for (let i = 0; i < 10; i += 1) {
      pass(55);
      sweep.heard(client.connection, clock.nowMs());
    }
    assert.equal(closeCode(client), undefined);
  });

  it("never counts what an earlier owner of the slot did", (t) => {
    const { open, pass, sweep, clock } = drivenSweep(t, { connectionTimeout: 60 });
    for (let i = 0; i < 1023; i += 1) open().socket.close();
    pass(1000);
    const client = open();
    pass(30);
    sweep.heard(client.connection, clock.nowMs());
    pass(55);
    assert.equal(closeCode(client), undefined);
  });

  it("closes all that fall silent together, each within a second of its time", (t) => {
    const { open, pass, connections } = drivenSweep(t, { connectionTimeout: 60 });
    for (let i = 0; i < 2000; i += 1) open();
    pass(59.9);
    assert.equal(connections.count, 2000);
    pass(1.1);
    assert.equal(connections.count, 0);
  });

  const settings = [
    [30, 300],
    [30, 60],
    [30, 45],
    [30, 32],
    [1, 3],
    [5, 9],
    [100, 110],
  ] as const;
  for (const [heartbeatInterval, connectionTimeout] of settings) {
    it(`of ${connectionTimeout} s lets a client stay that only listens, with a heartbeat every ${heartbeatInterval} s`, (t) => {
      const { open, pass, sweep, clock, connections } = drivenSweep(t, { heartbeatInterval, connectionTimeout });
      for (let i = 0; i < 300; i += 1) {
        const { socket, connection } = open();
        socket.onPing = () => sweep.heard(connection, clock.nowMs()); // the pong of its WebSocket library
        pass(0.05);
      }
      pass(10 * connectionTimeout);
      assert.equal(connections.count, 300);
    });
  }

  it("needs no WebSocket-level ping where the client answers the heartbeats", (t) => {
    const { open, pass, sweep, clock } = drivenSweep(t, { heartbeatInterval: 30, connectionTimeout: 300 });
    const client = open();
    let answered = 0;
    for (let i = 0; i < 600; i += 1) {
      pass(1);
      if (heartbeats(client) === answered) continue;
      answered = heartbeats(client);
      sweep.heard(client.connection, clock.nowMs());
    }
    assert.ok(answered > 10);
    // a heartbeat may come a moment after a full interval of silence: then it is asked in both ways
    assert.ok(client.socket.pings <= answered, `${client.socket.pings} pings, ${answered} heartbeats`);
    const eager = open();
    for (let i = 0; i < 600; i += 1) {
      pass(1);
      sweep.heard(eager.connection, clock.nowMs());
    }
    assert.equal(eager.socket.pings, 0);
  });
});

describe("The end of a token", () => {
  const seconds = 1_800_000_000 + 1000; // what the clock of these tests says at first

  it("is announced once, as long before as configured, and closes the connection with 4003 after the grace", (t) => {
    const { open, pass, counters } = drivenSweep(t, { expiringNoticeSeconds: 60, expiryGraceSeconds: 10 });
    const client = open(identity("ann", seconds + 100));
    pass(39);
    assert.equal(actions(client).includes("token_expiring"), false);
    pass(2);
    const notices = () => client.socket.frames.filter(({ action }) => action === "token_expiring");
    assert.equal(notices().length, 1);
    assert.ok([59, 60].includes(Number(notices()[0]?.expires_in)), JSON.stringify(notices()));
    pass(68);
    assert.equal(closeCode(client), undefined);
    pass(2);
    assert.equal(closeCode(client), 4003);
    assert.deepEqual([notices().length, counters.closed.token_expired], [1, 1]);
  });

  it("is announced at once where the token ends sooner than that", (t) => {
    const { open, pass } = drivenSweep(t, { expiringNoticeSeconds: 60 });
    const client = open(identity("ann", seconds + 5));
    pass(1);
    assert.equal(actions(client).includes("token_expiring"), true);
  });

  it("never says a negative time", (t) => {
    const { open, pass } = drivenSweep(t, { expiringNoticeSeconds: 0, expiryGraceSeconds: 10 });
    const client = open(identity("ann", seconds - 3));
    pass(1);
    assert.equal(client.socket.frames.find(({ action }) => action === "token_expiring")?.expires_in, 0);
  });

  it("is put off by a new token, and announced again for that one", (t) => {
    const { open, pass, sweep, connections } = drivenSweep(t, {
      expiringNoticeSeconds: 60,
      expiryGraceSeconds: 10,
      connectionTimeout: 2000,
    });
    const client = open(identity("ann", seconds + 100));
    pass(50);
    connections.identify(client.connection, identity("ann", seconds + 1000));
    sweep.tokenChanged(client.connection);
    pass(200);
    assert.equal(closeCode(client), undefined);
    pass(700);
    assert.equal(client.socket.frames.filter(({ action }) => action === "token_expiring").length, 2);
    pass(70);
    assert.equal(closeCode(client), 4003);
  });

  it("does not concern anonymous connections, nor the next owner of the slot", (t) => {
    const { open, pass, sweep, clock } = drivenSweep(t);
    for (let i = 0; i < 1023; i += 1) open(identity("ann", seconds + 100)).socket.close();
    const client = open();
    for (let i = 0; i < 10; i += 1) {
      pass(30);
      sweep.heard(client.connection, clock.nowMs());
    }
    assert.equal(actions(client).includes("token_expiring"), false);
    assert.equal(closeCode(client), undefined);
  });

  it("as far as a token may reach is no problem: no timer is set for it", (t) => {
    const { open, pass, sweep, clock } = drivenSweep(t);
    const client = open(identity("ann", Number.MAX_SAFE_INTEGER));
    pass(5);
    sweep.heard(client.connection, clock.nowMs());
    assert.equal(actions(client).includes("token_expiring"), false);
  });
});
