/**
 * The bytes of a body as what they stand for. UTF-8 that is none, JSON that is none: each is told in words; of several
 * lines each by itself, so that the good ones still count.
 */
import type { CallName } from "../calls/call-table.ts";
import { taskOf } from "../calls/call-tasks.ts";
import { CallError } from "../calls/calls.ts";

/** `lines`: NDJSON, a call a line. */
export type Format = "json" | "lines";

/** By the `Content-Type`; `undefined` for one that `call` does not take. */
export function contentFormat(contentType: string, call: CallName): Format | undefined {
  if (contentType === "application/json") return "json";
  const [type = "", ...parameters] = contentType.toLowerCase().split(";");
  const charset = parameters.map((parameter) => parameter.trim()).find((parameter) => parameter.startsWith("charset="));
  if (charset !== undefined && !/^charset="?utf-?8"?$/.test(charset)) return undefined;
  if (type.trim() === "application/json") return "json";
  return call === "batch" && /^application\/(?:x-)?ndjson$/.test(type.trim()) ? "lines" : undefined;
}

/** The value of a JSON text. Throws `CallError`. Hot path. */
export function parsedJson(call: CallName, bytes: ArrayBuffer | Uint8Array): unknown {
  const text = decoded(bytes);
  if (text === undefined) throw new CallError("invalid_call", `cannot ${taskOf(call)}: the body must be UTF-8`);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new CallError("invalid_call", `cannot ${taskOf(call)}: the body must be JSON${reason(error, text)}`);
  }
}

/** A value for each line that is not blank; for one that is no UTF-8 or no JSON, the `CallError` that says so. */
export function parsedLines(bytes: ArrayBuffer | Uint8Array): unknown[] {
  return linesOf(bytes).flatMap((line, index) => {
    if (line === undefined) return [new CallError("invalid_call", `cannot batch: line ${index + 1} must be UTF-8`)];
    if (line.trim() === "") return [];
    try {
      return [JSON.parse(line) as unknown];
    } catch (error) {
      const text = `cannot batch: line ${index + 1} must be JSON${reason(error, line)}`;
      return [new CallError("invalid_call", text)];
    }
  });
}

/** `undefined` for a line that is no UTF-8. No character but the line's end has its byte. */
function linesOf(bytes: ArrayBuffer | Uint8Array): (string | undefined)[] {
  const text = decoded(bytes);
  if (text !== undefined) return text.split("\n");
  const all = Buffer.from(new Uint8Array(bytes)); // of an array a copy
  const lines: (string | undefined)[] = [];
  for (let start = 0, end = 0; end !== -1; start = end + 1) {
    end = all.indexOf(10, start);
    lines.push(decoded(all.subarray(start, end === -1 ? all.length : end)));
  }
  return lines;
}

const decoder = new TextDecoder("utf-8", { fatal: true });

/** `undefined` where it is no UTF-8. */
function decoded(bytes: ArrayBuffer | Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

/** Where it went wrong, as far as the engine says; its own words quote the text, which may hold a secret. */
function reason(error: unknown, text: string): string {
  if (text.trim() === "") return ", got nothing";
  const [, position] = /position (\d+)/.exec((error as Error).message) ?? [];
  return position === undefined ? "" : `, unexpected at character ${Number(position) + 1}`;
}
