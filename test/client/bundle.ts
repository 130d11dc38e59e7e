/** What esbuild makes of a file for a browser; the script-tag build as `npm run build` makes it. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const project = fileURLToPath(new URL("../..", import.meta.url));

/** The text of `tidegate.min.js`, made by the arguments of the script in package.json. */
export async function scriptBuild(): Promise<string> {
  const { scripts } = JSON.parse(readFileSync(`${project}/package.json`, "utf8"));
  const [, entry = "", ...flags] = String(scripts["build:script"]).split(" ");
  const options = flags
    .map((flag) => /^--([a-z-]+)(?:=(.*))?$/.exec(flag)!)
    .map(([, name = "", value]) => [camelCase(name), value ?? true] as const)
    .filter(([name]) => name !== "outfile");
  return bundle(entry, Object.fromEntries(options));
}

const camelCase = (name: string): string => name.replace(/-[a-z]/g, (match) => match.slice(1).toUpperCase());

/** `entry` is a path from the project's folder, or `stdin` among the options. */
export async function bundle(entry: string | undefined, options: object = {}): Promise<string> {
  const { outputFiles } = await build({
    ...(entry === undefined ? {} : { entryPoints: [entry] }),
    absWorkingDir: project,
    bundle: true,
    write: false,
    logLevel: "warning",
    ...options,
  });
  return outputFiles[0]!.text;
}
