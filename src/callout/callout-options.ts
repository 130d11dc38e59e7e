/** The configuration of call-outs: the `callouts` section, and `authorize` of a channel's policy. */

export type CalloutEvent = "connect" | "subscribe" | "publish";

/** A backend that is asked. */
export interface CalloutTarget {
  /** http or https, without credentials; "": nobody is asked. */
  readonly url: string;
  /** Milliseconds that it has for an answer, its body included. */
  readonly timeoutMs: number;
  /** What holds where there is no answer. */
  readonly whenDown: "refuse" | "allow";
}

export interface CalloutOptions {
  /** Who is asked for each connection. */
  readonly connect: CalloutTarget;
  /** Signs every question; "": unsigned. */
  readonly secret: string;
  /** Failures in a row after which a backend is not asked, and for how long. */
  readonly failuresMax: number;
  readonly pauseSeconds: number;
  /** Questions under way at once, to all backends together. */
  readonly inFlightMax: number;
  /** Answers kept at most. */
  readonly cacheEntriesMax: number;
}

/** A backend's URL for people: without its query, which may hold a secret. */
export function shownUrl(url: string): string {
  const { origin, pathname } = new URL(url);
  return origin + pathname;
}
