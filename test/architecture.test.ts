/** The rules of the house that no compiler checks: which way imports go, who may touch what, how long a file may be. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { pageModules } from "../src/console/console.ts";

/** The folders of `src`, from the programs down to the ground. Imports go downward only. */
const layers = [
  ["main"], // the files that stand in src itself
  ["cli"],
  ["cluster"],
  ["gateway", "config"],
  ["socket", "admin"],
  ["console"],
  ["inbound", "calls", "guard", "webhooks"],
  ["channel"],
  ["connection"],
  ["auth", "limit", "metrics", "bus", "log", "clock", "uws", "callout", "text", "client", "react"],
  ["protocol"],
] as const;

/** Folders of one layer do not import each other, except these. Each has its reason, and is in use. */
const neighbours: Readonly<Record<string, string>> = {
  "gateway -> config": "the composition root is handed the whole configuration, and its package entry loads it",
  "auth -> clock": "the clock is a parameter of everything that knows time: two functions and no import of its own",
  "log -> clock": "the same",
  "callout -> clock": "the same",
  "react -> client":
    "hooks over the client, for programs outside of the gateway: neither is imported by any other folder",
};

const fileLinesMax = 260;

interface SourceFile {
  /** From `src`: `socket/server.ts`. */
  readonly path: string;
  readonly folder: string;
  readonly lines: number;
  /** Without comments. */
  readonly code: string;
  /** What it imports, types too: paths from `src`, or the names of packages. */
  readonly imports: readonly string[];
}

const root = fileURLToPath(new URL("../src", import.meta.url));
const files: readonly SourceFile[] = readdirSync(root, { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".ts"))
  .sort()
  .map(readSource);
const byPath: ReadonlyMap<string, SourceFile> = new Map(files.map((file) => [file.path, file]));

function readSource(path: string): SourceFile {
  const text = readFileSync(join(root, path), "utf8");
  const code = withoutComments(text);
  const [first = "", ...rest] = path.split("/");
  return {
    path,
    folder: rest.length === 0 ? "main" : first,
    lines: text.split("\n").length - 1,
    code,
    imports: importsOf(code).map((name) =>
      name.startsWith(".") ? relative(root, join(root, dirname(path), name)) : name,
    ),
  };
}

