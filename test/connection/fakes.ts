/** Stand-ins for what connections need of the outside: a clock that a test moves, and sockets that note what they get. */
import type { TestContext } from "node:test";
import type { Clock } from "../../src/clock/clock.ts";
import type { Connection, Socket } from "../../src/connection/connection.ts";
import { Connections } from "../../src/connection/connections.ts";
import { Sweep, type SweepOptions } from "../../src/connection/sweep.ts";
import { Counters } from "../../src/metrics/counters.ts";
import { type Encoding, plainJson } from "../../src/protocol/encoding.ts";

export class ManualClock implements Clock {
  ms = 1_000_000;
  nowMs(): number {
    return this.ms;
  }
  unixSeconds(): number {
    return 1_800_000_000 + Math.floor(this.ms / 1000);
  }
}

/** A socket that keeps what is sent to it. `onPing` is what its peer does on a WebSocket-level ping. */
export class FakeSocket implements Socket {
  readonly frames: Record<string, unknown>[] = [];
  readonly topics = new Set<string>();
  pings = 0;
  closed: { code: number; reason: string } | undefined;
  buffered = 0;
  onPing = (): void => {};
  onClosed = (): void => {};

  send(frame: string | Uint8Array): number {
    this.#touch();
    this.frames.push(JSON.parse(String(frame)));
    return 1;
  }
  ping(): number {
    this.#touch();
    this.pings += 1;
    this.onPing();
    return 1;
  }
  end(code: number, reason: string): void {
    this.#touch();
    this.closed = { code, reason };
    this.onClosed();
  }
  close(): void {
    this.end(1006, "");
  }
  cork(task: () => void): void {
    this.#touch();
    task();
  }
  subscribe(topic: string): boolean {
    this.topics.add(topic);
    return true;
  }
  unsubscribe(topic: string): boolean {
    this.#touch();
    return this.topics.delete(topic);
  }
  isSubscribed(topic: string): boolean {
    this.#touch();
    return this.topics.has(topic);
  }
  getTopics(): string[] {
    this.#touch();
    return [...this.topics];
  }
  publish(): boolean {
    return true;
  }
  getBufferedAmount(): number {
    this.#touch();
    return this.buffered;
  }

  /** uWebSockets.js throws for everything on a closed socket. */
  #touch(): void {
    if (this.closed !== undefined) throw new Error("Invalid access of closed uWS.WebSocket");
  }
}

export interface FakeConnection {
  readonly connection: Connection;
  readonly socket: FakeSocket;
}

/** Connections without a server. */
export function fakeConnections(node = 0) {
  const counters = new Counters();
  const connections = new Connections(
    { node, incarnation: "fake", isShared: false },
    { counters, compress: false, flushReplies: () => {} },
  );
  const open = (identity?: Connection["identity"], encoding: Encoding = plainJson): FakeConnection => {
    const socket = new FakeSocket();
    const connection = connections.open(socket, encoding, "127.0.0.1", identity);
    socket.onClosed = () => connections.closed(connection);
    return { connection, socket };
  };
  return { connections, counters, open };
}

/** A sweep whose clock and timer the test drives: `pass(seconds)` lets time go by, tick after tick. */
export function drivenSweep(t: TestContext, options: Partial<SweepOptions> = {}) {
  const clock = new ManualClock();
  const { connections, counters, open } = fakeConnections();
  const defaults = { heartbeatInterval: 30, connectionTimeout: 300, expiringNoticeSeconds: 60, expiryGraceSeconds: 10 };
  const sweep = new Sweep(connections, { ...defaults, ...options }, clock);
  t.mock.timers.enable({ apis: ["setInterval"] });
  sweep.start();
  const pass = (seconds: number): void => {
    for (let ms = 0; ms < seconds * 1000; ms += 50) {
      clock.ms += 50;
      t.mock.timers.tick(50);
    }
  };
  return { clock, connections, counters, open, sweep, pass };
}

export function identity(userId: string, expiresAt: number): NonNullable<Connection["identity"]> {
  return { userId, userIdJson: JSON.stringify(userId), role: "user", channels: [], publish: [], expiresAt };
}
