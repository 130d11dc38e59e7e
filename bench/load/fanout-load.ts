/**
 * The load process of `fanout`: keeps a number of publications in flight, one number after the other. A publication
 * is in flight until every probe has it; the next one goes out as soon as that is seen. Prints `FanoutResult[]`.
 */
import { type CpuShares, watchCpu } from "./cpu-time.ts";
import { answer, readJob, type ServerAddress, sleep, targetOf } from "./job.ts";
import { Publisher, publications } from "./publisher.ts";

export interface FanoutJob {
  readonly server: ServerAddress;
  readonly channel: string;
  readonly probes: number;
  readonly inFlight: readonly number[];
  readonly warmUpMs: number;
  readonly measuredMs: number;
  /** Other processes of the load, whose processor time counts as its own. */
  readonly loadPids: readonly number[];
}

export interface FanoutResult {
  readonly publicationsPerSecond: number;
  readonly cpu: CpuShares;
}

const stallMs = 30_000;

const job = readJob<FanoutJob>();
const target = targetOf(job.server);
let limit = 0; // publications that may be in flight; 0 while nothing is measured
let isScheduled = false;
const batch = publications(target, job.channel, Math.max(...job.inFlight));
const frameBytes = batch.length / Math.max(...job.inFlight);

const publisher = await Publisher.open(target, job.channel, job.probes, () => {
  if (isScheduled || limit === 0) return;
  isScheduled = true;
  setImmediate(refill); // after all sockets of this turn are read
});

function refill(): void {
  isScheduled = false;
  const free = limit - (publisher.sent - publisher.completed);
  if (free > 0) publisher.send(batch.subarray(0, free * frameBytes), free);
}

/** Resolves once `count` publications are complete. */
async function reached(count: number): Promise<void> {
  const endMs = performance.now() + stallMs;
  while (publisher.completed < count) {
    if (performance.now() > endMs) throw new Error(`no ${count} publications complete after ${stallMs} ms`);
    await sleep(1);
  }
}

const results: FanoutResult[] = [];
for (const count of job.inFlight) {
  limit = count;
  refill();
  await sleep(job.warmUpMs);
  // A slow server completes all that are in flight together, seconds apart: measured are whole rounds of them.
  await reached(publisher.completed + 1);
  const read = watchCpu(job.server.pid, [process.pid, ...job.loadPids]);
  const before = publisher.completed;
  await sleep(job.measuredMs);
  await reached(before + count);
  const cpu = read();
  results.push({ publicationsPerSecond: (publisher.completed - before) / cpu.seconds, cpu });
  limit = 0;
  await publisher.quiet();
}
answer({ results, sent: publisher.sent });
process.exit(0);
