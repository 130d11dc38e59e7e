/** An event as it waits to be sent: its JSON is made once, where it happened, and travels as text. */
import { createHash } from "node:crypto";
import type { EventName } from "./webhook-options.ts";

export interface WebhookEvent {
  /** Unique; the same where several processes notice the same event, or one of them sends it again. */
  readonly id: string;
  readonly event: EventName;
  /** `undefined` for events of a connection as a whole. */
  readonly channel: string | undefined;
  /** `{"id":…,"event":…,"time":…,…}` */
  readonly json: string;
  /** Other nodes notice it too: the first to offer it counts. */
  readonly isShared: boolean;
}

/** Where events go. `emit` is called from socket handlers: it never throws, and costs no more than a push. */
export interface EventSink {
  /** False: nobody asked for it, so it need not be made. */
  wants(event: EventName): boolean;
  emit(event: WebhookEvent): void;
}

/** `fields` begin with a channel, where the event has one. */
export function createEvent(
  id: string,
  event: EventName,
  isShared: boolean,
  fields: { readonly channel?: string; readonly [name: string]: unknown },
): WebhookEvent {
  const json = JSON.stringify({ id, event, time: unixTime(), ...fields });
  return { id, event, channel: fields.channel, json, isShared };
}

/** Unix seconds, to the millisecond. */
export const unixTime = (): number => Date.now() / 1000;

/** The same id wherever the same parts are put together. */
export function sharedId(...parts: readonly string[]): string {
  return createHash("sha256").update(parts.join("\n")).digest("base64url").slice(0, 22);
}
