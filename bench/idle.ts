/**
 * Scenario `idle`: resident memory of the server for each connection that is open, subscribed to one channel of its
 * own, and silent. With Tidegate once without tokens, and once with each connection as a user of its own.
 */
import { readFileSync } from "node:fs";
import type { IdleJob } from "./load/idle-clients.ts";
import { type ServerAddress, sleep } from "./load/job.ts";
import { LoadProcess } from "./load-process.ts";
import { interleave, type Report, type Sample, type Sitting } from "./scenario.ts";
import { withServer } from "./server-process.ts";
import { tidegate } from "./servers.ts";

/** Connections opened and closed before the first reading, so that code is compiled and no start-up cost is counted. */
const warmUp = 200;

export async function idle(sitting: Sitting): Promise<Report> {
  const connections = sitting.isQuick ? 1500 : 15_000;
  const settleMs = sitting.isQuick ? 150 : 1000;
  const [first, ...others] = sitting.servers.filter(({ name }) => name !== tidegate.name);
  const servers = [first!, tidegate, { ...tidegate, name: "tidegate, users" }, ...others];
  const runs = await interleave(sitting, "idle", servers, (server) =>
    withServer(server, (address) => measure(address, server.name === tidegate.name, connections, settleMs)),
  );
  return {
    title: `${connections.toLocaleString("en-US")} silent connections with a channel each, resident memory of the server`,
    baseline: "raw",
    runs,
    remarks: sitting.isQuick ? ["So few connections say little: what a heap grows by at a time weighs more."] : [],
  };
}

async function measure(
  server: ServerAddress,
  isAnonymous: boolean,
  connections: number,
  settleMs: number,
): Promise<Sample[]> {
  await withClients({ server, isAnonymous, count: warmUp }, settleMs, () => 0);
  const before = residentBytes(server.pid);
  const after = await withClients({ server, isAnonymous, count: connections }, settleMs, () =>
    residentBytes(server.pid),
  );
  return [{ figure: "bytes/connection", value: (after - before) / connections, isLessBetter: true }];
}

async function withClients(job: IdleJob, settleMs: number, read: () => number): Promise<number> {
  const clients = new LoadProcess("idle-clients", job);
  try {
    await clients.answer();
    await sleep(settleMs);
    return read();
  } finally {
    await clients.end();
    await sleep(settleMs);
  }
}

/** The process' resident set. Source: proc(5), VmRSS. */
function residentBytes(pid: number): number {
  const kilobytes = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kilobytes) * 1024;
}
