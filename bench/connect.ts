/** Scenario `connect`: handshakes with a token in the query, which all but raw verify. */
import type { ConnectJob, ConnectResult } from "./load/connect-load.ts";
import type { ServerAddress } from "./load/job.ts";
import { load } from "./load-process.ts";
import { interleaveServers, type Report, type Sample, type Sitting } from "./scenario.ts";
import { raw, verifyingRaw, withVariant } from "./servers.ts";

export async function connect(sitting: Sitting): Promise<Report> {
  const servers = withVariant(sitting.servers, raw, verifyingRaw);
  const runs = await interleaveServers(sitting, "connect", (server) => measure(server, sitting), servers);
  return { title: "handshakes with a token of its own each, verified by all but raw", baseline: "raw", runs };
}

async function measure(server: ServerAddress, { isQuick }: Sitting): Promise<Sample[]> {
  const job: ConnectJob = { server, waves: isQuick ? 1 : 6, perWave: isQuick ? 1000 : 2500 };
  const { upgradesPerSecond, cpu, microseconds } = await load<ConnectResult>("connect-load", job);
  return [
    { figure: "handshakes/s of a full core, accept to close", value: 1e6 / microseconds },
    { figure: "upgrades/s, on TCP connections that stand", value: upgradesPerSecond, cpu, mustSaturate: true },
  ];
}
