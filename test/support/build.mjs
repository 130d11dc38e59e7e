/** Builds each TypeScript file of `src` and `test` by itself for `built.mjs`: its types taken out, with a map to its lines. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { transform } from "esbuild";

const files = ["src", "test"].flatMap((folder) =>
  readdirSync(folder, { recursive: true }).map((file) => join(folder, file)),
);
await Promise.all(files.filter((file) => file.endsWith(".ts")).map(build));

async function build(file) {
  const options = { loader: "ts", target: "es2023", sourcemap: "inline", sourcesContent: false };
  const { code } = await transform(readFileSync(file, "utf8"), { ...options, sourcefile: basename(file) });
  const built = join("node_modules/.cache/tests", `${file.slice(0, -3)}.js`);
  mkdirSync(dirname(built), { recursive: true });
  writeFileSync(built, code);
}
