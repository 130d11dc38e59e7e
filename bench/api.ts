/**
 * Scenario `api`: a backend publishes by HTTP, single calls and batches of 100, over connections that are kept, while
 * 1,000 WebSocket connections stand idle. Beside a bare uWebSockets.js POST handler that is sent the same bytes.
 */
import { fileURLToPath } from "node:url";
import type { ApiJob, ApiResult } from "./load/api-load.ts";
import type { IdleJob } from "./load/idle-clients.ts";
import { type ServerAddress, sleep } from "./load/job.ts";
import { LoadProcess, load } from "./load-process.ts";
import { interleave, type Report, type Sample, type Sitting } from "./scenario.ts";
import { withServer } from "./server-process.ts";
import { type Server, tidegate } from "./servers.ts";

const httpPort = 9595;
const idleConnections = 1000;
const batchSize = 100;
const connections = 64;
const key = "a-key-of-the-bench-0001";

const servers: readonly Server[] = [
  {
    name: "raw",
    dialect: "raw",
    command: (port) => [
      process.execPath,
      fileURLToPath(new URL("peers/raw-http.js", import.meta.url)),
      `${port}`,
      `${httpPort}`,
    ],
  },
  {
    ...tidegate,
    command: (port) => [...tidegate.command(port).slice(0, -1), `${httpPort}`],
    env: { ...tidegate.env, TIDEGATE_API__KEYS: key },
  },
];

const publication = { channel: "bench.api", message: "a message of the bench, forty characters" };
const bodies = {
  single: JSON.stringify(publication),
  batch: JSON.stringify({
    calls: Array.from({ length: batchSize }, () => ({ method: "publish", params: publication })),
  }),
};

export async function api(sitting: Sitting): Promise<Report> {
  const runs = await interleave(sitting, "api", servers, (server) =>
    withServer(server, (address) => measure(address, sitting)),
  );
  return {
    title: `messages published by HTTP beside ${idleConnections.toLocaleString("en-US")} idle connections`,
    baseline: "raw",
    runs,
    remarks: [
      "raw only reads the body and answers: of a batch as well, so that figure is how fast its bytes can come in.",
    ],
  };
}

async function measure(server: ServerAddress, { isQuick }: Sitting): Promise<Sample[]> {
  const times = isQuick ? { warmUpMs: 300, measuredMs: 500 } : { warmUpMs: 1500, measuredMs: 2500 };
  const idleJob: IdleJob = { server, count: idleConnections, isAnonymous: true };
  const idle = new LoadProcess("idle-clients", idleJob);
  try {
    await idle.answer();
    await sleep(100);
    const job = { port: httpPort, pid: server.pid, connections, key, ...times };
    const single: ApiJob = { ...job, path: "/api/v1/publish", body: bodies.single };
    const batch: ApiJob = { ...job, path: "/api/v1/batch", body: bodies.batch };
    const [one, many] = [await load<ApiResult>("api-load", single), await load<ApiResult>("api-load", batch)];
    return [
      { figure: "messages/s, single calls", value: one.requestsPerSecond, cpu: one.cpu, mustSaturate: true },
      {
        figure: `messages/s, batches of ${batchSize}`,
        value: many.requestsPerSecond * batchSize,
        cpu: many.cpu,
        mustSaturate: true,
      },
    ];
  } finally {
    await idle.end();
  }
}
