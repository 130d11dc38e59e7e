/**
 * The page at `/api`: the OpenAPI document for people, as plain HTML. It fetches nothing and runs nothing, and its policy
 * says so.
 */
import { createHash } from "node:crypto";
import { escapeHtml } from "../text/escape-html.ts";
import type { OpenApiDocument } from "./openapi.ts";

/** The document as a page. */
export function apiPage({ info, paths }: OpenApiDocument): string {
  const operations = Object.entries(paths).map(([path, { post }]) => ({ path, post }));
  const links = operations.map(({ post }) => `<li><a href="#${post.operationId}">${post.operationId}</a></li>`);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(info.title)}</title>
<link rel="icon" href="data:,">
<style>${style}</style>
</head>
<body>
<header>
<h1>${escapeHtml(info.title)} <small>${escapeHtml(info.version)}</small></h1>
<p>${escapeHtml(info.description)} <a href="/">The console</a>.</p>
<p>Send JSON with <code>Content-Type: application/json</code> and <code>Authorization: Bearer KEY</code>; get
<code>{"result": …}</code> or <code>{"error": {code, message}}</code>.
The same as a document: <a href="/api/openapi.json">OpenAPI 3.1</a>.</p>
<nav><ul>${links.join("")}</ul></nav>
</header>
<main>
${operations.map(({ path, post }) => section(path, post)).join("\n")}
</main>
</body>
</html>
`;
}

/** The `Content-Security-Policy` of the page. */
export function apiPagePolicy(): string {
  const hash = createHash("sha256").update(style).digest("base64");
  return [
    "default-src 'none'",
    `style-src 'sha256-${hash}'`,
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
}

/** What is read of a JSON Schema. */
interface Schema {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
}

type Operation = OpenApiDocument["paths"][string]["post"];

function section(path: string, { operationId, summary, requestBody, responses }: Operation): string {
  const result = schemaOf(responses["200"])?.properties?.result ?? {};
  return `<section id="${operationId}">
<h2><code>POST ${path}</code></h2>
<p>${escapeHtml(summary)}</p>
${fields("Takes", schemaOf(requestBody) ?? {})}
${fields("Answers", result)}
</section>`;
}

function schemaOf(body: unknown): Schema | undefined {
  return (body as { content: Readonly<Record<string, { schema: Schema }>> }).content["application/json"]?.schema;
}

function fields(title: string, schema: Schema): string {
  const rows = rowsOf(schema, "").map(
    ({ name, isNeeded, type, text }) =>
      `<tr><th scope="row"><code>${escapeHtml(name)}</code>${isNeeded ? "" : " <i>optional</i>"}</th>` +
      `<td>${escapeHtml(type)}</td><td>${escapeHtml(text)}</td></tr>`,
  );
  const table = rows.length === 0 ? "<p>An empty object.</p>" : `<table>${rows.join("")}</table>`;
  const rule = schema.description === undefined ? "" : `<p>${escapeHtml(schema.description)}</p>\n`;
  return `<h3>${title}</h3>\n${rule}${table}`;
}

interface Row {
  readonly name: string;
  readonly isNeeded: boolean;
  readonly type: string;
  readonly text: string;
}

/** A row for each field, also of objects within: `items[].channel`. */
function rowsOf({ properties = {}, required = [] }: Schema, above: string): Row[] {
  return Object.entries(properties).flatMap(([key, schema]) => {
    const name = `${above}${key}`;
    const row = { name, isNeeded: required.includes(key), type: typeText(schema), text: schema.description ?? "" };
    const below = schema.items === undefined ? rowsOf(schema, `${name}.`) : rowsOf(schema.items, `${name}[].`);
    return [row, ...below];
  });
}

function typeText({ type, items, anyOf, enum: values, const: only, minimum, maximum }: Schema): string {
  if (anyOf !== undefined) return [...new Set(anyOf.map(typeText))].join(" or ");
  if (values !== undefined) return values.map((value) => JSON.stringify(value)).join(" or ");
  if (only !== undefined) return JSON.stringify(only);
  if (items !== undefined) return `list of ${typeText(items)}`;
  const isBounded = minimum !== undefined && maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER;
  return `${type ?? "any JSON"}${isBounded ? ` (${minimum} to ${maximum})` : ""}`;
}

const style = `
:root { font: 1rem/1.5 system-ui, sans-serif; color-scheme: light dark; }
body { max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; overflow-wrap: anywhere; }
h1 small { font-weight: 400; opacity: .6; }
h2 { margin: 2.5rem 0 .25rem; font-size: 1.15rem; }
h3 { margin: 1rem 0 .25rem; font-size: .9rem; opacity: .7; }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1rem; padding: 0; list-style: none; }
table { width: 100%; border-collapse: collapse; font-size: .9rem; }
th, td { padding: .3rem .6rem .3rem 0; border-top: 1px solid #8884; text-align: left; vertical-align: top; }
th { width: 30%; font-weight: 400; }
td:nth-child(2) { width: 22%; opacity: .75; }
code { font-family: ui-monospace, monospace; }
a { color: #0a6c7e; }
@media (prefers-color-scheme: dark) { a { color: #58c4d6; } }
@media (max-width: 34rem) {
  tr { display: block; padding: .3rem 0; border-top: 1px solid #8884; }
  th, td, td:nth-child(2) { display: block; width: auto; padding: 0; border: 0; }
  td:empty { display: none; }
}
`;
