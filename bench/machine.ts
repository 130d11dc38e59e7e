/** Where and of what the figures are: machine, versions, commit. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../../../", import.meta.url)); // from dist/bench/bench
const compared = ["uWebSockets.js", "ws", "socket.io"];

export function describeMachine(): object {
  return {
    cpu: cpus()[0]?.model,
    cores: cpus().length,
    memoryBytes: totalmem(),
    system: `${process.platform} ${release()}`,
    node: process.version,
    commit: commit(),
    versions: Object.fromEntries(compared.map((name) => [name, versionOf(name)])),
  };
}

/** `undefined` outside of a clone. `+` behind it: there are changes that are not committed. */
function commit(): string | undefined {
  try {
    const git = (...args: string[]): string =>
      execFileSync("git", args, { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
    const isClean = git("status", "--porcelain", "--", "src", "bench/*.ts", "package.json") === "";
    return `${git("rev-parse", "HEAD")}${isClean ? "" : "+"}`;
  } catch {
    return undefined;
  }
}

function versionOf(name: string): string {
  return JSON.parse(readFileSync(`${root}node_modules/${name}/package.json`, "utf8")).version;
}
