/**
 * A configuration file as a layer: YAML 1.2, whose keys are found again by line.
 *
 * Texts of the parser are cut before they quote the file, because what they quote may be a secret.
 */
import { readFileSync } from "node:fs";
import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, type YAMLError } from "yaml";
import type { Fault } from "./config-error.ts";
import type { KeyPath } from "./key-path.ts";
import { isTree, type Layer } from "./layer.ts";

/** Reads `file`; a file of comments only sets nothing. Faults are those of reading and of the syntax. */
export function readConfigFile(file: string): { layer: Layer } | { faults: readonly Fault[] } {
  let source: string;
  try {
    source = readFileSync(file, "utf8");
  } catch (error) {
    return fault(file, `cannot be read: ${(error as NodeJS.ErrnoException).code}`);
  }
  const lines = new LineCounter();
  const document = parseDocument(source, { lineCounter: lines, prettyErrors: false, logLevel: "error" });
  if (document.errors.length > 0) {
    return { faults: document.errors.map((error) => ({ source: placeOf(error), key: "", text: syntaxText(error) })) };
  }
  let tree: unknown;
  try {
    tree = document.toJS() ?? {};
    JSON.stringify(tree);
  } catch {
    return fault(file, "must be plain YAML: an alias (*name) has no anchor (&name) before it, or stands for itself");
  }
  if (!isTree(tree)) return fault(file, "must be a map of keys");
  return { layer: { tree, sourceOf: (path) => `${file}:${lines.linePos(offsetOf(document, path)).line}` } };

  function placeOf(error: YAMLError): string {
    return `${file}:${lines.linePos(error.pos[0]).line}`;
  }
}

function fault(source: string, text: string): { faults: readonly Fault[] } {
  return { faults: [{ source, key: "", text }] };
}

function syntaxText({ code, message }: YAMLError): string {
  if (code === "MULTIPLE_DOCS") return "must be one YAML document: what follows a second --- would count for nothing";
  const [beforeQuote] = message.split(/:\s|["`]/, 1);
  return `must be valid YAML: ${beforeQuote}`;
}

/** Where the last part of `path` that the document has is written, in characters from its start. */
function offsetOf(document: Document.Parsed, path: KeyPath): number {
  let node: unknown = document.contents;
  let offset = 0;
  for (const part of path) {
    if (isAlias(node)) node = node.resolve(document);
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => String(isScalar(key) ? key.value : key) === String(part));
      if (!isScalar(pair?.key)) break;
      offset = pair.key.range?.[0] ?? offset;
      node = pair.value;
    } else if (isSeq(node) && typeof part === "number") {
      node = node.items[part];
      offset = (node as { range?: readonly number[] } | undefined)?.range?.[0] ?? offset;
    } else break;
  }
  return offset;
}
