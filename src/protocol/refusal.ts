/** A request that is not carried out, and the error frame's content that says why. */
import { type ErrorCode, errorTexts } from "./codes.ts";
import type { ClientMessage, FrameId } from "./messages.ts";

export interface Refusal {
  readonly code: ErrorCode;
  /** For people: what was wrong and what was expected. */
  readonly error: string;
  /** The action that was refused, where it could be read. */
  request?: string | undefined;
  channel?: string | undefined;
  id?: FrameId | undefined;
  /** Whole seconds until the same request would be accepted, at least 1. */
  retryAfter?: number | undefined;
}

/** A refusal with the text of `code`; `error` replaces that text. */
export function refusal(code: ErrorCode, error: string = errorTexts[code]): Refusal {
  return { code, error };
}

export const missingField = (field: string): Refusal =>
  refusal("missing_field", `${errorTexts.missing_field}: ${field}`);

/** `expected` completes the sentence "expected type: …". */
export const invalidField = (field: string, expected: string): Refusal =>
  refusal("invalid_field", `${errorTexts.invalid_field} ${field}, expected type: ${expected}`);

/** Names the request in its refusal. */
export function about(message: ClientMessage, why: Refusal): Refusal {
  const { id, channel } = message as { id?: FrameId; channel?: string };
  return { ...why, request: message.action, id, channel };
}

/** True for what `decode` and the handlers return instead of a result; messages and results have no `error`. */
export function isRefusal(value: object): value is Refusal {
  return "error" in value;
}
