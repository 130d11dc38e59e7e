import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";

const source = fileURLToPath(new URL("../src", import.meta.url));
const files = readdirSync(source, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
const textOf = new Map(files.map((file) => [file, readFileSync(join(source, file), "utf8")]));
const importPattern = /(?:\bfrom|\bimport)\s*\(?\s*"([^"]+)"/g;

/** What each file imports: files of the source as their path in it, packages as their name. */
const imports = new Map(
  [...textOf].map(([file, text]) => [
    file,
    [...text.matchAll(importPattern)].map(([, to = ""]) =>
      to.startsWith(".") ? normalize(join(dirname(file), to)) : to,
    ),
  ]),
);

/** The layers, from the bottom. Imports go downward only. */
const layers = [
  ["protocol"],
  ["auth", "limit", "metrics", "bus", "log", "clock", "uws"],
  ["connection"],
  ["channel"],
  ["inbound"],
  ["socket", "admin"],
  ["gateway", "config"],
  ["cli", "main.ts", "young-generation.ts"],
];
/** Between folders of one level: these only, each with its reason. */
const allowedSideways = new Map([
  ["auth -> clock", "the clock has no level of its own: everything that measures time needs it"],
  ["log -> clock", "as above"],
  ["gateway -> config", "the composition root takes the configuration apart"],
  ["main.ts -> cli", "the executable is the command line"],
  ["main.ts -> young-generation.ts", "V8 is told before anything is loaded"],
]);

const folderOf = (file: string): string => file.split("/")[0]!;
const levelOf = (file: string): number => layers.findIndex((layer) => layer.includes(folderOf(file)));
const inside = [...imports].flatMap(([from, tos]) => tos.filter((to) => textOf.has(to)).map((to) => ({ from, to })));

describe("The source", () => {
  it("has a layer for every folder", () => {
    assert.deepEqual(
      files.filter((file) => levelOf(file) === -1),
      [],
    );
  });

  it("imports downward only", () => {
    const upward = inside.filter(({ from, to }) => levelOf(to) > levelOf(from));
    assert.deepEqual(upward, []);
  });

  it("imports nothing from a folder of its own level, but for the exceptions listed here", () => {
    const sideways = inside
      .filter(({ from, to }) => levelOf(from) === levelOf(to) && folderOf(from) !== folderOf(to))
      .map(({ from, to }) => `${folderOf(from)} -> ${folderOf(to)}`);
    assert.deepEqual(
      [...new Set(sideways)].filter((pair) => !allowedSideways.has(pair)),
      [],
    );
  });

  it("has no cycle of imports", () => {
    const open: string[] = [];
    const done = new Set<string>();
    const visit = (file: string): void => {
      assert.ok(!open.includes(file), `cycle: ${[...open.slice(open.indexOf(file)), file].join(" -> ")}`);
      if (done.has(file)) return;
      open.push(file);
      for (const to of imports.get(file) ?? []) if (textOf.has(to)) visit(to);
      open.pop();
      done.add(file);
    };
    for (const file of files) visit(file);
  });

  it("loads uWebSockets.js in one file, which only the two ports use", () => {
    const importers = (wanted: (to: string) => boolean) => [
      ...new Set([...imports].filter(([, tos]) => tos.some(wanted)).map(([file]) => file)),
    ];
    assert.deepEqual(
      importers((to) => to === "uWebSockets.js"),
      ["uws/uws.ts"],
    );
    const users = new Set(importers((to) => to.startsWith("uws/")).map(folderOf));
    assert.deepEqual([...users].sort(), ["admin", "socket", "uws"]);
  });

  it("reads the environment in config alone", () => {
    const readers = files.filter((file) => /process\.env\b/.test(textOf.get(file)!) && folderOf(file) !== "config");
    assert.deepEqual(readers, ["uws/environment.ts"]); // sets what the native library reads when it is loaded
  });

  it("has no file beyond 260 lines", () => {
    const long = files.filter((file) => textOf.get(file)!.split("\n").length > 261);
    assert.deepEqual(long, []);
  });
});
