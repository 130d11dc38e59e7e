/**
 * The keys of the server API: read from the configuration and its files, and compared with what a caller presents.
 *
 * The rule: all keys are compared each time, padded to one length and each in constant time, so the time an answer takes
 * says nothing of how much of a key was right, how long it is, nor which key it was.
 */
import { timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import { AuthSetupError } from "./auth-setup-error.ts";

/** An entry of `api.keys`: the key itself or a file that holds it. */
export interface ApiKeyOptions {
  /** For people; the key never appears anywhere. */
  readonly name: string;
  readonly key?: string | undefined;
  readonly keyFile?: string | undefined;
}

/** RFC 6750, section 2.1: what fits into an Authorization header. */
export const apiKeyPattern = /^[A-Za-z0-9._~+/=-]{16,512}$/;
export const apiKeyRule = "16 to 512 letters, digits and - . _ ~ + / =";

export class ApiKeys {
  readonly #keys: readonly Buffer[];
  readonly #presented: Buffer; // reused: one of its own costs more than the comparison

  constructor(keys: readonly string[]) {
    const longest = Math.max(0, ...keys.map(({ length }) => length));
    this.#presented = Buffer.alloc(lengthStep * Math.ceil(longest / lengthStep));
    this.#keys = keys.map((key) => padded(key, Buffer.alloc(this.#presented.length)));
  }

  get count(): number {
    return this.#keys.length;
  }

  /** The index of the key that `presented` is; -1 for none. Hot path. */
  find(presented: string): number {
    if (presented.length > this.#presented.length) return -1;
    const given = padded(presented, this.#presented);
    let found = -1;
    for (let i = 0; i < this.#keys.length; i += 1) if (timingSafeEqual(given, this.#keys[i]!)) found = i;
    return found;
  }
}

/** Keys are padded to a multiple of it: of the longest one's length no more than that can be timed. */
const lengthStep = 64;

/** Fills `into`. Digests of equal length instead would cost each request another 0.8 us of 12. */
function padded(key: string, into: Buffer): Buffer {
  into.fill(0, into.write(key, "latin1"));
  return into;
}

/** Reads the files; throws `AuthSetupError` at the first key that is not fit, and where two are the same. */
export function loadApiKeys(options: readonly ApiKeyOptions[]): ApiKeys {
  const keys = options.map(loadKey);
  const repeated = keys.findIndex((key, i) => keys.indexOf(key) < i);
  if (repeated !== -1) throw unusable("key_source", repeated, "", "another key than those before it", "the same again");
  return new ApiKeys(keys);
}

function loadKey({ key, keyFile }: ApiKeyOptions, index: number): string {
  const loaded = key ?? readKey(keyFile ?? "", index);
  if (!apiKeyPattern.test(loaded))
    throw unusable(
      "weak_secret",
      index,
      key === undefined ? ".keyFile" : ".key",
      apiKeyRule,
      `${loaded.length} others`,
    );
  return loaded;
}

function readKey(file: string, index: number): string {
  try {
    return readFileSync(file, "utf8").trim();
  } catch (cause) {
    throw unusable("key_unreadable", index, ".keyFile", "a readable file", JSON.stringify(file), cause);
  }
}

function unusable(
  code: "key_source" | "key_unreadable" | "weak_secret",
  index: number,
  field: string,
  rule: string,
  got: string,
  cause?: unknown,
): AuthSetupError {
  return new AuthSetupError(code, `cannot load key: api.keys[${index}]${field} must be ${rule}, got ${got}`, cause);
}
