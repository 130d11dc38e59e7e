/** What a campaign found, as one table. */
import type { Outcome } from "./row.ts";

const columns: readonly (readonly [head: string, cell: (outcome: Outcome) => string | number])[] = [
  ["fault", ({ row }) => row],
  ["clients", ({ clients }) => clients],
  ["publications/s", ({ perSecond }) => perSecond],
  ["in flight", ({ inFlight }) => inFlight],
  ["expected", ({ expected }) => expected],
  ["live", ({ live }) => live],
  ["recovered", ({ recovered }) => recovered],
  ["announced", ({ announced }) => announced],
  ["silent", ({ silent }) => silent],
  ["duplicates", ({ duplicates }) => duplicates],
  ["without service, ms", ({ withoutServiceMs }) => withoutServiceMs],
  ["took, s", ({ tookMs }) => (tookMs / 1000).toFixed(1)],
  ["", ({ wrongs }) => (wrongs.length === 0 ? "holds" : "FAILED")],
];

export function tableOf(outcomes: readonly Outcome[]): string {
  const lines = [columns.map(([head]) => head), ...outcomes.map((outcome) => columns.map(([, cell]) => cell(outcome)))];
  const widths = columns.map((_, at) => Math.max(...lines.map((line) => String(line[at]).length)));
  const padded = (cell: string | number, at: number): string =>
    at === 0 || at === columns.length - 1 ? String(cell).padEnd(widths[at]!) : String(cell).padStart(widths[at]!);
  return lines.map((line) => line.map(padded).join("  ").trimEnd()).join("\n");
}
