/** A key's place in the configuration, and how it is written for people, for the environment and for flags. */

/** Names of maps and numbers of list items, from the top. */
export type KeyPath = readonly (string | number)[];

/** `auth.keys[0].kid`, `channels["chat.>"].rate`. */
export function keyText(path: KeyPath): string {
  let written = "";
  for (const part of path) {
    if (typeof part === "number") written += `[${part}]`;
    else if (!/^[A-Za-z_$][\w$-]*$/.test(part)) written += `[${JSON.stringify(part)}]`;
    else written += written === "" ? part : `.${part}`;
  }
  return written;
}

/** `auth.jwksUrl` is TIDEGATE_AUTH__JWKS_URL. */
export function variableName(path: KeyPath): string {
  return `TIDEGATE_${path.map((part) => words(part).join("_").toUpperCase()).join("__")}`;
}

/** `log.level` is --log-level; `redis.url` is --redis, which says that there is one as well. */
export function flagName(path: KeyPath): string {
  if (keyText(path) === "redis.url") return "--redis";
  return `--${path.flatMap(words).join("-")}`;
}

const words = (part: string | number): string[] =>
  String(part)
    .replace(/([A-Z])/g, " $1")
    .toLowerCase()
    .split(" ");
