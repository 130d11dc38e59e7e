/** What a client is made with, and what it tells. */
import type { Codec } from "./codec.ts";
import type { TidegateError } from "./errors.ts";
import type { Frame, Gap, Lost, Message, PresenceChange, Welcome } from "./frames.ts";
import type { ConnectionState } from "./link.ts";
import type { SocketConstructor, Surroundings } from "./surroundings.ts";
import type { TokenSource } from "./tokens.ts";

export interface ClientOptions {
  readonly token?: TokenSource | undefined;
  /** JSON, or `msgpack` from `tidegate/client/msgpack`. */
  readonly format?: Codec;
  /** False: only at `connect()`. */
  readonly autoConnect?: boolean;
  /** The longest first wait before coming back, and the longest wait of all; 500 and 30,000 unless told. */
  readonly backoffMinMs?: number;
  readonly backoffMaxMs?: number;
  /** Publications and questions that may wait for an answer, here or on the way; 1,000 unless told. */
  readonly queueMax?: number;
  /**
   * How long a publication without an answer may be sent again: less than the gateway remembers its key
   * (`idempotency.seconds`); 240,000 unless told.
   */
  readonly keyLifetimeMs?: number;
  /** For platforms without one of their own: that of the package `ws`. */
  readonly WebSocket?: SocketConstructor;
  /** Time, chance and the network's signs; for tests. */
  readonly surroundings?: Surroundings;
}

export interface ClientEvents {
  readonly state: ConnectionState;
  readonly welcome: Welcome;
  /** Of every channel, each once. */
  readonly message: Message;
  readonly presence: PresenceChange;
  readonly gap: Gap;
  /** Every error, also those that reject a promise. */
  readonly error: TidegateError;
  /** A connection ended. */
  readonly close: Lost;
  /** Every frame that arrives, as it came; those of an array one by one. */
  readonly frame: Frame;
}

export interface ClientCounters {
  /** Publications. */
  readonly sent: number;
  /** Messages. */
  readonly received: number;
  readonly reconnections: number;
  readonly errors: number;
}
