/** What happens in the minutes of the soak, by turns. The first node is never ended: it is the one that is measured. */
import type { NodeProcess } from "../support/node-process.ts";
import { eventually } from "../support/redis.ts";
import type { Stage } from "./stage.ts";

export interface SoakFault {
  readonly name: string;
  /** What it may cost. */
  readonly allows: "nothing" | "losses";
  strike(stage: Stage): Promise<unknown>;
}

export const soakFaults: readonly SoakFault[] = [
  { name: "nothing", allows: "nothing", strike: async () => {} },
  {
    name: "a node killed",
    allows: "nothing",
    async strike({ nodes }) {
      await nodes[2]!.child.kill("SIGKILL");
      await nodes[2]!.start();
    },
  },
  {
    name: "Redis restarted with its data",
    allows: "nothing",
    async strike({ redis }) {
      await redis.stop("SIGKILL");
      await redis.start();
    },
  },
  {
    name: "a worker killed",
    allows: "nothing",
    async strike({ nodes }) {
      const before = workersOf(nodes[1]!);
      process.kill(before.at(-1)!, "SIGKILL");
      await eventually(() => workersOf(nodes[1]!).length > before.length, "another worker", 60_000);
    },
  },
  {
    name: "the network to Redis silent",
    allows: "nothing",
    async strike(stage) {
      for (const proxy of stage.proxies) proxy.silence();
      await stage.notReady();
      for (const proxy of stage.proxies) proxy.restore();
    },
  },
  {
    name: "answers of Redis swallowed",
    allows: "nothing",
    async strike(stage) {
      for (const proxy of stage.proxies) proxy.swallowReplies();
      await stage.pause(5000);
      for (const proxy of stage.proxies) {
        proxy.restore();
        proxy.reset();
      }
    },
  },
  {
    name: "Redis frozen",
    allows: "nothing",
    async strike(stage) {
      stage.redis.freeze();
      await stage.pause(8000);
      stage.redis.resume();
    },
  },
  {
    name: "a node restarted in order",
    allows: "nothing",
    async strike({ nodes }) {
      await nodes[2]!.child.kill("SIGTERM");
      await nodes[2]!.start();
    },
  },
  {
    name: "Redis restarted empty",
    allows: "losses",
    async strike({ redis }) {
      await redis.stopAndForget();
      await redis.start();
    },
  },
  { name: "FLUSHALL", allows: "losses", strike: ({ redis }) => redis.client.flushall() },
];

/** Process ids of all workers that a node has had, oldest first. */
const workersOf = (node: NodeProcess): number[] =>
  node.logLines("worker ready").map(({ workerPid }) => workerPid as number);
