/**
 * The server API as the commands speak to it: one call, its result, and every failure as a line that says what to do.
 *
 * The key comes from a file or from the environment, never from an argument: arguments are in the process list.
 */
import { readFileSync } from "node:fs";
import type { CallName } from "../calls/call-table.ts";
import { taskOf } from "../calls/call-tasks.ts";
import { clientApiKey, processEnvironment } from "../config/process-environment.ts";
import { UsageError } from "./arguments.ts";
import { printable } from "./output.ts";

/** The flags that every such command has, besides its own. */
export const apiFlags = { url: "value", "key-file": "value", raw: "switch" } as const;

export interface ApiFlagValues {
  readonly url: string | undefined;
  readonly "key-file": string | undefined;
}

const urlDefault = "http://127.0.0.1:9502";
const answerMs = 30_000;

export class ApiClient {
  readonly #command: CallName;
  readonly #url: URL;
  readonly #key: string | undefined;

  /** Throws a `UsageError` for a URL that is none, or a file that cannot be read. */
  constructor(command: CallName, { url = urlDefault, "key-file": keyFile }: ApiFlagValues) {
    this.#command = command;
    const isUrl = URL.canParse(url) && /^https?:$/.test(new URL(url).protocol);
    if (!isUrl) throw new UsageError(`--url must be an http:// or https:// URL, got ${JSON.stringify(url)}`, command);
    this.#url = new URL(url);
    this.#key = keyFile === undefined ? clientApiKey(processEnvironment) : readKey(keyFile, command);
    if (this.#key !== undefined && !/^[\x21-\x7e]+$/.test(this.#key))
      throw new UsageError("the API key has characters that no key has", command);
  }

  /** The call's result. Rejects with an `Error` to print. */
  async call(name: string, params: object): Promise<unknown> {
    const { origin } = this.#url;
    const headers = {
      "Content-Type": "application/json",
      ...(this.#key !== undefined && { Authorization: `Bearer ${this.#key}` }),
    };
    const signal = AbortSignal.timeout(answerMs);
    let status: number;
    let text: string;
    try {
      const response = await fetch(new URL(`/api/v1/${name}`, origin), {
        method: "POST",
        headers,
        body: JSON.stringify(params),
        redirect: "error",
        signal,
      });
      status = response.status;
      text = await response.text();
    } catch (error) {
      throw new Error(`cannot ${taskOf(this.#command)}: ${reached(error, origin)}`, { cause: error });
    }
    const { result, error } = parsed(text);
    if (status === 200 && result !== undefined) return result;
    throw new Error(this.#failure(status, error?.message));
  }

  #failure(status: number, message: string | undefined): string {
    if (message === undefined)
      return `cannot ${taskOf(this.#command)}: ${this.#url.origin} answered ${status} and is no Tidegate admin port`;
    const said = printable(message);
    if (status === 401) {
      const which = this.#key === undefined ? "give one in TIDEGATE_API_KEY or by --key-file" : "see api.keys there";
      return `cannot ${taskOf(this.#command)}: ${said}; ${which}`;
    }
    return said.startsWith("cannot ") ? said : `cannot ${taskOf(this.#command)}: ${said}`;
  }
}

function readKey(file: string, command: string): string {
  try {
    return readFileSync(file, "utf8").trim();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UsageError(`--key-file must be a file that can be read, got ${JSON.stringify(file)} (${code})`, command);
  }
}

/** Why nobody answered. */
function reached(error: unknown, origin: string): string {
  if ((error as Error).name === "TimeoutError") return `${origin} did not answer within ${answerMs / 1000} s`;
  const { cause } = error as { cause?: NodeJS.ErrnoException };
  if (cause?.code === "ECONNREFUSED")
    return `nothing listens on ${origin}; is the gateway running, and is that adminPort?`;
  return `${origin} cannot be reached: ${printable(cause?.message ?? (error as Error).message)}`;
}

function parsed(text: string): { readonly result?: unknown; readonly error?: { readonly message?: string } } {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {};
  }
}
