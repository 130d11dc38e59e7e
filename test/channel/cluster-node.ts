/**
 * One node of a cluster without its sockets: everything that a gateway makes of the log, on a bus that the test shares
 * between several nodes. Its topics and sockets are lists in memory; the frames that a client gets stand in `frames`.
 */
import type { Identity } from "../../src/auth/identity.ts";
import type { Bus } from "../../src/bus/bus.ts";
import { Channels } from "../../src/channel/channels.ts";
import { FanOut } from "../../src/channel/fan-out.ts";
import { History } from "../../src/channel/history.ts";
import { Idempotency } from "../../src/channel/idempotency.ts";
import { Policies } from "../../src/channel/policy.ts";
import type { PolicyOptions } from "../../src/channel/policy-options.ts";
import { Members } from "../../src/channel/presence.ts";
import { Subscriptions } from "../../src/channel/subscriptions.ts";
import type { Topics } from "../../src/channel/topics.ts";
import { systemClock } from "../../src/clock/clock.ts";
import type { Connection, Socket } from "../../src/connection/connection.ts";
import { Connections } from "../../src/connection/connections.ts";
import { SlowConsumers } from "../../src/connection/slow-consumers.ts";
import { Counters } from "../../src/metrics/counters.ts";
import { decodeFrame } from "../../src/protocol/decode.ts";
import type { EncodedFrame } from "../../src/protocol/encode.ts";
import { plainJson } from "../../src/protocol/encoding.ts";
import type { Publish, Subscribe } from "../../src/protocol/messages.ts";
import type { Frame } from "../support/client.ts";

const policyOptions: Record<string, PolicyOptions> = {
  ">": { subscribe: ["anyone"], publish: ["anyone"] },
  "chat.>": { history: { size: 100_000, seconds: 300 } },
  "presence.>": { presence: true },
};

export class ClusterNode {
  readonly #connections: Connections;
  readonly #channels: Channels;
  readonly #subscriptions: Subscriptions;
  readonly #sockets = new Set<ListSocket>();
  readonly #members = new Members();
  readonly #bus: Bus;

  constructor(bus: Bus) {
    const clock = systemClock;
    const counters = new Counters();
    const connections = new Connections(bus, { counters, compress: false, flushReplies: () => {} });
    const sockets = this.#sockets;
    const topics: Topics = {
      publish(topic, frame, _isBinary, except) {
        for (const socket of sockets) if (socket !== except && socket.isSubscribed(topic)) socket.send(frame);
      },
      numSubscribers: (topic) => [...sockets].filter((socket) => socket.isSubscribed(topic)).length,
    };
    const policies = new Policies(policyOptions, 1024);
    const history = new History({ bytesMax: 1e9, channelBytesMax: 1e9 }, bus, clock);
    const idempotency = new Idempotency({ seconds: 300, keysMax: 100_000 });
    const fanOut = new FanOut(topics, connections, new SlowConsumers(1e9, counters), counters, clock, false);
    const members = this.#members;
    const announce = (shard: number): void => this.#subscriptions.announce(shard);
    this.#channels = new Channels({
      bus,
      policies,
      fanOut,
      history,
      idempotency,
      members,
      counters,
      clock,
      announce,
      command: () => {},
    });
    this.#subscriptions = new Subscriptions(
      { channelsPerConnectionMax: 100, leaveGraceSeconds: 0 },
      { bus, connections, policies, fanOut, history, members, counters, isRevoked: () => false },
    );
    this.#connections = connections;
    this.#bus = bus;
  }

  start(): Promise<void> {
    return this.#bus.start((...applied) => this.#channels.apply(...applied));
  }

  stop(): Promise<void> {
    return this.#bus.stop();
  }

  connect(userId?: string): ClusterClient {
    const socket = new ListSocket();
    this.#sockets.add(socket);
    const connection = this.#connections.open(
      socket,
      plainJson,
      "127.0.0.1",
      userId === undefined ? undefined : identityOf(userId),
    );
    let published = 0;
    return {
      id: connection.id,
      frames: socket.frames,
      subscribe: (channel, options) => {
        this.#subscriptions.subscribe(connection, decoded<Subscribe>("subscribe", { channel, options }));
      },
      get isAnswered() {
        return socket.frames.filter(({ action }) => action === "message_sent").length === published;
      },
      publish: (channel, message, more) => {
        published += 1;
        this.#channels.publish(connection, decoded<Publish>("message", { channel, message, ...more }));
      },
      close: () => this.#close(socket, connection),
    };
  }

  membersOf(channel: string): readonly object[] {
    return this.#members.list(channel);
  }

  #close(socket: ListSocket, connection: Connection): void {
    this.#sockets.delete(socket);
    this.#connections.closed(connection);
  }
}

export interface ClusterClient {
  readonly id: number;
  /** What it got so far. */
  readonly frames: readonly Frame[];
  /** All that it published is acknowledged. */
  readonly isAnswered: boolean;
  subscribe(channel: string, options?: object): void;
  publish(channel: string, message: unknown, more?: object): void;
  close(): void;
}

class ListSocket implements Socket {
  readonly frames: Frame[] = [];
  readonly #topics = new Set<string>();

  send(frame: EncodedFrame): number {
    this.frames.push(JSON.parse(frame as string));
    return 1;
  }
  subscribe(topic: string): boolean {
    this.#topics.add(topic);
    return true;
  }
  unsubscribe(topic: string): boolean {
    return this.#topics.delete(topic);
  }
  isSubscribed(topic: string): boolean {
    return this.#topics.has(topic);
  }
  getTopics(): string[] {
    return [...this.#topics];
  }
  getBufferedAmount(): number {
    return 0;
  }
  ping(): number {
    return 1;
  }
  publish(): boolean {
    return true;
  }
  cork(task: () => void): void {
    task();
  }
  end(): void {}
  close(): void {}
}

function decoded<T>(action: string, data: object): T {
  return decodeFrame({ action, data }, { depthMax: 8, batchItemsMax: 1 }) as T;
}

function identityOf(userId: string): Identity {
  const userIdJson = JSON.stringify(userId);
  return { userId, userIdJson, role: "user", channels: [], publish: [], expiresAt: 4e9 };
}
