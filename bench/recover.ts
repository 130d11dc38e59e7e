/**
 * Scenario `recover`: 10,000 clients of 100 channels come back at once, each with the position after which it missed ten
 * messages. The yardstick is the same rush without recovery: raw uWebSockets.js, where they connect and subscribe.
 */
import type { ServerAddress } from "./load/job.ts";
import type { RecoverJob, RecoverResult } from "./load/recover-load.ts";
import { load } from "./load-process.ts";
import { interleaveServers, type Report, type Sample, type Sitting } from "./scenario.ts";
import { raw, tidegate } from "./servers.ts";

export async function recover(sitting: Sitting): Promise<Report> {
  const clients = sitting.isQuick ? 2000 : 10_000;
  const runs = await interleaveServers(sitting, "recover", (server) => measure(server, clients), [raw, tidegate]);
  return {
    title: `${clients.toLocaleString("en-US")} clients come back at once; with tidegate each gets the ten messages it missed`,
    baseline: "raw",
    runs,
  };
}

async function measure(server: ServerAddress, clients: number): Promise<Sample[]> {
  const missed = server.dialect === tidegate.dialect ? 10 : 0;
  const job: RecoverJob = { server, clients, channels: 100, missed };
  const { milliseconds, cpu, unrecovered } = await load<RecoverResult>("recover-load", job);
  const shares = { cpu };
  return [
    { figure: "ms until all are back", value: milliseconds, isLessBetter: true, ...shares, lost: unrecovered },
    { figure: "server µs/client", value: (cpu.serverSeconds * 1e6) / clients, isLessBetter: true, ...shares },
  ];
}
