/** Scenario `fanout`: one connection publishes to 1,000 subscribers, itself among them. */
import type { DrainJob } from "./load/drain.ts";
import type { FanoutJob, FanoutResult } from "./load/fanout-load.ts";
import type { ServerAddress } from "./load/job.ts";
import { LoadProcess, load } from "./load-process.ts";
import { interleaveServers, type Report, type Sample, type Sitting } from "./scenario.ts";
import { batching, tidegate, withVariant } from "./servers.ts";

export const subscribers = 1000;
const inFlight = [1, 32, 256];
export const probes = 10;
export const channel = "bench.fanout";

export async function fanout(sitting: Sitting): Promise<Report> {
  const times = sitting.isQuick ? { warmUpMs: 250, measuredMs: 350 } : { warmUpMs: 700, measuredMs: 1600 };
  const runs = await interleaveServers(
    sitting,
    "fanout",
    (server) => measure(server, times),
    withVariant(sitting.servers, tidegate, batching),
  );
  return { title: "one connection publishes to 1,000 subscribers", baseline: "raw", runs };
}

async function measure(
  server: ServerAddress,
  times: { readonly warmUpMs: number; readonly measuredMs: number },
): Promise<Sample[]> {
  return withDrain(server, async (drain) => {
    const job: FanoutJob = { server, channel, probes, inFlight, ...times, loadPids: [drain.pid] };
    const { results, sent } = await load<{ results: FanoutResult[]; sent: number }>("fanout-load", job);
    const lost = sent * (subscribers - probes) - (await drain.ask<number>());
    return results.map(({ publicationsPerSecond, cpu }, index) => ({
      figure: `deliveries/s, ${inFlight[index]} in flight`,
      value: publicationsPerSecond * subscribers,
      cpu,
      mustSaturate: true,
      lost: index === 0 ? lost : 0, // of all phases together
    }));
  });
}

/** Opens the subscribers that nobody looks at one by one. */
export async function withDrain<T>(server: ServerAddress, use: (drain: LoadProcess) => Promise<T>): Promise<T> {
  const job: DrainJob = { server, count: subscribers - probes, channel, from: probes };
  const drain = new LoadProcess("drain", job);
  try {
    await drain.answer();
    return await use(drain);
  } finally {
    await drain.end();
  }
}
