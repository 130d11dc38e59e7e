/**
 * Scenario `latency`: one connection publishes to 1,000 subscribers at scheduled times, at 30 % and 70 % of what the same
 * server did in the same run with 32 publications in flight.
 */
import { channel, probes, subscribers, withDrain } from "./fanout.ts";
import type { ServerAddress } from "./load/job.ts";
import type { LatencyJob, LatencyResult } from "./load/latency-load.ts";
import { load } from "./load-process.ts";
import { interleaveServers, type Report, type Sample, type Sitting } from "./scenario.ts";

const shares = [0.3, 0.7];

export async function latency(sitting: Sitting): Promise<Report> {
  const runs = await interleaveServers(sitting, "latency", (server) => measure(server, sitting));
  return {
    title: "from the time a publication was due until a subscriber has it; each server at shares of its own saturation",
    baseline: "raw",
    runs,
  };
}

function measure(server: ServerAddress, { isQuick }: Sitting): Promise<Sample[]> {
  const times = isQuick
    ? { saturatedMs: 300, warmUpMs: 200, measuredMs: 500 }
    : { saturatedMs: 1000, warmUpMs: 500, measuredMs: 2500 };
  return withDrain(server, async (drain) => {
    const job: LatencyJob = { server, channel, probes, inFlight: 32, shares, ...times, loadPids: [drain.pid] };
    const { saturationPerSecond, paced, sent } = await load<LatencyResult>("latency-load", job);
    const lost = sent * (subscribers - probes) - (await drain.ask<number>());
    const samples: Sample[] = [{ figure: "deliveries/s, saturated", value: saturationPerSecond * subscribers, lost }];
    for (const { share, p50Ms, p99Ms, p999Ms, cpu } of paced) {
      const load = `at ${Math.round(share * 100)} %`;
      const common = { isLessBetter: true, cpu };
      samples.push({ figure: `p50 ms ${load}`, value: p50Ms, ...common });
      samples.push({ figure: `p99 ms ${load}`, value: p99Ms, ...common });
      samples.push({ figure: `p99.9 ms ${load}`, value: p999Ms, ...common });
    }
    return samples;
  });
}
