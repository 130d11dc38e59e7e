/** Scenario `connect`: handshakes with a token in the query, which Tidegate and Centrifugo verify and the others ignore. */

import type { ConnectJob, ConnectResult } from "./load/connect-load.ts";
import type { ServerAddress } from "./load/job.ts";
import { load } from "./load-process.ts";
import { interleaveServers, type Report, type Sample, type Sitting } from "./scenario.ts";

export async function connect(sitting: Sitting): Promise<Report> {
  const runs = await interleaveServers(sitting, "connect", (server) => measure(server, sitting));
  return {
    title: "handshakes with a token of its own each, verified by Tidegate",
    baseline: "raw",
    runs,
    remarks: ["Where the server was not saturated, compare its processor time for each handshake."],
  };
}

async function measure(server: ServerAddress, { isQuick }: Sitting): Promise<Sample[]> {
  const counts = isQuick ? { warmUp: 1000, count: 3000 } : { warmUp: 3000, count: 15_000 };
  const job: ConnectJob = { server, ...counts, underWay: 200 };
  const { perSecond, cpu } = await load<ConnectResult>("connect-load", job);
  const common = { cpu };
  return [
    { figure: "handshakes/s", value: perSecond, ...common, mustSaturate: true },
    {
      figure: "server µs/handshake",
      value: (cpu.serverSeconds * 1e6) / counts.count,
      isLessBetter: true,
      ...common,
    },
  ];
}
