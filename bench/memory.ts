/** What processes and the kernel take, read from /proc. Linux alone. Source: proc(5). */
import { readdirSync, readFileSync, statSync } from "node:fs";

/** A process and all that it has started, those that have ended left out. */
export function processTree(pid: number): readonly number[] {
  const children = unlessGone(() => readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8"), "");
  return [pid, ...children.split(" ").filter(Boolean).map(Number).flatMap(processTree)];
}

/** Bytes of these processes; what several share is counted once, in parts (PSS). */
export function processBytes(pids: readonly number[]): number {
  return sum(pids, (pid) => {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
    return Number(/^Pss:\s+(\d+) kB/m.exec(text)?.[1]) * 1024;
  });
}

/** Resident bytes of one process (VmRSS). */
export function residentBytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024;
}

/** Seconds of processor time that these processes have used. */
export function processorSeconds(pids: readonly number[]): number {
  return sum(pids, (pid) => {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
    return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
  });
}

/** Descriptors that a process has open. Since Linux 6.2 the folder's size says it. */
export function openDescriptors(pid: number): number {
  const folder = `/proc/${pid}/fd`;
  return statSync(folder).size || readdirSync(folder).length;
}

/**
 * Bytes that are free, or hold files that can be read again. MemAvailable says more: it takes the kernel's reclaimable
 * objects for free, but the inodes of open sockets, 2 KB a connection with two ends, are among them.
 */
export const availableBytes = (): number => meminfo("MemAvailable") - meminfo("SReclaimable");

/** Bytes in the kernel's own objects: sockets, files, the inodes of both, epoll. */
export const kernelObjectBytes = (): number => meminfo("Slab");

const meminfo = (name: string): number =>
  Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(readFileSync("/proc/meminfo", "utf8"))?.[1]) * 1024;

const ticksPerSecond = 100; // USER_HZ, the same on all architectures that Node.js runs on

const sum = (pids: readonly number[], of: (pid: number) => number): number =>
  pids.reduce((total, pid) => total + unlessGone(() => of(pid), 0), 0);

function unlessGone<T>(value: () => T, otherwise: T): T {
  try {
    return value();
  } catch {
    return otherwise;
  }
}
