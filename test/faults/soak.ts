/**
 * The soak: hours with all features on, clients that come and go, and a fault every minute. At the end of each the load
 * rests, everything is counted, and the processes are asked what they hold: it must not grow. The first node is embedded in
 * a program with hooks, and serves TLS; the second one has workers.
 */

import { stdout } from "node:process";
import { setTimeout } from "node:timers/promises";
import { median } from "../../bench/median.ts";
import { hookNames } from "../../src/metrics/guard-counters.ts";
import { makeCertificate } from "../socket/certificate.ts";
import { account, wrongsOf } from "../support/account.ts";
import type { NodeProcess } from "../support/node-process.ts";
import { randomOf } from "../support/random.ts";
import { eventually } from "../support/redis.ts";
import { FeatureUse, featureSettings, startBackend } from "./features.ts";
import { Life } from "./life.ts";
import { ask, type Held, probeEnv } from "./probe.ts";
import { buildEmbedding, buildProgram } from "./program.ts";
import { type SoakFault, soakFaults } from "./soak-faults.ts";
import { type Stage, type StageOptions, sizes, startStage } from "./stage.ts";

export interface SoakMinute {
  readonly fault: string;
  readonly acknowledged: number;
  readonly delivered: number;
  readonly announced: number;
  /** As the first node counts them. */
  readonly publications: number;
  /** Of the processes that are measured. */
  readonly held: readonly Held[];
  readonly wrongs: readonly string[];
}

const minuteMs = 60_000;
/** At the end of each minute, for what is still under way; what is left of it is waited for. */
const countingMs = 5000;
/** Caches, histories and keys fill until then. */
const filledMinutes = 4;
const growthMax = 0.1;
/** Connections of clients are the same in number everywhere only within this. */
const handlesMoreMax = 60;
const publicationsTotal = "tidegate_publications_total";

/** Runs for `minutes`, above 4; prints a line for each. Resolves to what was wrong, in words. */
export async function soak(minutes: number, seed: number): Promise<string[]> {
  const life = new Life();
  try {
    const backend = await startBackend(life);
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0"; // of the clients, which are in this process: the certificate signs itself
    const tls = await makeCertificate(life);
    const embedding = await buildEmbedding();
    const options: StageOptions = {
      settings: featureSettings(backend),
      settingsOf: (node) => [{ tls }, { workers: 2 }, {}][node]!,
      programOf: (node) => (node === 0 ? embedding : undefined),
      bus: { retentionSeconds: 60, entriesMax: 10_000 },
      env: probeEnv,
      proxied: [0, 1, 2],
      perSecond: 300,
      traffic: { someForget: true },
    };
    const stage = await startStage(life, options, {
      program: await buildProgram(),
      random: randomOf(seed),
      size: sizes.full,
    });
    const features = new FeatureUse(stage);
    const done: SoakMinute[] = [];
    await comeToRest(stage);
    for (const client of stage.traffic.clients) client.forget();
    for (let minute = 0; minute < minutes; minute += 1) {
      const passed = await runMinute(stage, features, soakFaults[minute % soakFaults.length]!);
      done.push(passed);
      stdout.write(`minute ${minute + 1}, ${lineOf(passed)}\n`);
    }
    const wrongs = done.flatMap(({ wrongs }, n) => wrongs.map((wrong) => `minute ${n + 1}: ${wrong}`));
    if (backend.requests === 0) wrongs.push("the backend was never asked");
    for (const hook of hookNames)
      if (!(await hasAnswered(stage, hook))) wrongs.push(`the hook ${hook} has let nothing pass`);
    return [...wrongs, ...growthOf(done)];
  } finally {
    await life.end();
  }
}

