/**
 * The load process of `latency`: first saturation, with a number of publications in flight; then, at shares of what was
 * measured, publications at scheduled times. A latency counts from the time at which its publication was due, sent late or
 * not, so that a server which stalls is charged for everything that had to wait (no coordinated omission). Prints
 * `LatencyResult`.
 */
import { build, type Histogram } from "hdr-histogram-js";
import { type CpuShares, watchCpu } from "./cpu-time.ts";
import { frameOf } from "./dialects.ts";
import { answer, readJob, rest, type ServerAddress, sleep, targetOf } from "./job.ts";
import { Publisher, publications, textOf } from "./publisher.ts";
import { ServerFrames } from "./server-frames.ts";

export interface LatencyJob {
  readonly server: ServerAddress;
  readonly channel: string;
  readonly probes: number;
  readonly inFlight: number;
  readonly shares: readonly number[];
  readonly saturatedMs: number;
  readonly warmUpMs: number;
  readonly measuredMs: number;
  readonly loadPids: readonly number[];
}

export interface Paced {
  readonly share: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly cpu: CpuShares;
}

export interface LatencyResult {
  readonly saturationPerSecond: number;
  readonly paced: readonly Paced[];
  readonly sent: number;
}

/** Between two looks at the clock: a publication goes out at most so much after it was due. */
const restMs = 0.2;
/** Phases begin so late that nothing is due before they are ready. */
const leadMs = 50;
const drainMs = 2000;

const job = readJob<LatencyJob>();
const target = targetOf(job.server);
const { dialect } = target;
let onMessage: (number: number) => void = () => {};
let isPacing = false;
const readers = Array.from(
  { length: job.probes },
  () =>
    new ServerFrames((bytes, from, to) => {
      for (let at = bytes.indexOf(dialect.mark, from); at !== -1 && at < to; at = bytes.indexOf(dialect.mark, at + 1))
        onMessage(Number(bytes.toString("latin1", at + dialect.mark.length, at + dialect.mark.length + 10)));
    }),
);
let refill = (): void => {};
const publisher = await Publisher.open(target, job.channel, job.probes, (probe, bytes) => {
  if (isPacing) readers[probe]!.push(bytes);
  else setImmediate(refill);
});

const saturationPerSecond = await saturate();
const paced: Paced[] = [];
for (const share of job.shares) paced.push(await pace(share));
answer({ saturationPerSecond, paced, sent: publisher.sent } satisfies LatencyResult);
process.exit(0);

async function saturate(): Promise<number> {
  const batch = publications(target, job.channel, job.inFlight);
  refill = () => {
    const free = job.inFlight - (publisher.sent - publisher.completed);
    if (free > 0) publisher.send(batch.subarray(0, (batch.length / job.inFlight) * free), free);
  };
  refill();
  await sleep(job.warmUpMs);
  const [before, startMs] = [publisher.completed, performance.now()];
  await sleep(job.saturatedMs);
  const perSecond = ((publisher.completed - before) * 1000) / (performance.now() - startMs);
  refill = () => {};
  await publisher.quiet();
  return perSecond;
}

async function pace(share: number): Promise<Paced> {
  isPacing = true; // all is quiet: every reader begins at a frame's beginning
  const perSecond = saturationPerSecond * share;
  const warmUpCount = Math.ceil((perSecond * job.warmUpMs) / 1000);
  const count = warmUpCount + Math.ceil((perSecond * job.measuredMs) / 1000);
  const latencies: Histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: 3.6e9,
    useWebAssembly: false,
  });
  const startMs = performance.now() + leadMs;
  const dueMs = (number: number): number => startMs + (number * 1000) / perSecond;
  onMessage = (number) => {
    if (number >= warmUpCount)
      latencies.recordValue(Math.max(1, Math.round((performance.now() - dueMs(number)) * 1000)));
  };
  let read = watchCpu(job.server.pid, [process.pid, ...job.loadPids]);
  let isWarm = false;
  for (let sent = 0; sent < count; ) {
    const due: Buffer[] = [];
    for (const nowMs = performance.now(); sent < count && dueMs(sent) <= nowMs; sent += 1)
      due.push(frameOf(dialect, dialect.publish(job.channel, textOf(sent))));
    if (due.length > 0) publisher.send(Buffer.concat(due), due.length);
    if (!isWarm && sent >= warmUpCount) {
      isWarm = true;
      read = watchCpu(job.server.pid, [process.pid, ...job.loadPids]);
    }
    rest(restMs);
    await new Promise((resolve) => setImmediate(resolve));
  }
  const cpu = read();
  for (const endMs = performance.now() + drainMs; publisher.completed < publisher.sent && performance.now() < endMs; )
    await sleep(5);
  await publisher.quiet();
  const [p50Ms, p99Ms, p999Ms] = [50, 99, 99.9].map((percent) => latencies.getValueAtPercentile(percent) / 1000);
  return { share, perSecond, p50Ms: p50Ms!, p99Ms: p99Ms!, p999Ms: p999Ms!, cpu };
}
