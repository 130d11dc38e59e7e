/**
 * The console and the chat page as the admin port serves them: two documents, and what they load.
 *
 * The rule: everything comes from this package, under a policy that lets nothing else in: no inline script or style, no
 * other host, no text that becomes markup (Trusted Types).
 */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { chatPage } from "./chat-page.ts";
import { chatStyle } from "./chat-style.ts";
import { consolePage } from "./console-page.ts";
import { consoleStyle } from "./console-style.ts";
import { type PageSetting, pagePolicy } from "./page-parts.ts";

export interface ServedPage {
  readonly contentType: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The pages for people, and what is loaded by them. */
export const pagePaths: readonly string[] = ["/", "/chat"];

/** The modules of `page/`: those of the console, the first of which imports the others, and those of the chat page. */
const consoleModules = [
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
];
const chatModules = ["chat", "dom", "gateway-url"];
export const pageModules: readonly string[] = [...new Set([...consoleModules, ...chatModules])];

/** Whether this is the source, run by tsx, or what was built of it. */
const extension = extname(import.meta.url);
const modulePath = (name: string): string => `/console/${name}${extension}`;

/** The client, for the chat page, and for pages elsewhere that begin with the console's code. */
const clientPath = "/tidegate.min.js";

const assets: Readonly<Record<string, () => Promise<ServedPage>>> = {
  "/console/style.css": async () => ({ contentType: "text/css; charset=utf-8", body: consoleStyle }),
  "/console/chat.css": async () => ({ contentType: "text/css; charset=utf-8", body: chatStyle }),
  "/console/uplot.css": () => packaged("uplot/dist/uPlot.min.css", "text/css; charset=utf-8"),
  "/console/uplot.js": () => packaged("uplot/dist/uPlot.iife.min.js", javascript),
  "/console/uplot-license.txt": () => packaged("uplot/LICENSE", "text/plain; charset=utf-8"),
  [clientPath]: clientScript,
  ...Object.fromEntries(pageModules.map((name) => [modulePath(name), () => pageModule(name)])),
};
export const assetPaths: readonly string[] = Object.keys(assets);

/** What stands at `path`; `undefined` for none of the pages and what they load. Rejects where a file is missing. */
export async function servedPage(path: string, setting: PageSetting): Promise<ServedPage | undefined> {
  if (path === "/") return document(consolePage({ ...setting, ...loadedByConsole }), setting);
  if (path === "/chat") return document(chatPage({ ...setting, ...loadedByChat }), setting);
  return Object.hasOwn(assets, path) ? assets[path]!() : undefined;
}

const javascript = "text/javascript; charset=utf-8";

const loadedByConsole = {
  styles: ["/console/uplot.css", "/console/style.css"],
  scripts: ["/console/uplot.js"],
  modules: consoleModules.map(modulePath),
};
const loadedByChat = {
  styles: ["/console/chat.css"],
  scripts: [clientPath],
  modules: chatModules.map(modulePath),
};

function document(body: string, setting: PageSetting): ServedPage {
  const headers = { "Content-Security-Policy": pagePolicy(setting), "X-Frame-Options": "DENY" };
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
