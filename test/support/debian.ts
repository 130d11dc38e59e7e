/**
 * Programs that tests need and npm does not ship. Where one is missing and the machine is Debian with root rights it is
 * installed, once, also when several test processes ask at the same time; elsewhere the test fails and says what to do.
 */
import { execFile } from "node:child_process";
import { access, constants, link, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

/** The path of `command`, after installing `debianPackage` if need be. Throws one line that says how to install it. */
export async function ensureCommand(command: string, debianPackage: string): Promise<string> {
  const found = await findCommand(command);
  if (found !== undefined) return found;
  const advice = `install it with: sudo apt-get install --no-install-recommends ${debianPackage}`;
  if (process.getuid?.() !== 0 || (await findCommand("apt-get")) === undefined)
    throw new Error(`this test needs ${command}, which is not on the PATH; ${advice}`);
  const installed = await withLock(join(tmpdir(), "tidegate-test-apt.lock"), async () => {
    const foundMeanwhile = await findCommand(command);
    if (foundMeanwhile !== undefined) return foundMeanwhile;
    await install(debianPackage).catch((error: { readonly stderr?: string }) => {
      const reason = (error.stderr ?? String(error)).trim().split("\n").at(-1);
      throw new Error(`this test needs ${command}, and apt-get failed (${reason}); ${advice}`);
    });
    return findCommand(command);
  });
  if (installed === undefined) throw new Error(`the package ${debianPackage} was installed but brought no ${command}`);
  return installed;
}

async function findCommand(command: string): Promise<string | undefined> {
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    const path = join(folder, command);
    if ((await isDone(access(path, constants.X_OK))) && (await stat(path)).isFile()) return path;
  }
  return undefined;
}

async function install(debianPackage: string): Promise<void> {
  // The lock time-out: another program, not one of ours, may be in the middle of an installation.
  const waiting = ["-o", "DPkg::Lock::Timeout=300"];
  const options = { env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" }, maxBuffer: 64 * 1024 * 1024 };
  await run("apt-get", [...waiting, "update"], options);
  await run("apt-get", [...waiting, "install", "-y", "--no-install-recommends", debianPackage], options);
}

/** Runs `action` while this process, of all on this machine, holds the file `path`. */
async function withLock<T>(path: string, action: () => Promise<T>): Promise<T> {
  const own = `${path}.${process.pid}`;
  await writeFile(own, String(process.pid));
  try {
    // A link appears whole or not at all: a lock always names its holder.
    while (!(await isDone(link(own, path)))) {
      if (await isAbandoned(path)) await rm(path, { force: true });
      await sleep(200);
    }
    try {
      return await action();
    } finally {
      await rm(path, { force: true });
    }
  } finally {
    await rm(own, { force: true });
  }
}

/** True where the process that the lock names has ended. */
async function isAbandoned(path: string): Promise<boolean> {
  const holder = Number(await readFile(path, "utf8").catch(() => Number.NaN));
  if (Number.isNaN(holder)) return false; // released in this moment
  try {
    process.kill(holder, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}

function isDone(step: Promise<void>): Promise<boolean> {
  return step.then(
    () => true,
    () => false,
  );
}
