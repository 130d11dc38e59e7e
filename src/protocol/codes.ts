/**
 * Every error code, its text, and every close code of the wire protocol.
 *
 * `code` is for programs and never changes; the text is for people. Texts that the WebSocket guide's reference handler
 * sends are kept letter by letter, because its clients show and compare them.
 */

/** Text of each error code. A text that needs a detail is completed by `refusal()`. */
export const errorTexts = {
  rate_limit: "Rate limit exceeded. Please slow down.",
  invalid_message: "Invalid message format",
  unknown_action: "Unknown action",
  missing_field: "Missing required field",
  invalid_field: "Invalid value for required field",
  not_subscribed: "Not subscribed to channel",
  invalid_channel: "Invalid channel name: expected 1 to 200 bytes, words of letters, digits, _ and - joined by dots",
  forbidden: "Not allowed",
  unauthenticated: "Authentication required",
  invalid_token: "Invalid token",
  token_expired: "Token expired",
  limit_reached: "Limit reached",
  unavailable: "Service temporarily unavailable. Try again.",
  internal: "Internal server error",
} as const;

export type ErrorCode = keyof typeof errorTexts;
export const errorCodes = Object.keys(errorTexts) as readonly ErrorCode[];

/**
 * WebSocket close codes. 4000-4499 ask the client to reconnect with backoff, 4500-4999 tell it not to come back
 * unchanged. `invalid_token` and `connection_limit` are kept free: both are refused before the upgrade.
 */
export const closeCodes = {
  going_away: 1001,
  message_too_big: 1009,
  idle_timeout: 4001,
  slow_consumer: 4002,
  token_expired: 4003,
  token_revoked: 4003,
  invalid_token: 4500,
  disconnected: 4503,
  connection_limit: 4504,
  flooding: 4508,
} as const;

export type CloseReason = keyof typeof closeCodes;
export const closeReasons = Object.keys(closeCodes) as readonly CloseReason[];

/** The text of the `timeout` frame, as the reference handler words it. */
export const idleTimeoutText = "Connection timed out due to inactivity";
