/**
 * The console and the chat page as the admin port serves them: two documents, and what the console's document loads.
 *
 * The rule: everything comes from this package, under a policy that lets nothing else in: no inline script or style, no
 * other host, no text that becomes markup (Trusted Types).
 */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { chatPage, chatPagePolicy } from "./chat-page.ts";
import { consolePage } from "./console-page.ts";
import { consoleStyle } from "./console-style.ts";
import { gatewaySources } from "./page-parts.ts";

/** What a page depends on. */
export interface PageSetting {
  /** The name in the page's own URL. */
  readonly host: string;
  /** The port that clients connect to, and whether it speaks TLS. */
  readonly publicPort: number;
  readonly tls: boolean;
  readonly version: string;
}

export interface ServedPage {
  readonly contentType: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The pages for people, and what is loaded by them. */
export const pagePaths: readonly string[] = ["/", "/chat"];

/** The modules of `page/`, the first of which imports the others. */
export const pageModules = [
  "main",
  "api",
  "channels",
  "chart",
  "connections",
  "dom",
  "format",
  "gateway-url",
  "listing",
  "overview",
  "playground",
  "snippets",
  "stats-history",
  "table",
] as const;

/** Whether this is the source, run by tsx, or what was built of it. */
const extension = extname(import.meta.url);
const modulePath = (name: string): string => `/console/${name}${extension}`;

/** Not of the page itself: the client, for pages elsewhere that begin with the console's code. */
const clientPath = "/tidegate.min.js";

const assets: Readonly<Record<string, () => Promise<ServedPage>>> = {
  "/console/style.css": async () => ({ contentType: "text/css; charset=utf-8", body: consoleStyle }),
  "/console/uplot.css": () => packaged("uplot/dist/uPlot.min.css", "text/css; charset=utf-8"),
  "/console/uplot.js": () => packaged("uplot/dist/uPlot.iife.min.js", javascript),
  "/console/uplot-license.txt": () => packaged("uplot/LICENSE", "text/plain; charset=utf-8"),
  [clientPath]: clientScript,
  ...Object.fromEntries(pageModules.map((name) => [modulePath(name), () => pageModule(name)])),
};
export const assetPaths: readonly string[] = Object.keys(assets);

/** What stands at `path`; `undefined` for none of the pages and what they load. Rejects where a file is missing. */
export async function servedPage(path: string, setting: PageSetting): Promise<ServedPage | undefined> {
  if (path === "/") return document(consolePage({ ...setting, ...loaded }), consolePolicy(setting));
  if (path === "/chat") return document(chatPage(setting), chatPagePolicy(setting.host, setting.publicPort));
  return Object.hasOwn(assets, path) ? assets[path]!() : undefined;
}

const javascript = "text/javascript; charset=utf-8";

const loaded = {
  styles: ["/console/uplot.css", "/console/style.css"],
  scripts: ["/console/uplot.js"],
  modules: pageModules.map(modulePath),
  main: modulePath(pageModules[0]),
};

/** The `Content-Security-Policy` of the console. */
function consolePolicy({ host, publicPort }: PageSetting): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    `connect-src 'self' ${gatewaySources(host, publicPort)}`,
    "img-src data:",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
}

function document(body: string, policy: string): ServedPage {
  const headers = { "Content-Security-Policy": policy, "X-Frame-Options": "DENY" };
  return { contentType: "text/html; charset=utf-8", body, headers };
}

async function packaged(name: string, contentType: string): Promise<ServedPage> {
  return { contentType, body: await readFile(createRequire(import.meta.url).resolve(name), "utf8") };
}

/** The build for a script tag. Any page may load it: it is no secret, and a page on this machine has an origin of its own. */
async function clientScript(): Promise<ServedPage> {
  const headers = { "Cross-Origin-Resource-Policy": "cross-origin" };
  const folder = new URL("../client/", import.meta.url);
  const body =
    extension === ".ts" ? await bundled("script.ts") : await readFile(new URL("tidegate.min.js", folder), "utf8");
  return { contentType: javascript, body, headers };

  async function bundled(entry: string): Promise<string> {
    const { build } = await import("esbuild");
    const entryPoints = [fileURLToPath(new URL(entry, folder))];
    const { outputFiles } = await build({ entryPoints, bundle: true, minify: true, format: "iife", write: false });
    return outputFiles[0]!.text;
  }
}

async function pageModule(name: string): Promise<ServedPage> {
  const text = await readFile(new URL(`./page/${name}${extension}`, import.meta.url), "utf8");
  return { contentType: javascript, body: extension === ".ts" ? await withoutTypes(text) : text };
}

/** For tests and `npm run dev`, where the modules have not been built; esbuild is what tsx itself works with. */
async function withoutTypes(text: string): Promise<string> {
  const { transform } = await import("esbuild");
  return (await transform(text, { loader: "ts", tsconfigRaw: { compilerOptions: { verbatimModuleSyntax: true } } }))
    .code;
}
