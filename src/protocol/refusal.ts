/** A request that is not carried out, and the error frame's content that says why. */
import { type ErrorCode, errorTexts } from "./codes.ts";
import type { FrameId } from "./frame-id.ts";

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

/** What names a request; every client message has it. */
interface RequestNames {
  readonly action: string;
  readonly id?: FrameId | undefined;
  readonly channel?: string | undefined;
}

/** Names the request in its refusal. */
export function about({ action, id, channel }: RequestNames, why: Refusal): Refusal {
  return { ...why, request: action, id, channel };
}

/** True for what `decode` and the handlers return instead of a result; messages and results have no `error`. */
export function isRefusal(value: object): value is Refusal {
  return "error" in value;
}
