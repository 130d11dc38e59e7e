/** Scenario `rtt`: each connection publishes to a channel of its own, and again once its own message came back. */
import type { ServerAddress } from "./load/job.ts";
import type { RttJob, RttResult } from "./load/rtt-load.ts";
import { load } from "./load-process.ts";
import { interleaveServers, type Report, type Sample, type Sitting } from "./scenario.ts";

const counts = [1, 100];

export async function rtt(sitting: Sitting): Promise<Report> {
  const runs = await interleaveServers(sitting, "rtt", (server) => measure(server, sitting));
  return { title: "publish to a channel of one's own, and wait for the message", baseline: "raw", runs };
}

async function measure(server: ServerAddress, { isQuick }: Sitting): Promise<Sample[]> {
  const times = isQuick ? { warmUpMs: 150, measuredMs: 300 } : { warmUpMs: 500, measuredMs: 1200 };
  const samples: Sample[] = [];
  for (const connections of counts) {
    const job: RttJob = { server, connections, ...times };
    const { perSecond, medianMs, cpu } = await load<RttResult>("rtt-load", job);
    const common = { cpu };
    const from = connections === 1 ? "1 connection" : `${connections} connections`;
    // With one connection both sides wait for each other: nothing can be saturated.
    samples.push({ figure: `round trips/s, ${from}`, value: perSecond, ...common, mustSaturate: connections > 1 });
    samples.push({ figure: `median ms, ${from}`, value: medianMs, isLessBetter: true, ...common });
  }
  return samples;
}