async function runMinute(stage: Stage, features: FeatureUse, fault: SoakFault): Promise<SoakMinute> {
  const [first] = stage.nodes as [NodeProcess];
  const { traffic } = stage;
  const endsMs = performance.now() + minuteMs;
  const before = { counted: await stage.metric(first, publicationsTotal), published: features.published };
  features.uncertain = 0;
  traffic.flow(stage.perSecond);
  features.start();
  const churn = setInterval(() => {
    for (let n = 0; n < 3; n += 1) stage.any(traffic.clients).drop();
  }, 500);
  await stage.pause(5000, 10_000);
  await stage.strike(() => fault.strike(stage));
  await stage.ready();
  await stage.pause(Math.max(3000, endsMs - performance.now() - countingMs));
  clearInterval(churn);
  await features.rest();
  await comeToRest(stage);
  const counted = account(traffic.clients);
  const wrongs = [...wrongsOf(counted, fault.allows === "losses"), ...stage.doubts.splice(0)];

  await eventually(
    async () => (await connectionsOf(stage)) === traffic.clients.length,
    "no connections but ours",
  ).catch(async () => wrongs.push(`${await connectionsOf(stage)} connections, and ${traffic.clients.length} clients`));
  const publications = (await stage.metric(first, publicationsTotal)) - before.counted;
  const known = counted.published + features.published - before.published;
  const isEqual = publications >= known && publications <= known + features.uncertain;
  if (!isEqual && fault.allows === "nothing")
    wrongs.push(
      `the node counts ${publications} publications, where ${known} to ${known + features.uncertain} were made`,
    );
  const held = [];
  for (const node of measuredOf(stage)) held.push(...(await ask(node, [node.child.process.pid!])));
  const { acknowledged, delivered, announcedLosses: announced } = counted;
  for (const client of traffic.clients) client.forget();
  await setTimeout(Math.max(0, endsMs - performance.now()));
  return { fault: fault.name, acknowledged, delivered, announced, publications, held, wrongs };
}

/** Processes that live from the first minute to the last: a node, and the one over the workers of another. */
const measuredOf = ({ nodes }: Stage): readonly NodeProcess[] => nodes.slice(0, 2);

async function comeToRest({ traffic }: Stage): Promise<void> {
  traffic.rest();
  await traffic.settled();
}

async function hasAnswered(stage: Stage, hook: string): Promise<boolean> {
  let calls = 0;
  for (const outcome of ["allowed", "rewritten"])
    calls += await stage.metric(stage.nodes[0]!, `tidegate_hook_calls_total{hook="${hook}",outcome="${outcome}"}`);
  return calls > 0;
}

/** As the nodes count them. */
async function connectionsOf(stage: Stage): Promise<number> {
  let sum = 0;
  for (const node of stage.nodes)
    for (const format of ["json", "msgpack"])
      sum += await stage.metric(node, `tidegate_connections{format="${format}"}`);
  return sum;
}

/**
 * What has grown since everything bounded was full. It goes by the middle of as many minutes as there are faults, of which
 * each leaves something else behind; in a short soak of fewer.
 */
function growthOf(minutes: readonly SoakMinute[]): string[] {
  const since = minutes.slice(filledMinutes - 1);
  const span = Math.min(soakFaults.length, Math.floor(since.length / 2));
  const [full, last] = [since.slice(0, span), since.slice(-span)];
  if (span === 0) return [`it takes more than ${filledMinutes} minutes`];
  return last[0]!.held.flatMap(({ pid }, process) => {
    const middle = (of: readonly SoakMinute[], what: keyof Held): number =>
      median(of.map(({ held }) => held[process]![what]));
    const figures = (["residentBytes", "heapBytes", "handles", "descriptors"] as const).map(
      (what) => [what, middle(full, what), middle(last, what)] as const,
    );
    const told = figures.map(([what, before, now]) => `${what} ${before} to ${now}`).join(", ");
    stdout.write(`process ${pid}, the first ${span} full minutes to the last: ${told}\n`);
    return figures.flatMap(([what, before, now]) => {
      const most = what.endsWith("Bytes") ? before * (1 + growthMax) : before + handlesMoreMax;
      return now > most ? [`${what} of process ${pid} grew from ${before} to ${now}`] : [];
    });
  });
}

function lineOf({ fault, acknowledged, delivered, announced, publications, held, wrongs }: SoakMinute): string {
  const mib = (bytes: number): string => (bytes / 1024 ** 2).toFixed(1);
  const counts = `${acknowledged} acknowledged, ${delivered} delivered, ${announced} announced, ${publications} counted`;
  const holds = held.map(
    ({ residentBytes, heapBytes, handles, descriptors }) =>
      `; ${mib(residentBytes)} MiB resident, ${mib(heapBytes)} MiB heap, ${handles} handles, ${descriptors} descriptors`,
  );
  return `${fault}: ${counts}${holds.join("")}${wrongs.map((wrong) => `\n  FAILED: ${wrong}`).join("")}`;
}
