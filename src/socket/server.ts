/**
 * The public port: uWebSockets.js with its sockets and topics.
 *
 * The rule: nothing throws out of a handler, for that ends the process; and inside `dropped` nothing is closed or
 * published. A certificate is renewed by a second app beside the first: connections stay with the app that took them,
 * and publications go to every app that has some.
 */
import type { Topics } from "../channel/topics.ts";
import type { Clock } from "../clock/clock.ts";
import type { Connection, Socket } from "../connection/connection.ts";
import type { Connections } from "../connection/connections.ts";
import type { SlowConsumers } from "../connection/slow-consumers.ts";
import type { Receiver } from "../inbound/receive.ts";
import type { Log } from "../log/log.ts";
import { type Health, healthAnswer, healthPaths } from "../metrics/health.ts";
import { type EncodedFrame, encodeJson } from "../protocol/encode.ts";
import { listenError } from "../uws/listen-error.ts";
import * as uws from "../uws/uws.ts";
import { handshakeFault, type Rejection, readHandshake } from "./handshake.ts";
import { answerHealth, rejectHandshake } from "./reject.ts";
import { type Admission, type UpgradeParts, upgrade } from "./upgrade.ts";

export interface ServerOptions {
  readonly host: string;
  readonly port: number;
  /** Other processes listen on the same port. */
  readonly sharesPort: boolean;
  readonly messageBytesMax: number;
  readonly sendQueueBytesMax: number;
  readonly compression: "disabled" | "shared" | "dedicated";
  /** Empty file names: no TLS. */
  readonly tls: { readonly certFile: string; readonly keyFile: string; readonly passphrase: string };
}

export interface ServerParts extends UpgradeParts {
  readonly connections: Connections;
  readonly receiver: Receiver;
  readonly slowConsumers: SlowConsumers;
  readonly clock: Clock;
  readonly log: Log;
  /** The first frame of a connection, as JSON text. */
  welcome(connection: Connection, authError: Admission["authError"], unixSeconds: number): string;
  readonly health: Pick<Health, "ready">;
  /** Hears of every topic that a connection gained or lost, its own end included; nothing may be sent from it. */
  readonly subscriptionChanged?: ((connection: Connection, topic: string, isSubscribed: boolean) => void) | undefined;
}

/** What uWebSockets.js keeps for a socket: how it was admitted, then whose it is, and in which app. */
interface UserData {
  state: Admission | Connection;
  running?: RunningApp;
}

interface RunningApp {
  readonly app: uws.TemplatedApp;
  connections: number;
}

export class SocketServer implements Topics {
  readonly #options: ServerOptions;
  #apps: RunningApp[] = [];
  #listenSocket: uws.us_listen_socket | undefined;
  #parts: ServerParts | undefined;

  constructor(options: ServerOptions) {
    this.#options = options;
  }

  /** Opens the port; resolves to its number. Rejects with a text that says what to do where the port is taken. */
  async listen(parts: ServerParts): Promise<number> {
    this.#parts = parts;
    const running = this.#createApp(parts);
    const { host, port, sharesPort, tls } = this.#options;
    let listenSocket = uws.listen(running.app, host, port, { exclusive: !sharesPort });
    if (listenSocket !== false && tls.certFile !== "" && !sharesPort) {
      // A port that a renewed certificate can share could be another gateway's: that it is free is known by now.
      const opened = uws.us_socket_local_port(listenSocket);
      uws.us_listen_socket_close(listenSocket);
      listenSocket = uws.listen(running.app, host, opened, { exclusive: false });
    }
    if (listenSocket === false) throw await listenError(host, port);
    this.#apps = [running];
    this.#listenSocket = listenSocket;
    return uws.us_socket_local_port(listenSocket);
  }

