/** A gateway of several workers as a real process tree, and clients that are spread over its workers. */
import type { TestContext } from "node:test";
import { until } from "../support/child.ts";
import { connect, type TestClient } from "../support/client.ts";
import { type NodeProcess, startNodeProcess } from "../support/node-process.ts";

export interface WorkerCluster extends NodeProcess {
  readonly url: string;
  /** The workers of this moment, by number. */
  workers(): readonly { readonly worker: number; readonly pid: number; readonly node: string }[];
  /** All series of one metric at this moment: the value by its labels as they are written; "" for none. */
  metric(name: string): Promise<Readonly<Record<string, number>>>;
  /** Resolves once `count` workers have said that they are ready, since the start of the cluster. */
  becameReady(count: number): Promise<void>;
}

export async function startWorkerCluster(
  t: TestContext,
  settings: Record<string, unknown> = {},
): Promise<WorkerCluster> {
  const node = await startNodeProcess(t, { workers: 2, drain: { delaySeconds: 0, seconds: 1 }, ...settings });
  const readyLines = () =>
    node.logLines("worker ready") as unknown as readonly { worker: number; workerPid: number; node: string }[];
  return {
    ...node,
    get child() {
      return node.child;
    },
    url: `ws://127.0.0.1:${node.port}`,
    workers() {
      const latest = new Map(readyLines().map(({ worker, workerPid, node }) => [worker, { pid: workerPid, node }]));
      return [...latest].map(([worker, life]) => ({ worker, ...life })).sort((a, b) => a.worker - b.worker);
    },
    async metric(name) {
      const text = await (await fetch(`http://127.0.0.1:${node.adminPort}/metrics`)).text();
      const series = text.split("\n").map((line) => /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line));
      const found = series.filter((match) => match?.[1] === name);
      return Object.fromEntries(found.map((match) => [match?.[2] ?? "", Number(match?.[3])]));
    },
    becameReady: (count) =>
      until(
        () => readyLines().length >= count,
        () => `${readyLines().length} workers were ready, not ${count}: ${node.child.output.slice(-2000)}`,
      ),
  };
}

/** Connects until every worker has at least `count` of the clients; by the incarnation of their worker. */
export async function connectToAll(
  t: TestContext,
  cluster: WorkerCluster,
  count = 1,
  query = "",
): Promise<readonly (readonly TestClient[])[]> {
  const byNode = new Map<string, TestClient[]>(cluster.workers().map(({ node }) => [node, []]));
  for (let attempt = 0; attempt < 500 && [...byNode.values()].some(({ length }) => length < count); attempt += 1) {
    const client = await connect(t, `${cluster.url}/${query}`);
    byNode.get(client.frames[0]?.node as string)?.push(client);
  }
  return [...byNode.values()];
}

export const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};
