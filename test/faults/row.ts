/**
 * One row of the campaign: a fault, what is allowed to follow from it, and how a run of it is judged.
 *
 * The rule: a run counts only where the fault was seen to happen and publications were on their way when it did; and a row
 * that names protections fails without each of them.
 */
import { account, wrongsOf } from "../support/account.ts";
import { randomOf } from "../support/random.ts";
import { Life } from "./life.ts";
import { buildProgram, type Protection, protections } from "./program.ts";
import { type Stage, type StageOptions, sizes, startStage } from "./stage.ts";

export interface Row {
  /** For `--only`. */
  readonly name: string;
  /** What holds, as the title of a test. */
  readonly title: string;
  /** Part of `npm test`. */
  readonly isQuick?: boolean;
  /** What clients may be told: nothing at all; that something may be missing, though nothing is; or that something is. */
  readonly allows?: "nothing" | "breaks" | "losses";
  /** True: somebody must be told. */
  readonly announces?: boolean;
  /** True: no connection of the traffic may end. */
  readonly keepsConnections?: boolean;
  /** Without each of them the row must fail. */
  readonly proofs?: readonly Protection[];
  readonly stage?: StageOptions;
  /** The fault, from its beginning to where service could be as before. */
  readonly run: (stage: Stage) => Promise<void>;
}

export interface Outcome {
  readonly row: string;
  readonly seed: number;
  readonly clients: number;
  readonly perSecond: number;
  /** Publications on their way when the fault began. */
  readonly inFlight: number;
  readonly expected: number;
  readonly live: number;
  readonly recovered: number;
  readonly announced: number;
  readonly silent: number;
  readonly duplicates: number;
  /** The longest time that a publication waited for its acknowledgement. */
  readonly withoutServiceMs: number;
  readonly tookMs: number;
  /** What was wrong, in words; empty: the row holds. */
  readonly wrongs: readonly string[];
}

/** True where the fault was there, and the row failed. */
export const hasFailed = ({ inFlight, wrongs }: Outcome): boolean => inFlight > 0 && wrongs.length > 0;

export interface RunOptions {
  readonly seed: number;
  readonly size?: keyof typeof sizes;
  /** Taken out for this run. */
  readonly without?: Protection;
}

/** Flow behind the fault, so that what is late comes before the count. */
const calmMs = 500;
const settleMs = 60_000;

const goneLine = "a node is gone: its members leave";
const troubleLine = "Redis is in trouble: publications wait";
/** One for a trouble, and one for each new reason in it. */
const troubleLinesMax = 12;

/** Runs a row once. What goes wrong stands in the outcome; rejects only where the program cannot be built. */
export async function runRow(row: Row, { seed, size = "full", without }: RunOptions): Promise<Outcome> {
  const startedMs = performance.now();
  const life = new Life();
  let stage: Stage | undefined;
  const wrongs: string[] = [];
  const program = await buildProgram(without === undefined ? undefined : protections[without]);
  try {
    stage = await startStage(life, stageOf(row), { program, random: randomOf(seed), size: sizes[size] });
    await row.run(stage);
    await stage.ready();
    await stage.pause(calmMs);
    stage.traffic.rest();
    await stage.traffic.settled(settleMs);
  } catch (error) {
    wrongs.push((error as Error).message);
  }
  const clients = stage === undefined ? [] : [...stage.traffic.clients, ...stage.others];
  const counted = account(clients);
  if (stage !== undefined && wrongs.length === 0)
    wrongs.push(...wrongsOf(counted, row.allows === "losses"), ...doubtsOf(row, stage));
  // Where it did not come to rest, some of them may be on their way.
  else if (stage !== undefined)
    wrongs[0] += `; ${counted.silentLosses.length} of ${counted.expected} deliveries had not come`;
  const outcome: Outcome = {
    row: row.name,
    seed,
    clients: clients.length,
    perSecond: stage?.perSecond ?? 0,
    inFlight: Math.max(0, ...(stage?.inFlight ?? [])),
    expected: counted.expected,
    live: counted.delivered - counted.recovered,
    recovered: counted.recovered,
    announced: counted.announcedLosses,
    silent: counted.silentLosses.length,
    duplicates: counted.duplicates.length,
    withoutServiceMs: Math.round(stage?.traffic.longestWaitMs ?? 0),
    tookMs: Math.round(performance.now() - startedMs),
    wrongs,
  };
  await life.end();
  return outcome;
}

/** Where no connection may end, a client does not end one either because the machine is busy for a while. */
const stageOf = ({ stage, keepsConnections }: Row): StageOptions =>
  keepsConnections ? { ...stage, traffic: { silenceMaxMs: 20_000, ...stage?.traffic } } : { ...stage };

/** What else must hold of a run. */
function doubtsOf({ allows = "nothing", announces, keepsConnections }: Row, stage: Stage): string[] {
  const { traffic, doubts, inFlight, nodes } = stage;
  const breaks = traffic.sum("breaks");
  const closes = traffic.sum("closes");
  const wrongs = [...doubts];
  if (allows === "nothing" && breaks > 0) wrongs.push(`${breaks} breaks were announced: there should be none`);
  if (announces && breaks === 0) wrongs.push("nobody was told of a break");
  if (keepsConnections && closes > 0) wrongs.push(`${closes} connections ended: there should be none`);
  for (const node of nodes) {
    const said = (text: string): number => node.logLines(text).length;
    if (keepsConnections && said(goneLine) > 0) wrongs.push("a node that lives was taken for dead");
    if (said(troubleLine) > troubleLinesMax) wrongs.push(`${said(troubleLine)} lines say that Redis is in trouble`);
  }
  if (inFlight.length === 0) wrongs.push("nothing was done");
  return wrongs;
}
