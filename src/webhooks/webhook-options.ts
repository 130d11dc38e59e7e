/** The configuration of webhooks: the `webhooks` and `webhookLimits` sections, as `config` validates them. */

/** What a receiver can be told of. */
export const eventNames = [
  "connected",
  "disconnected",
  "subscribed",
  "unsubscribed",
  "channel_occupied",
  "channel_vacated",
  "member_joined",
  "member_left",
  "message",
] as const;
export type EventName = (typeof eventNames)[number];

/** One receiver. */
export interface WebhookOptions {
  /** http or https, with a user and password where the receiver asks for them. No other webhook has the same. */
  readonly url: string;
  /** What requests are signed with; exactly one of the two. */
  readonly secret?: string | undefined;
  readonly secretFile?: string | undefined;
  readonly events: readonly EventName[];
  /** Patterns; events of other channels are not sent. Events of connections have no channel, and pass. */
  readonly channels: readonly string[];
  /** A whole request. */
  readonly timeoutMs: number;
  /** Events in one request. */
  readonly batchMax: number;
}

/** Of each webhook. */
export interface WebhookLimits {
  /** Events that wait, at most; further ones are dropped. */
  readonly queueMax: number;
  readonly queueBytesMax: number;
  /** A batch that the receiver failed to take so often is a dead letter; times when it was away do not count. */
  readonly attemptsMax: number;
  /** An event that waits for longer is a dead letter. */
  readonly maxAgeSeconds: number;
  /** The longest pause between two attempts. */
  readonly retryMaxSeconds: number;
  /** Dead letters that are kept; the oldest go first. */
  readonly deadLettersMax: number;
}
