/** A gateway of a few lines, for the chat page: it speaks the protocol, notes what it is sent and fails on command. */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";
import { freePort } from "../support/child.ts";

export class FakeGateway {
  readonly received: Frame[] = [];
  /** Whether `message` is acknowledged and delivered. */
  answersMessages = true;
  #history: object[] = [];
  readonly #channels = new Map<WebSocket, Set<string>>();
  #server: WebSocketServer;
  #lastId = 0;
  readonly port: number;

  private constructor(server: WebSocketServer) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
    this.#accept();
  }

  static async start(): Promise<FakeGateway> {
    return new FakeGateway(await listening(await freePort()));
  }

  /** Ends every connection with `code`, or without a close frame. */
  closeAll(code?: number, reason = ""): void {
    for (const socket of this.#server.clients) code === undefined ? socket.terminate() : socket.close(code, reason);
  }

  sendAll(frame: object): void {
    for (const socket of this.#server.clients) socket.send(JSON.stringify(frame));
  }

  publish(channel: string, sender: number, message: unknown, more: object = {}): void {
    const position = { offset: String(this.#history.length + 1).padStart(4, "0"), epoch: "e1" };
    const frame = { action: "message", channel, sender, message, time: 1_700_000_000, ...position, ...more };
    this.#history.push(frame);
    for (const [socket, channels] of this.#channels) if (channels.has(channel)) socket.send(JSON.stringify(frame));
  }

  stop(): void {
    this.closeAll();
    this.#server.close();
  }

  /** Nobody can connect in between. */
  async restartAfter(action: () => Promise<void>): Promise<void> {
    this.stop();
    await action();
    this.#server = await listening(this.port);
    this.#accept();
  }

  #accept(): void {
    this.#server.on("connection", (socket) => {
      this.#lastId += 1;
      const connectionId = this.#lastId;
      this.#channels.set(socket, new Set());
      socket.on("close", () => this.#channels.delete(socket));
      socket.on("message", (data) => this.#handle(socket, connectionId, JSON.parse(String(data)) as Frame));
      socket.send(JSON.stringify({ ...welcome, connection_id: connectionId }));
    });
  }

  #handle(socket: WebSocket, connectionId: number, frame: Frame): void {
    const { action, id, data } = frame;
    if (action === "batch") {
      for (const item of data.items!) this.#handle(socket, connectionId, item);
      return;
    }
    this.received.push(frame);
    const reply = (more: object) => socket.send(JSON.stringify({ success: true, action, id, ...more }));
    if (action === "unsubscribe") this.#channels.get(socket)?.delete(data.channel);
    if (action === "subscribe") {
      const { since } = data.options ?? {};
      const kept = this.#history.filter((entry) => (entry as { channel: string }).channel === data.channel);
      const missed = kept.filter((entry) => (entry as { offset: string }).offset > (since?.offset ?? ""));
      this.#channels.get(socket)?.add(data.channel);
      reply({ channel: data.channel, recovered: since && true });
      for (const entry of missed) socket.send(JSON.stringify({ ...entry, replayed: true }));
    }
    if (action === "message" && this.answersMessages) {
      reply({ action: "message_sent", channel: data.channel, recipients_count: this.#channels.size });
      this.publish(data.channel, connectionId, data.message);
    }
  }
}

interface Frame {
  readonly action: string;
  readonly id?: string;
  readonly data: {
    readonly channel: string;
    readonly message?: string;
    readonly key?: string;
    readonly items?: readonly Frame[];
    readonly options?: { readonly since?: { readonly offset: string }; readonly history?: number };
  };
}

const limits = { messages_per_minute: 0, message_bytes_max: 65_536, batch_items_max: 100, channels_max: 100 };
const welcome = { action: "welcome", heartbeat_interval: 30, node: "a", limits };

async function listening(port: number): Promise<WebSocketServer> {
  const server = new WebSocketServer({ host: "127.0.0.1", port });
  await once(server, "listening");
  return server;
}
