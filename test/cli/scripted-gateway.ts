/** A gateway that says exactly what a test wants, frame by frame. */
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import { type WebSocket, WebSocketServer } from "ws";

export type Frame = Record<string, unknown> & { data?: Record<string, unknown> };

/** One client's connection: its frames in order. */
export class Peer {
  readonly headers: IncomingHttpHeaders;
  readonly url: string;
  readonly #socket: WebSocket;
  readonly #frames = new Waiting<Frame>();

  constructor(socket: WebSocket, url: string, headers: IncomingHttpHeaders) {
    this.#socket = socket;
    this.url = url;
    this.headers = headers;
    socket.on("message", (data) => this.#frames.add(JSON.parse(data.toString())));
  }

  send(frame: object | string): void {
    this.#socket.send(typeof frame === "string" ? frame : JSON.stringify(frame));
  }

  /** The client's next frame. */
  next(): Promise<Frame> {
    return this.#frames.take();
  }

  /** Greets the client and accepts its subscription; resolves to what it asked for. */
  async accept(reply: object = {}): Promise<Frame> {
    this.send({ action: "welcome", heartbeat_interval: 30, connection_id: 1, authenticated: false });
    const request = await this.next();
    this.send({ success: true, action: "subscribe", channel: request.data?.channel, id: request.id, ...reply });
    return request;
  }

  close(code: number, reason = ""): void {
    this.#socket.close(code, reason);
  }

  closed(): Promise<unknown> {
    return once(this.#socket, "close");
  }
}

export class ScriptedGateway {
  readonly url: string;
  readonly #peers: Waiting<Peer>;
  /** Refuses the next handshakes with these, one each. */
  readonly refusals: string[] = [];

  private constructor(port: number, peers: Waiting<Peer>) {
    this.url = `ws://127.0.0.1:${port}`;
    this.#peers = peers;
  }

  static async start(t: TestContext): Promise<ScriptedGateway> {
    const http = createServer();
    const server = new WebSocketServer({ noServer: true });
    const peers = new Waiting<Peer>();
    http.listen(0, "127.0.0.1");
    await once(http, "listening");
    const gateway = new ScriptedGateway((http.address() as AddressInfo).port, peers);
    http.on("upgrade", (request, socket, head) => {
      const refusal = gateway.refusals.shift();
      const accept = (ws: WebSocket) => peers.add(new Peer(ws, request.url ?? "", request.headers));
      if (refusal === undefined) server.handleUpgrade(request, socket, head, accept);
      else socket.end(`HTTP/1.1 ${refusal}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    });
    t.after(() => {
      for (const client of server.clients) client.terminate();
      http.close();
    });
    return gateway;
  }

  /** The next connection. */
  connection(): Promise<Peer> {
    return this.#peers.take();
  }
}

/** Things that come and are waited for. */
class Waiting<T> {
  readonly #items: T[] = [];
  readonly #takers: ((item: T) => void)[] = [];

  add(item: T): void {
    const taker = this.#takers.shift();
    if (taker === undefined) this.#items.push(item);
    else taker(item);
  }

  take(): Promise<T> {
    const item = this.#items.shift();
    return item === undefined ? new Promise((resolve) => this.#takers.push(resolve)) : Promise.resolve(item);
  }
}
