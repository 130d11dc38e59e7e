/**
 * Which values are secret, and how values are shown without giving one away.
 *
 * The rule errs on the safe side: in a fault, whatever stands at a secret's place or above it is named by its type only,
 * because `auth: hunter2` is a secret in the wrong place. A text that holds an address is shown without what may be its
 * password, whether or not the rest of it is a URL.
 */
import type { Config } from "./config-schema.ts";
import type { KeyPath } from "./key-path.ts";

const secretPaths: readonly (readonly string[])[] = [
  ["auth", "secret"],
  ["auth", "keys", "*", "secret"],
  ["callouts", "secret"],
  ["api", "keys", "*", "key"],
  ["redis", "password"],
  ["redis", "sentinelPassword"],
  ["tls", "passphrase"],
  ["webhooks", "*", "secret"],
];
/** Shown in part where they are right; what is wrong with a wrong one may be its password. */
const partlySecretPaths: readonly (readonly string[])[] = [
  ["redis", "url"],
  ["webhooks", "*", "url"],
];
const mask = "********";
const shownLengthMax = 80;

/** A copy of the configuration to print: secrets and what may be a password in an address are masked, empty ones stay empty. */
export function maskSecrets(config: Config): Config {
  return maskedAt(config, []) as Config;
}

/** The value as a fault names it: JSON of bounded length, or only its type where it may be secret. */
export function shown(value: unknown, path: KeyPath): string {
  if (value === undefined) return "nothing";
  if (value === null) return "null";
  if (isSecret(path) || isWithin(path, partlySecretPaths))
    return typeof value === "string" ? `${Buffer.byteLength(value)} bytes (not shown)` : typeName(value);
  if (holdsSecret(path)) return typeName(value);
  if (typeof value === "number") return String(value); // JSON has no NaN
  const json = JSON.stringify(maskedAt(value, path)) ?? typeName(value);
  return json.length <= shownLengthMax ? json : `${json.slice(0, shownLengthMax)}…`;
}

function maskedAt(value: unknown, path: KeyPath): unknown {
  if (typeof value === "string") return isSecret(path) && value !== "" ? mask : withoutPassword(value);
  if (Array.isArray(value)) return value.map((item, i) => maskedAt(item, [...path, i]));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, maskedAt(item, [...path, key])]));
}

/**
 * `https://name:password@host/?key=value`, with or without the scheme, without what stands before the last `@` and after
 * the `?`: a password that is not escaped may hold any character.
 */
export function withoutPassword(value: string): string {
  const [scheme = ""] = /^[A-Za-z][A-Za-z0-9+.-]*:\/\//.exec(value) ?? [];
  const rest = value.slice(scheme.length);
  const at = rest.lastIndexOf("@");
  const query = rest.indexOf("?");
  if (query !== -1 && query < at) return scheme + mask; // either may be part of a password
  const address = at === -1 ? rest : mask + rest.slice(at);
  return scheme + address.replace(/\?.+$/s, `?${mask}`);
}

function isSecret(path: KeyPath): boolean {
  return isWithin(path, secretPaths);
}

function isWithin(path: KeyPath, places: readonly (readonly string[])[]): boolean {
  return places.some((place) => place.length <= path.length && matchesStart(place, path));
}

/** True where a secret may stand below `path`; the whole configuration is such a place. */
function holdsSecret(path: KeyPath): boolean {
  return secretPaths.some((secret) => secret.length > path.length && matchesStart(secret, path));
}

function matchesStart(secret: readonly string[], path: KeyPath): boolean {
  const length = Math.min(secret.length, path.length);
  return secret.slice(0, length).every((word, i) => word === "*" || word === path[i]);
}

function typeName(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "a map";
  return typeof value === "string" ? "a text" : `a ${typeof value}`;
}
