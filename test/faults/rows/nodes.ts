/** Nodes that die, stand still, are replaced or live by a wrong clock: others go on, and clients recover what they missed. */
import type { NodeProcess } from "../../support/node-process.ts";
import { eventually } from "../../support/redis.ts";
import { buildProgram, laterRelease } from "../program.ts";
import type { Row } from "../row.ts";
import { epochLine, type Stage, stream } from "../stage.ts";

/** One machine with two workers, and another node. */
const withWorkers = { nodes: 2, settings: { workers: 2 } };

export const nodeRows: readonly Row[] = [
  {
    name: "none",
    title: "no fault at all: every message once and in order, and nobody is told of anything",
    keepsConnections: true,
    async run(stage) {
      await stage.strike(() => {});
      await stage.pause(5000);
    },
  },
  {
    name: "worker-killed",
    title: "a worker killed: its supervisor puts another one in its place",
    stage: withWorkers,
    async run(stage) {
      const [node] = stage.nodes as [NodeProcess];
      const pid = stage.any(workersOf(node));
      await stage.strike(() => process.kill(pid, "SIGKILL"));
      await eventually(() => workersOf(node).length > 2, "another worker");
      await stage.traffic.subscribed();
      await stage.fired(stage.traffic.sum("closes") > 0, "connections ended");
    },
  },
  {
    name: "node-killed",
    title: "a node killed under load, and started again: its clients recover on the others",
    isQuick: true,
    proofs: ["replay of what was missed"],
    async run(stage) {
      const node = stage.any(stage.nodes);
      await stage.pause(0, 500);
      await stage.strike(() => node.child.kill("SIGKILL"));
      await stage.pause(1000, 2000);
      await node.start();
      await stage.traffic.subscribed();
      await stage.fired(stage.traffic.sum("closes") > 0, "connections ended");
    },
  },
  {
    name: "supervisor-killed",
    title: "a supervisor killed: its workers end at once, and all of it is started again",
    stage: withWorkers,
    async run(stage) {
      const [node] = stage.nodes as [NodeProcess];
      const pids = workersOf(node);
      await stage.strike(() => node.child.kill("SIGKILL"));
      await eventually(() => !pids.some(isRunning), "the end of the workers", 5000);
      await node.start();
      await stage.traffic.subscribed();
      await stage.fired(stage.traffic.sum("closes") > 0, "connections ended");
    },
  },
  {
    name: "worker-frozen",
    title: "a worker that stands still for 20 s is replaced, and its clients find another one",
    stage: { ...withWorkers, perSecond: 200 },
    async run(stage) {
      const [node] = stage.nodes as [NodeProcess];
      const pid = stage.any(workersOf(node));
      await stage.strike(() => process.kill(pid, "SIGSTOP"));
      await stage.pause(20_000);
      if (isRunning(pid)) process.kill(pid, "SIGCONT");
      await stage.fired(workersOf(node).length > 2, "another worker has its place");
      await stage.traffic.subscribed();
    },
  },
  {
    name: "node-starved",
    title: "a node that stands still until the stream has gone past it: its clients are told what they missed",
    isQuick: true,
    allows: "losses",
    announces: true,
    proofs: ["the new epoch"],
    stage: { bus: { entriesMax: 100, leaseSeconds: 60 }, traffic: { silenceMaxMs: 0 } },
    async run(stage) {
      const frozen = stage.any(stage.nodes);
      await stage.strike(() => frozen.child.process.kill("SIGSTOP"));
      await stage.pause(1000); // the answer to its last read may be with it already
      const [[last]] = (await stage.redis.client.xrevrange(stream, "+", "-", "COUNT", 1)) as unknown as [[string]];
      const isGone = async (): Promise<boolean> => (await stage.redis.client.xrange(stream, last, last)).length === 0;
      await eventually(isGone, "the stream to go past it");
      frozen.child.process.kill("SIGCONT");
      await eventually(() => frozen.logLines(epochLine).length > 0, "a new epoch").catch(() => {}); // the count tells
    },
  },
  {
    name: "rolling-restart",
    title: "every node restarted in order, one after the other, under load",
    isQuick: true,
    async run(stage) {
      for (const node of stage.nodes) {
        await stage.strike(() => node.child.kill("SIGTERM"));
        await stage.fired(node.child.process.exitCode === 0, "the node ended in order");
        await node.start();
      }
      await stage.traffic.subscribed();
      await stage.fired(stage.traffic.sum("closes") >= stage.traffic.clients.length / 2, "connections ended");
    },
  },
  {
    name: "rolling-upgrade",
    title:
      "every node replaced by one of a later release, whose records earlier ones do not all know, and one back again",
    async run(stage) {
      const program = await buildProgram();
      const later = await buildProgram(laterRelease);
      for (const next of [...stage.nodes.map(() => later), program]) {
        const node = stage.any(stage.nodes);
        await stage.strike(() => node.child.kill("SIGTERM"));
        await node.start(next);
        await stage.pause(300, 1000);
      }
      await stage.fired(hasLaterEntries(stage), "entries of the later release");
      await stage.traffic.subscribed();
    },
  },
  {
    name: "clock-jumps",
    title: "clocks of nodes that jump an hour forth, two back and one forth: timers do not care",
    keepsConnections: true,
    stage: { env: { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(jumpingClock())}` } },
    async run(stage) {
      for (let jump = 0; jump < 3; jump += 1) {
        for (const node of stage.nodes.slice(0, 2)) await stage.strike(() => node.child.process.kill("SIGUSR2"));
        await stage.pause(2000);
      }
      await stage.fired(stage.nodes[0]!.logLines("the clock jumps").length === 3, "the clock jumped three times");
    },
  },
];

/** Process ids of all workers that a node has had, oldest first. */
const workersOf = (node: NodeProcess): number[] =>
  node.logLines("worker ready").map(({ workerPid }) => workerPid as number);

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function hasLaterEntries({ redis }: Stage): Promise<boolean> {
  const entries = await redis.client.xrangeBuffer(stream, "-", "+");
  return entries.some(([, [, bytes]]) => (bytes as Buffer).subarray(-4).equals(Buffer.from([0x92, 60, 0xa1, 0x78])));
}

/** A program that moves `Date` of the process that loads it, at each SIGUSR2. */
function jumpingClock(): string {
  return `
    const RealDate = Date;
    const shifts = [3600000, -3600000, 0];
    let shift = 0;
    globalThis.Date = class extends RealDate {
      constructor(...given) { given.length === 0 ? super(RealDate.now() + shift) : super(...given); }
      static now() { return RealDate.now() + shift; }
    };
    process.on("SIGUSR2", () => {
      shift = shifts.shift() ?? 0;
      console.log(JSON.stringify({ msg: "the clock jumps", shift }));
    });`;
}
