/**
 * What the client needs of the place it runs in: a WebSocket, time, chance, and signs that the network is back. Browsers,
 * Node, Deno and Bun have all of it as globals; tests hand in their own.
 */

/** The part of a WebSocket that is used. */
export interface Socket {
  binaryType: string;
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  onclose: ((event: { readonly code: number; readonly reason: string }) => void) | null;
  onerror: ((event: { readonly message?: string }) => void) | null;
  send(data: string | Uint8Array): void;
  close(code?: number): void;
}

/** The standard constructor: that of browsers, of Node 22, or of the package `ws`. */
export type SocketConstructor = new (url: string, protocols: string[]) => object;

export interface Surroundings {
  /** Milliseconds that never run backwards. */
  now(): number;
  /** From 0 to below 1. */
  random(): number;
  /** Calls `run` in so many milliseconds, unless what it returns is called before. */
  after(ms: number, run: () => void): () => void;
  /** Tells when the network may have changed: `isGood` where it came back or the page is looked at again. */
  watch(changed: (isGood: boolean) => void): () => void;
}

interface EventSource {
  addEventListener?(
    type: string,
    listener: (event: { readonly type: string }) => void,
    options: { readonly signal: AbortSignal },
  ): void;
}

const world = globalThis as typeof globalThis &
  EventSource & {
    readonly WebSocket?: SocketConstructor;
    readonly document?: EventSource & { readonly visibilityState?: string };
  };

/** The one of this platform, where it has one. */
export const platformSocket = (): SocketConstructor | undefined => world.WebSocket;

export const platform: Surroundings = {
  now: () => performance.now(),
  random: () => Math.random(),
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
  watch(changed) {
    const { document } = world;
    const stop = new AbortController();
    const told = ({ type }: { readonly type: string }): void =>
      changed(type !== "offline" && document?.visibilityState !== "hidden");
    world.addEventListener?.("online", told, stop);
    world.addEventListener?.("offline", told, stop);
    document?.addEventListener?.("visibilitychange", told, stop);
    return () => stop.abort();
  },
};