  /** Stops accepting; connections stay. */
  closeListener(): void {
    if (this.#listenSocket !== undefined) uws.us_listen_socket_close(this.#listenSocket);
    this.#listenSocket = undefined;
  }

  /** Ends every connection that is left. */
  closeAll(): void {
    this.closeListener();
    for (const { app } of this.#apps) app.close();
  }

  /** Reads certificate and key again, for connections from now on. Throws, and keeps the old ones, where they are bad. */
  reloadCertificate(): void {
    if (this.#parts === undefined || this.#listenSocket === undefined || this.#options.tls.certFile === "") return;
    const running = this.#createApp(this.#parts);
    const port = uws.us_socket_local_port(this.#listenSocket);
    const listenSocket = uws.listen(running.app, this.#options.host, port, { exclusive: false });
    if (listenSocket === false)
      throw new Error(`cannot renew certificate: port ${port} cannot be opened a second time`);
    this.closeListener();
    this.#listenSocket = listenSocket;
    this.#apps = [...this.#apps.filter(({ connections }) => connections > 0), running];
  }

  /**
   * Publishes to every subscriber of `topic`; `except`, which may be closed, is left out where it subscribes to it. A
   * subscriber whose queue refused this or an earlier frame has no topics any more when this returns. Hot path.
   */
  publish(topic: string, frame: EncodedFrame, isBinary: boolean, except: Socket | undefined): void {
    this.#publish(topic, frame, isBinary, except !== undefined && isSubscriber(except, topic) ? except : undefined);
    this.#parts?.slowConsumers.cut(frame);
  }

  #publish(topic: string, frame: EncodedFrame, isBinary: boolean, publisher: Socket | undefined): void {
    const compress = this.#options.compression !== "disabled";
    if (this.#apps.length === 1) {
      if (publisher === undefined) this.#apps[0]!.app.publish(topic, frame, isBinary, compress);
      else publisher.publish(topic, frame, isBinary, compress);
      return;
    }
    const owner = publisher && dataOf(publisher).running;
    for (const running of this.#apps) {
      if (running === owner) publisher?.publish(topic, frame, isBinary, compress);
      else running.app.publish(topic, frame, isBinary, compress);
    }
  }

  numSubscribers(topic: string): number {
    if (this.#apps.length === 1) return this.#apps[0]!.app.numSubscribers(topic);
    return this.#apps.reduce((sum, { app }) => sum + app.numSubscribers(topic), 0);
  }

  #createApp(parts: ServerParts): RunningApp {
    const { tls } = this.#options;
    const app = tls.certFile === "" ? uws.App() : createTlsApp(tls);
    const running: RunningApp = { app, connections: 0 };
    for (const path of healthPaths) {
      app.get(path, (res) => answerHealth(res, healthAnswer(path, parts.health)!, false));
      app.head(path, (res) => answerHealth(res, healthAnswer(path, parts.health)!, true));
    }
    app.ws<UserData>("/*", this.#behavior(parts, running));
    app.any("/*", (res, req) => {
      const request = readHandshake(req, res, !parts.proxies.isEmpty); // uWebSockets.js takes a handshake without a proper key for any request
      const fault = request.headers.get("upgrade")?.toLowerCase() === "websocket" ? handshakeFault(request) : undefined;
      const why = fault ?? noHandshake;
      parts.counters.handshakes[why.status] += 1;
      rejectHandshake(res, why, req.getCaseSensitiveMethod() === "HEAD");
    });
    return running;
  }

  #behavior(parts: ServerParts, running: RunningApp): uws.WebSocketBehavior<UserData> {
    const { connections, receiver, slowConsumers, clock, log, subscriptionChanged } = parts;
    const guarded =
      <A extends unknown[]>(handle: (...args: A) => void) =>
      (...args: A): void => {
        try {
          handle(...args);
        } catch (error) {
          log.error({ err: error }, "socket handler failed");
        }
      };
    const { messageBytesMax, sendQueueBytesMax } = this.#options;
    return {
      // A frame over this limit ends in 1006 without a word; so that an honest mistake is told 1009, it lies far above.
      maxPayloadLength: Math.max(2 * messageBytesMax, 2 * 1024 * 1024),
      maxBackpressure: sendQueueBytesMax,
      closeOnBackpressureLimit: false, // see SlowConsumers
      idleTimeout: 0, // see Sweep
      sendPingsAutomatically: false,
      compression: compressOptions[this.#options.compression],
      upgrade: (res, req, context) => {
        try {
          upgrade(parts, res, req, context);
        } catch (error) {
          log.error({ err: error }, "upgrade failed");
          res.close();
        }
      },
      open: guarded((ws) => {
        const data = ws.getUserData();
        const admission = data.state as Admission;
        const socket = ws as unknown as Socket;
        const connection = connections.open(socket, admission.encoding, admission.address, admission.identity);
        data.state = connection;
        running.connections += 1;
        data.running = running;
        if (!this.#apps.includes(running)) this.#apps.push(running); // its handshake began before a renewal
        admission.opened?.(connection);
        log.debug({ connection: connection.id, address: admission.address }, "connection opened");
        const greet = (): void => {
          const welcome = parts.welcome(connection, admission.authError, clock.unixSeconds());
          connection.sendEncoded(encodeJson(welcome, connection.format));
          receiver.resume(connection);
        };
        if (!admission.isLate) return greet();
        connection.inbox = { frames: [], bytes: 0 }; // nothing is answered before the welcome
        setImmediate(() => connection.cork(greet));
      }),
      message: guarded((ws, bytes, isBinary) =>
        receiver.receive(ws.getUserData().state as Connection, bytes, isBinary),
      ),
      pong: guarded((ws) => receiver.signalled(ws.getUserData().state as Connection)),
      ping: guarded((ws) => receiver.signalled(ws.getUserData().state as Connection)),
      dropped: guarded((ws, bytes) => slowConsumers.dropped(ws.getUserData().state as Connection, bytes.byteLength)),
      ...(subscriptionChanged && {
        subscription: guarded((ws, topic, now, before) =>
          subscriptionChanged(ws.getUserData().state as Connection, Buffer.from(topic).toString(), now > before),
        ),
      }),
      close: guarded((ws, code, reason) => {
        const connection = ws.getUserData().state as Connection;
        running.connections -= 1;
        connections.closed(connection, code, Buffer.from(reason).toString());
        parts.addresses.release(connection.address);
        log.debug({ connection: connection.id, code, reason: connection.closing ?? "client" }, "connection closed");
      }),
    };
  }
}

const noHandshake: Rejection = {
  status: "426",
  error: "This port speaks WebSocket: connect with ws:// or wss://",
};

const dataOf = (socket: Socket): UserData => (socket as unknown as uws.WebSocket<UserData>).getUserData();

/** False for a closed socket, of which uWebSockets.js gives nothing but its data. */
function isSubscriber(socket: Socket, topic: string): boolean {
  return (dataOf(socket).state as Connection).socket !== undefined && socket.isSubscribed(topic);
}

const compressOptions = {
  disabled: uws.DISABLED,
  shared: uws.SHARED_COMPRESSOR | uws.SHARED_DECOMPRESSOR,
  dedicated: uws.DEDICATED_COMPRESSOR_4KB | uws.DEDICATED_DECOMPRESSOR,
};

function createTlsApp(tls: ServerOptions["tls"]): uws.TemplatedApp {
  try {
    return uws.SSLApp({ cert_file_name: tls.certFile, key_file_name: tls.keyFile, passphrase: tls.passphrase });
  } catch (cause) {
    throw new Error(
      `cannot start TLS: tls.certFile and tls.keyFile must be a matching PEM pair, got ${tls.certFile} and ${tls.keyFile}`,
      { cause },
    );
  }
}
