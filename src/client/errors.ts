/** Whatever goes wrong between the program and its gateway. The rule: `code` is for programs, the message for people. */
import type { ErrorCode } from "../protocol/codes.ts";

/**
 * What the gateway answers, and what the client finds itself:
 * `connection`: it is lost, or was not made; `token`: the token function failed; `queue_full`: too many requests wait;
 * `message_too_big`: over the gateway's limit, not sent; `outcome_unknown`: sent, never answered, and too old to be sent
 * again; `disconnected`: the client was told to disconnect, or sent away for good; `overflow`: an iteration was too slow.
 */
export type ClientErrorCode =
  | ErrorCode
  | "connection"
  | "token"
  | "queue_full"
  | "message_too_big"
  | "outcome_unknown"
  | "disconnected"
  | "overflow";

export interface ErrorDetails {
  /** The action that was refused. */
  readonly request?: string | undefined;
  readonly channel?: string | undefined;
  /** Seconds until the same would be accepted. */
  readonly retryAfter?: number | undefined;
  readonly cause?: unknown;
}

export class TidegateError extends Error {
  override readonly name = "TidegateError";
  declare readonly code: ClientErrorCode;
  declare readonly request?: string | undefined;
  declare readonly channel?: string | undefined;
  declare readonly retryAfter?: number | undefined;

  constructor(code: ClientErrorCode, text: string, { cause, ...details }: ErrorDetails = {}) {
    super(text, { cause });
    Object.assign(this, details, { code });
  }
}
