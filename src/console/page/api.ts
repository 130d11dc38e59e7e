/**
 * The server API as the page uses it, and the API key.
 *
 * The rule: the key lives in this tab's session storage and in one request header; it is never in a URL.
 */

export class ApiError extends Error {
  /** The HTTP status; 0 where there was no answer. */
  readonly status: number;
  /** Seconds to wait, where the answer says so. */
  readonly retryAfter: number;

  constructor(status: number, message: string, retryAfter = 0) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

const storageKey = "tidegate-api-key";

export const hasKey = (): boolean => sessionStorage.getItem(storageKey) !== null;
export const setKey = (key: string): void => sessionStorage.setItem(storageKey, key);
export const forgetKey = (): void => sessionStorage.removeItem(storageKey);

let needsKey: (wasKeyed: boolean) => void = () => {};
/** `listener` is called where a key is needed, or another one: not for a key that is none any more. */
export function onKeyNeeded(listener: (wasKeyed: boolean) => void): void {
  needsKey = listener;
}

/** POSTs to `/api/v1/<name>`. Rejects with `ApiError`. */
export async function call<T>(name: string, params: object = {}): Promise<T> {
  const key = sessionStorage.getItem(storageKey);
  const headers = { "Content-Type": "application/json", ...(key !== null && { Authorization: `Bearer ${key}` }) };
  let response: Response;
  let body: { readonly result?: T; readonly error?: { readonly message?: string } };
  try {
    response = await fetch(`/api/v1/${name}`, { method: "POST", headers, body: JSON.stringify(params) });
    body = await response.json();
  } catch {
    throw new ApiError(0, "The gateway does not answer");
  }
  if (response.ok && body.result !== undefined) return body.result;
  if (response.status === 401 && key === sessionStorage.getItem(storageKey)) needsKey(key !== null);
  const message = body.error?.message ?? `Status ${response.status}`;
  throw new ApiError(response.status, message, Number(response.headers.get("Retry-After") ?? 0));
}

export interface PageOf<T> {
  readonly items: readonly T[];
  readonly next?: string;
  readonly isPartial?: true;
}

export interface ChannelRow {
  readonly channel: string;
  readonly subscribers: number;
  readonly members?: number;
}

export interface ConnectionRow {
  readonly connection: number;
  readonly session: string;
  readonly node: string;
  readonly user?: string | number;
  readonly role?: string;
  readonly address: string;
  readonly format: string;
  readonly channels: readonly string[];
  readonly queuedBytes: number;
}

export interface MemberRow {
  readonly user_id?: string | number;
  readonly role?: string;
  readonly connection_id?: number;
}
