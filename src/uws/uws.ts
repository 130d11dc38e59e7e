/**
 * The only file that imports uWebSockets.js: it casts the package once to what it really exports (its types lack the
 * compression constants and the listen options) and hands it on under the package's own names.
 */
import assert from "node:assert/strict";
import "./environment.ts"; // before the package, which reads it while it is loaded
import type { AppOptions, CompressOptions, TemplatedApp, us_listen_socket, us_socket } from "uWebSockets.js";
import * as uWebSockets from "uWebSockets.js";

export type {
  AppOptions,
  CompressOptions,
  HttpRequest,
  HttpResponse,
  RecognizedString,
  TemplatedApp,
  us_listen_socket,
  us_socket_context_t,
  WebSocket,
  WebSocketBehavior,
} from "uWebSockets.js";

/** What the package exports at run time, as far as the gateway uses it. */
interface Native {
  /** Called without arguments: an explicit `undefined` ends the process. */
  App(): TemplatedApp;
  SSLApp(options: AppOptions): TemplatedApp;
  /** Stops accepting; connections stay. */
  us_listen_socket_close(listenSocket: us_listen_socket): void;
  us_socket_local_port(socket: us_socket): number;
  readonly LIBUS_LISTEN_EXCLUSIVE_PORT: number;
  readonly DISABLED: CompressOptions;
  readonly SHARED_COMPRESSOR: CompressOptions;
  readonly SHARED_DECOMPRESSOR: CompressOptions;
  readonly DEDICATED_COMPRESSOR_4KB: CompressOptions;
  readonly DEDICATED_DECOMPRESSOR: CompressOptions;
}

export const {
  App,
  SSLApp,
  us_listen_socket_close,
  us_socket_local_port,
  LIBUS_LISTEN_EXCLUSIVE_PORT,
  DISABLED,
  SHARED_COMPRESSOR,
  SHARED_DECOMPRESSOR,
  DEDICATED_COMPRESSOR_4KB,
  DEDICATED_DECOMPRESSOR,
} = uWebSockets as unknown as Native;

/** The overload of `listen` that takes a host and options; the package's types do not know it. */
interface ListeningApp {
  listen(host: string, port: number, options: number, opened: (socket: us_listen_socket | false) => void): void;
}

/**
 * Opens `port` (0 for any free one) on `host`, before it returns; `false` where the system refuses, see `listenError`.
 * `exclusive: false` lets others share the port (SO_REUSEPORT), for the workers of one machine; not where `port` is 0.
 */
export function listen(
  app: TemplatedApp,
  host: string,
  port: number,
  options: { readonly exclusive: boolean },
): us_listen_socket | false {
  assert(Number.isInteger(port) && port >= 0 && port <= 65_535, `port ${port} would silently become another one`);
  let opened: us_listen_socket | false = false;
  const flags = options.exclusive ? LIBUS_LISTEN_EXCLUSIVE_PORT : 0;
  (app as unknown as ListeningApp).listen(host, port, flags, (socket) => {
    opened = socket;
  });
  return opened;
}
