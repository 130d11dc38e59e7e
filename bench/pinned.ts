/** Processes on cores of their own: servers from the first core on, the load on the last. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cpus } from "node:os";

export const serverCore = 0;
export const loadCore = cpus().length - 1;

/** Starts a process on `core`; without taskset (not Linux), or with one core, wherever the system likes. */
export function spawnPinned(
  core: number,
  command: readonly string[],
  env: Readonly<Record<string, string>> = {},
  input: "pipe" | "ignore" = "ignore",
): ChildProcess {
  const isPinned = process.platform === "linux" && cpus().length > 1;
  const line = isPinned ? ["taskset", "-c", `${core}`, ...command] : command; // taskset becomes the command, under one pid
  return spawn(line[0]!, line.slice(1), { stdio: [input, "pipe", "inherit"], env: { ...process.env, ...env } });
}

/** Ends a process that was started here, and waits until it is gone. */
export async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, "exit");
  child.kill("SIGKILL");
  await exit;
}
