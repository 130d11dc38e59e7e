/** Commands to Redis servers, Sentinels and Clusters as an operator gives them. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { ensureCommand } from "./debian.ts";

const run = promisify(execFile);

/** What redis-cli prints for one command to the server on `port`. Rejects where that is an error. */
export async function redisCli(port: number, ...args: readonly string[]): Promise<string> {
  const cli = await ensureCommand("redis-cli", "redis-tools");
  const { stdout } = await run(cli, ["-p", `${port}`, "-e", ...args], { timeout: 20_000 });
  return stdout.trim();
}
