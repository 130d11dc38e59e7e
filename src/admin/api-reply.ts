/** What the server API answers where a call was not carried out: HTTP status, code, text. */
import type { CallError, CallErrorCode } from "../calls/calls.ts";
import { jsonReply, type Reply } from "./reply.ts";

/** Codes that only HTTP knows, and those of the calls. */
export type ApiErrorCode =
  | CallErrorCode
  | "unauthorized"
  | "forbidden"
  | "method_not_allowed"
  | "timeout"
  | "unsupported_media_type"
  | "rate_limited";

export interface ApiRefusal {
  readonly status: number;
  readonly code: ApiErrorCode;
  readonly message: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export function refusal(
  status: number,
  code: ApiErrorCode,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): ApiRefusal {
  return { status, code, message, headers };
}

export const refusalReply = ({ status, code, message, headers }: ApiRefusal): Reply =>
  jsonReply(status, { error: { code, message } }, headers);

/** How a failed call is answered. */
export function callRefusal({ code, message }: CallError): ApiRefusal {
  return {
    status: callStatuses[code],
    code,
    message,
    ...(code === "unavailable" && { headers: { "Retry-After": "1" } }),
  };
}

const callStatuses: Readonly<Record<CallErrorCode, number>> = {
  invalid_call: 400,
  invalid_channel: 400,
  not_found: 404,
  too_large: 413,
  unavailable: 503,
  internal: 500,
};
