/**
 * What is to be read below `/api`: the document, the page, and for a path that is none the words that lead to one.
 *
 * The rule: paths count as they are written. One that means a call and is spelt otherwise (a `%2e`, two slashes, another
 * letter case) is never taken for it, but told what it would be.
 */
import { callNames, callPath } from "../calls/call-table.ts";
import { nearest } from "../text/nearest.ts";
import { apiPage, apiPagePolicy } from "./api-page.ts";
import { refusal, refusalReply } from "./api-reply.ts";
import type { ApiOptions } from "./api-server.ts";
import { openApiDocument } from "./openapi.ts";
import type { Reply } from "./reply.ts";

export interface ApiPages {
  /** Those that are read by GET. */
  readonly paths: readonly string[];
  /** The answer to GET, or to any method on a path that is none; `undefined` for what is not below `/api`. */
  reply(path: string): Reply | undefined;
  /** The answer to another method than GET on one of `paths`. */
  refuseMethod(headers: Readonly<Record<string, string>>): Reply;
}

export function createApiPages(version: string, { keys, counters }: Pick<ApiOptions, "keys" | "counters">): ApiPages {
  const document = openApiDocument(version, keys.count > 0);
  const pages: Readonly<Record<string, Reply>> = {
    "/api": {
      status: 200,
      contentType: "text/html; charset=utf-8",
      body: apiPage(document),
      headers: { "Content-Security-Policy": apiPagePolicy(), "X-Frame-Options": "DENY" },
    },
    "/api/openapi.json": {
      status: 200,
      contentType: "application/json; charset=utf-8",
      body: `${JSON.stringify(document, null, 2)}\n`,
    },
  };
  const paths = Object.keys(pages);
  const known = [...paths, ...callNames.map(callPath)];
  return {
    paths,
    refuseMethod(headers) {
      counters.of("none").count(405);
      return refusalReply(refusal(405, "method_not_allowed", "Use GET", headers));
    },
    reply(path) {
      if (Object.hasOwn(pages, path)) return pages[path];
      const meant = plainPath(path);
      if (!/^\/api(?:\/|$)/.test(meant)) return undefined;
      counters.of("none").count(404);
      return refusalReply(refusal(404, "not_found", `No such path${guessOf(meant, known)}`));
    },
  };
}

/** Longer ones are no slip of the pen, and costly to compare. */
const guessedMax = 100;

/** What all calls begin with is no sign that one of them was meant. */
function guessOf(meant: string, known: readonly string[]): string {
  const isCall = meant.startsWith(callPrefix);
  const word = (isCall ? meant.slice(callPrefix.length) : meant).slice(0, guessedMax);
  const guess = known.includes(meant) ? word : nearest(word, isCall ? callNames : known);
  return guess === undefined ? "; see /api" : `; did you mean ${isCall ? callPrefix : ""}${guess}?`;
}

const callPrefix = "/api/v1/";

/** What a forgiving server would take `path` for. */
function plainPath(path: string): string {
  const segments: string[] = [];
  for (const segment of decoded(path)
    .toLowerCase()
    .split(/[/\\]+/)) {
    if (segment === "..") segments.pop();
    else if (segment !== "." && segment !== "") segments.push(segment);
  }
  return `/${segments.join("/")}`;
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
