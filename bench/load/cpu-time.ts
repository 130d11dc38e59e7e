/** Processor time of processes, its own and others': who was busy, and who was waited for. Source: proc(5), stat. */
import { readFileSync } from "node:fs";

/** USER_HZ, which Linux keeps at 100 on every machine that Node runs on. */
const ticksPerSecond = 100;

/** Seconds of processor time that process `pid` has had, all threads; NaN where there is no /proc. */
export function cpuSeconds(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" "); // the name may hold spaces; the state is the first after it
    return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
  } catch {
    return Number.NaN;
  }
}

/** Seconds of processor time that all processes of the machine have had, and its host took away; NaN without /proc. */
function allSeconds(): number {
  try {
    const [, user, nice, system, , , , , steal] = readFileSync("/proc/stat", "latin1").split(/\s+/, 9).map(Number);
    return (user! + nice! + system! + steal!) / ticksPerSecond;
  } catch {
    return Number.NaN;
  }
}

/** Shares of one core: 1 is all of it. */
export interface CpuShares {
  readonly seconds: number;
  readonly serverSeconds: number;
  readonly server: number;
  readonly load: number;
  /** Everything else on the machine: what disturbed the measurement. */
  readonly others: number;
}

/** Starts a watch; calling what it returns reads it. */
export function watchCpu(server: number, load: readonly number[]): () => CpuShares {
  const loadSeconds = (): number => load.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
  const [startMs, serverAtStart, loadAtStart, allAtStart] = [
    performance.now(),
    cpuSeconds(server),
    loadSeconds(),
    allSeconds(),
  ];
  return () => {
    const seconds = (performance.now() - startMs) / 1000;
    const serverSeconds = cpuSeconds(server) - serverAtStart;
    const ownSeconds = loadSeconds() - loadAtStart;
    const others = Math.max(0, allSeconds() - allAtStart - serverSeconds - ownSeconds) / seconds;
    return { seconds, serverSeconds, server: serverSeconds / seconds, load: ownSeconds / seconds, others };
  };
}
