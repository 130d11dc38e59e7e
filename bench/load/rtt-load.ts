/**
 * The load process of `rtt`: connections with a channel each, one message of each under way. What comes back is answered
 * by the next one at once. Prints `RttResult`.
 */
import { build } from "hdr-histogram-js";
import { openClients } from "./client.ts";
import { type CpuShares, watchCpu } from "./cpu-time.ts";
import { counterFor } from "./frame-counter.ts";
import { answer, readJob, type ServerAddress, sleep, targetOf } from "./job.ts";
import { publications } from "./publisher.ts";

export interface RttJob {
  readonly server: ServerAddress;
  readonly connections: number;
  readonly warmUpMs: number;
  readonly measuredMs: number;
}

export interface RttResult {
  readonly perSecond: number;
  readonly medianMs: number;
  readonly cpu: CpuShares;
}

const { server, connections, warmUpMs, measuredMs } = readJob<RttJob>();
const target = targetOf(server);
const channelOf = (index: number): string => `bench.rtt.${index}`;
const counters = Array.from({ length: connections }, () => counterFor(target.dialect));
const frames = counters.map((_, index) => publications(target, channelOf(index), 1));
const sentAtMs = new Float64Array(connections); // [connection]
const latencies = build({ lowestDiscernibleValue: 1, highestTrackableValue: 3.6e9, useWebAssembly: false });
let roundTrips = 0;

const sockets = await openClients(target, connections, (index) => ({
  number: index,
  channel: channelOf(index),
  onBytes: (bytes) => {
    const counter = counters[index]!;
    const before = counter.messages;
    counter.push(bytes);
    if (counter.messages === before) return; // an acknowledgement
    roundTrips += 1;
    latencies.recordValue(Math.max(1, Math.round((performance.now() - sentAtMs[index]!) * 1000)));
    publish(index);
  },
}));

function publish(index: number): void {
  sentAtMs[index] = performance.now();
  sockets[index]!.write(frames[index]!);
}

for (const index of sockets.keys()) publish(index);
await sleep(warmUpMs);
latencies.reset();
const before = roundTrips;
const read = watchCpu(server.pid, [process.pid]);
await sleep(measuredMs);
const cpu = read();
const result: RttResult = {
  perSecond: (roundTrips - before) / cpu.seconds,
  medianMs: latencies.getValueAtPercentile(50) / 1000,
  cpu,
};
answer(result);
process.exit(0);
