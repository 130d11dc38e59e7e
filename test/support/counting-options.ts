/** How a client that counts behaves, and what it notes. */
import type { ClientOptions } from "ws";

export interface Position {
  readonly offset: string;
  readonly epoch: string;
}

/** What arrived: a message, or word that some may be missing. */
export type CountedEvent = (Position & { readonly publisher: string; readonly n: number }) | "break";

export interface CountingOptions {
  /** Publications of one client under way at a time. */
  readonly window?: number;
  /** Whether publications carry a key: for connections that may be lost. Without one only the bus keeps doubles away. */
  readonly keys?: boolean;
  /** True: what was not acknowledged when its connection ended is not sent again, and stays unknown. */
  readonly forgets?: boolean;
  /** False: it comes back without its position, as a client that knows nothing of recovery. */
  readonly recovers?: boolean;
  /** A connection on which nothing came for this long is given up; 0: never. */
  readonly silenceMaxMs?: number;
  /** Of the WebSocket. */
  readonly socket?: ClientOptions;
}

export interface CountingPlace {
  readonly channel: string;
  readonly name: string;
  readonly turn?: number;
}
