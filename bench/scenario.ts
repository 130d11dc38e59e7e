/**
 * What a scenario is: something that measures servers in turns, run after run, and hands back samples. Tables, plots and
 * files are made from samples alone, see `report.ts`.
 */
import type { CpuShares } from "./load/cpu-time.ts";
import type { ServerAddress } from "./load/job.ts";
import { withServer } from "./server-process.ts";
import type { Server } from "./servers.ts";

/** One figure of one server in one run. */
export interface Sample {
  /** What is measured, with its unit last: `deliveries/s, 32 in flight`. */
  readonly figure: string;
  readonly value: number;
  readonly isLessBetter?: boolean;
  /** Who was busy while it was measured. */
  readonly cpu?: CpuShares;
  /** The figure means something only where the server had no time left. */
  readonly mustSaturate?: boolean;
  /** Messages that did not arrive, or clients that did not recover, where all had to. */
  readonly lost?: number;
}

/** The samples of a server, run by run; none for a run that failed. */
export type Runs = Readonly<Record<string, readonly (readonly Sample[])[]>>;

export interface Report {
  readonly title: string;
  /** The server whose medians the others are divided by; `undefined` where there is nothing to compare. */
  readonly baseline: string | undefined;
  readonly runs: Runs;
  /** Sentences below the table. */
  readonly remarks?: readonly string[];
}

/** What a scenario is given: how much time it may take, and against whom. */
export interface Sitting {
  readonly isQuick: boolean;
  /** Raw uWebSockets.js first, then Tidegate, then the chosen peers. */
  readonly servers: readonly Server[];
  /** Interleaved runs of every server. */
  readonly runs: number;
  /** Prints a line of progress. */
  progress(line: string): void;
}

export interface Scenario {
  readonly run: (sitting: Sitting) => Promise<Report>;
}

/**
 * Measures each server once a run, in turns, so that what changes on the machine meanwhile changes for all. A run that
 * fails is one without samples, and ends nothing: ten minutes of other figures are not lost with it.
 */
export async function interleave<S extends { readonly name: string }>(
  { runs, progress }: Sitting,
  scenario: string,
  servers: readonly S[],
  measure: (server: S) => Promise<readonly Sample[]>,
): Promise<Runs> {
  const results: Record<string, (readonly Sample[])[]> = Object.fromEntries(servers.map(({ name }) => [name, []]));
  for (let run = 0; run < runs; run += 1) {
    for (const server of servers) {
      const place = `${scenario} ${run + 1}/${runs} ${server.name}`;
      try {
        const samples = await measure(server);
        progress(`${place}: ${samples.map(describe).join("; ")}`);
        results[server.name]!.push(samples);
      } catch (error) {
        progress(`${place} failed: ${(error as Error).message}`);
        results[server.name]!.push([]);
      }
    }
  }
  return results;
}

/** The usual case: the servers of the sitting, each started anew for each of its runs. */
export const interleaveServers = (
  sitting: Sitting,
  scenario: string,
  measure: (address: ServerAddress) => Promise<readonly Sample[]>,
  servers = sitting.servers,
): Promise<Runs> => interleave(sitting, scenario, servers, (server) => withServer(server, measure));

export const percent = (share: number): string => `${Math.round(share * 100)} %`;

function describe({ figure, value, cpu, lost = 0 }: Sample): string {
  const shares = cpu === undefined ? "" : ` (server ${percent(cpu.server)}, load ${percent(cpu.load)})`;
  return `${format(value)} ${figure}${shares}${lost === 0 ? "" : `, LOST ${lost}`}`;
}

/** Three or four digits that matter, thousands parted. */
export function format(value: number): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