/** Texts are kept, also those that look like comments. */
function withoutComments(text: string): string {
  const tokens = /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`|\/\/.*|\/\*[\s\S]*?\*\//g;
  return text.replace(tokens, (token) => (token.startsWith("/") ? "" : token));
}

function importsOf(code: string): string[] {
  const [head = ""] = code.split("`", 1); // imports stand at the top; what a template holds is text, also code for people
  const forms = /^(?:import|export)\s[^"]*?from\s*"([^"]+)"|^import\s*"([^"]+)"/gm;
  const found = [...head.matchAll(forms), ...code.matchAll(/\bimport\(\s*"([^"]+)"\s*\)/g)];
  return found.map((match) => match[1] ?? match[2] ?? "");
}

const layerOf = (folder: string): number =>
  layers.findIndex((folders) => (folders as readonly string[]).includes(folder));
const isPackage = (name: string): boolean => !byPath.has(name);

/** Every import from one folder of `src` to another, with its file. */
const crossings = files.flatMap((file) =>
  file.imports.flatMap((name) => {
    const target = byPath.get(name);
    return target === undefined || target.folder === file.folder
      ? []
      : [{ from: file.folder, to: target.folder, text: `${file.path} imports ${name}` }];
  }),
);

describe("The source", () => {
  it("is found by this test, and its imports too", () => {
    assert.ok(files.length > 50, `${files.length} files`);
    assert.ok(crossings.length > 100, `${crossings.length} imports between folders`);
    const server = byPath.get("socket/server.ts");
    assert.ok(server?.imports.includes("uws/uws.ts") && server.imports.includes("protocol/encode.ts"));
    assert.ok(byPath.get("cli/serve.ts")?.imports.includes("gateway/run.ts"), "an import at run time");
  });

  it("imports only files that are there, and packages", () => {
    const names = files.flatMap(({ path, imports }) => imports.filter(isPackage).map((name) => ({ path, name })));
    const missing = names.filter(({ name }) => name.includes("..") || name.endsWith(".ts"));
    assert.deepEqual(missing, []);
  });

  it("has no folder that is not in a layer, and no layer without its folders", () => {
    const present = [...new Set(files.map(({ folder }) => folder))].sort();
    assert.deepEqual(present, layers.flat().sort());
  });

  it("imports downward only", () => {
    const upward = crossings.filter(({ from, to }) => layerOf(to) < layerOf(from));
    assert.deepEqual(
      upward.map(({ text }) => text),
      [],
    );
  });

  it("has no imports between folders of one layer, except those with a reason", () => {
    const sideways = crossings.filter(({ from, to }) => layerOf(to) === layerOf(from));
    const unexplained = sideways.filter(({ from, to }) => neighbours[`${from} -> ${to}`] === undefined);
    assert.deepEqual(
      unexplained.map(({ text }) => text),
      [],
    );
    const used = new Set(sideways.map(({ from, to }) => `${from} -> ${to}`));
    assert.deepEqual([...used].sort(), Object.keys(neighbours).sort());
  });

  it("has no import cycle among its files", () => {
    const done = new Set<string>();
    const visit = (path: string, trail: readonly string[]): void => {
      assert.equal(trail.includes(path), false, `a cycle: ${[...trail.slice(trail.indexOf(path)), path].join(" -> ")}`);
      if (done.has(path)) return;
      for (const name of byPath.get(path)!.imports) if (!isPackage(name)) visit(name, [...trail, path]);
      done.add(path);
    };
    for (const { path } of files) visit(path, []);
    assert.equal(done.size, files.length);
  });

  it(`has no file over ${fileLinesMax} lines: what needs more is two things`, () => {
    const long = files.filter(({ lines }) => lines > fileLinesMax);
    assert.deepEqual(
      long.map(({ path, lines }) => `${path}: ${lines}`),
      [],
    );
  });
});

describe("Who may touch what", () => {
  const importers = (name: string): string[] =>
    files.filter(({ imports }) => imports.includes(name)).map(({ path }) => path);

  it("uWebSockets.js is imported by uws/uws.ts alone", () => {
    assert.deepEqual(importers("uWebSockets.js"), ["uws/uws.ts"]);
  });

  it("src/uws is used by the three folders that open ports, and by no other", () => {
    const users = new Set(crossings.filter(({ to }) => to === "uws").map(({ from }) => from));
    assert.deepEqual([...users].sort(), ["admin", "cluster", "socket"]);
  });

  it("the environment is read by src/config alone, and by the file that sets what uWebSockets.js reads from it", () => {
    const reads = /\bprocess\s*(?:\.|\?\.)\s*env\b|\bprocess\s*\[|\{[^}]*\benv\b[^}]*\}\s*=\s*process\b/;
    const readers = files.filter(({ code, imports }) => reads.test(code) || imports.includes("node:process"));
    const others = readers.filter(({ folder }) => folder !== "config").map(({ path }) => path);
    assert.deepEqual(others, ["uws/environment.ts"]);
    assert.ok(readers.length > others.length, "src/config is seen to read it");
  });

  it("the protocol is pure: it imports nothing of Node, and one package, so that it runs in a browser", () => {
    const imported = new Set(files.filter(({ folder }) => folder === "protocol").flatMap(({ imports }) => imports));
    assert.deepEqual([...imported].filter(isPackage), ["msgpackr"]);
  });

  it("the client and its hooks run in a browser: of the gateway they import the protocol, of packages one each", () => {
    const importsOf = (folder: string) =>
      files
        .filter((file) => file.folder === folder)
        .flatMap(({ path, imports }) => imports.map((name) => ({ path, name })))
        .filter(({ name }) => !name.startsWith(`${folder}/`));
    const packages = (folder: string) => importsOf(folder).filter(({ name }) => isPackage(name));
    assert.deepEqual(packages("client"), [{ path: "client/msgpack.ts", name: "msgpackr" }]);
    assert.deepEqual([...new Set(packages("react").map(({ name }) => name))], ["react"]);
    const outside = ["client", "react"].flatMap((folder) => importsOf(folder).filter(({ name }) => !isPackage(name)));
    assert.deepEqual([...new Set(outside.map(({ name }) => byPath.get(name)?.folder))].sort(), ["client", "protocol"]);
    const users = crossings.filter(({ to }) => to === "client" || to === "react").map(({ from }) => from);
    assert.deepEqual([...new Set(users)], ["react"]);
  });

  it("each package is one that package.json declares as a dependency", () => {
    const manifest = JSON.parse(readFileSync(join(root, "../package.json"), "utf8"));
    const declared = new Set(Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies }));
    const used = new Set(
      files.flatMap(({ imports }) => imports.filter(isPackage)).filter((name) => !name.startsWith("node:")),
    );
    assert.deepEqual(
      [...used].filter((name) => !declared.has(name)),
      ["esbuild"], // where nothing is built, console/console.ts takes the types out of the page's modules with it
    );
    assert.deepEqual(importers("esbuild"), ["console/console.ts"]);
  });

  it("the console's page imports nothing but its own modules, which are all served", () => {
    const pages = files.filter(({ path }) => path.startsWith("console/page/"));
    const names = pages.map(({ path }) => path.slice("console/page/".length, -".ts".length));
    assert.deepEqual(names, [...pageModules].sort());
    const others = pages.flatMap(({ imports }) => imports.filter((name) => !name.startsWith("console/page/")));
    assert.deepEqual(others, []);
  });
});
