/** From samples to what people read: medians, spreads, ratios, and what is wrong with a figure. */
import { median } from "./median.ts";
import { format, percent, type Report, type Sample } from "./scenario.ts";

export interface Line {
  readonly figure: string;
  readonly server: string;
  readonly median: number;
  readonly least: number;
  readonly most: number;
  /** Of the medians, to the baseline's; 1 for the baseline itself, NaN without one. */
  readonly ratio: number;
  readonly isLessBetter: boolean;
  /** Medians of shares of one core; NaN where they were not measured. */
  readonly serverCpu: number;
  readonly loadCpu: number;
  readonly marks: readonly string[];
}

/** Below this share of its core a server was waiting for the load. */
const saturatedShare = 0.9;
/** Above this share of a core other processes of the machine, or its host, had a part in the figure. */
const disturbedShare = 0.15;

/** One line for each figure and server, figures in the order in which they were measured. */
export function linesOf({ runs, baseline }: Report): Line[] {
  const samples = (server: string, figure: string): Sample[] =>
    (runs[server] ?? []).flat().filter((sample) => sample.figure === figure);
  const figures = [...new Set(Object.values(runs).flatMap((all) => all.flat().map(({ figure }) => figure)))];
  return figures.flatMap((figure) => {
    const base = baseline === undefined ? Number.NaN : median(samples(baseline, figure).map(({ value }) => value));
    return Object.keys(runs).flatMap((server) => {
      const own = samples(server, figure);
      return own.length === 0 ? [] : [line(figure, server, own, base, runs[server]!.length)];
    });
  });
}

function line(figure: string, server: string, samples: readonly Sample[], base: number, runs: number): Line {
  const values = samples.map(({ value }) => value);
  const share = (field: "server" | "load" | "others"): number =>
    median(samples.flatMap(({ cpu }) => (cpu === undefined ? [] : [cpu[field]])));
  const serverCpu = share("server");
  const lost = samples.reduce((sum, sample) => sum + (sample.lost ?? 0), 0);
  const isIdle = samples[0]!.mustSaturate === true && serverCpu < saturatedShare;
  const isDisturbed = share("others") > disturbedShare;
  return {
    figure,
    server,
    median: median(values),
    least: Math.min(...values),
    most: Math.max(...values),
    ratio: median(values) / base,
    serverCpu,
    loadCpu: share("load"),
    isLessBetter: samples[0]!.isLessBetter === true,
    marks: [
      isIdle && "not saturated",
      isDisturbed && "disturbed",
      lost > 0 && `lost ${lost}`,
      samples.length < runs && `${samples.length} of ${runs} runs`,
    ].filter(isText),
  };
}

/** A table for the terminal. */
export function table(report: Report): string {
  const rows = linesOf(report).map((line) => [
    line.figure,
    line.server,
    line.least === line.most
      ? format(line.median)
      : `${format(line.median)} (${format(line.least)} to ${format(line.most)})`,
    Number.isFinite(line.ratio) ? line.ratio.toFixed(2) : "",
    ...[line.serverCpu, line.loadCpu].map((share) => (Number.isNaN(share) ? "" : percent(share))),
    line.marks.join(", "),
  ]);
  const head = [
    "figure",
    "server",
    "median (least to most)",
    report.baseline === undefined ? "" : `/ ${report.baseline}`,
    "server cpu",
    "load cpu",
    "",
  ];
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column]!.length)));
  const isLeft = (column: number): boolean => column < 2 || column === 6;
  const written = (row: readonly string[]): string =>
    row
      .map((cell, i) => (isLeft(i) ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join("  ")
      .trimEnd();
  const shown = rows.map((row, i) => (row[0] === rows[i - 1]?.[0] ? ["", ...row.slice(1)] : row)); // a figure's name once
  const failed = Object.keys(report.runs).filter((server) => rows.every((row) => row[1] !== server));
  const remarks = [...failed.map((server) => `${server}: all runs failed`), ...(report.remarks ?? [])];
  return [written(head), ...shown.map(written), ...remarks].map((text) => `  ${text}`).join("\n");
}

const isText = (mark: string | false): mark is string => mark !== false;
