/** Processes on cores of their own: servers from the first core on, the load on the last. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cpus } from "node:os";

export const serverCore = 0;
export const loadCore = cpus().length - 1;

const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL"); // a server left behind would hold the port of the next sitting
});
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));

/** Starts a process on `core`; without taskset (not Linux), or with one core, wherever the system likes. */
export function spawnPinned(
  core: number,
  command: readonly string[],
  env: Readonly<Record<string, string>> = {},
  input: "pipe" | "ignore" = "ignore",
): ChildProcess {
  const isPinned = process.platform === "linux" && cpus().length > 1;
  const line = isPinned ? ["taskset", "-c", `${core}`, ...command] : command; // taskset becomes the command, under one pid
  const child = spawn(line[0]!, line.slice(1), { stdio: [input, "pipe", "inherit"], env: { ...process.env, ...env } });
  running.add(child);
  child.once("exit", () => running.delete(child));
  return child;
}

/** Ends a process that was started here, and waits until it is gone. */
export async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, "exit");
  child.kill("SIGKILL");
  await exit;
}
