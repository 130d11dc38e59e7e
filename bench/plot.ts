/** A scenario as a picture: a bar for each server, as a ratio to the baseline, figure below figure. */
import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import { type Line, linesOf } from "./report.ts";
import { format, type Report } from "./scenario.ts";

const barPx = 22;
const gapPx = 14;
/** A server that is a hundred times slower would leave nothing of the others' bars: beyond this its own is cut off. */
const widestRatio = 4;

/** An SVG document. The thin line through a bar goes from the least run to the most. */
export function plot(report: Report): string {
  const lines = linesOf(report);
  const servers = [...new Set(lines.map(({ server }) => server))];
  const figures = [...new Set(lines.map(titleOf))];
  const isCompared = report.baseline !== undefined;
  const bars = lines.map((line) => {
    const scale = isCompared ? line.ratio / line.median : 1; // one server alone is shown in its own unit
    const [middle, least, most] = [line.median, line.least, line.most].map((value) =>
      isCompared ? Math.min(value * scale, widestRatio) : value,
    );
    return { figure: titleOf(line), server: line.server, middle, least, most, label: format(line.median) };
  });
  const { document } = parseHTML("<html><body></body></html>");
  const svg = Plot.plot({
    document,
    width: 860,
    height: 70 + figures.length * (servers.length * barPx + gapPx),
    marginLeft: 130,
    marginRight: 250,
    marginTop: 30,
    style: { background: "white", color: "black", fontFamily: "system-ui, sans-serif" },
    x: { label: isCompared ? `ratio to ${report.baseline}` : null, labelAnchor: "left", grid: true },
    y: { label: null, domain: servers },
    fy: { label: null, domain: figures },
    color: { domain: servers, range: ["#8a8f98", "#0b6bcb", "#d98c21", "#8b4fb3", "#3f9a5a"] },
    marks: [
      Plot.barX(bars, { x: "middle", y: "server", fy: "figure", fill: "server", insetTop: 2, insetBottom: 2 }),
      Plot.ruleY(bars, { x1: "least", x2: "most", y: "server", fy: "figure", stroke: "black" }),
      Plot.text(bars, { x: "most", y: "server", fy: "figure", text: "label", textAnchor: "start", dx: 5 }),
      Plot.ruleX([0]),
    ],
  }) as unknown as Svg;
  svg.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  return `${svg.outerHTML}\n`;
}

/** The part of an element that is used: without the DOM's types, those of React leave elements empty. */
interface Svg {
  setAttribute(name: string, value: string): void;
  readonly outerHTML: string;
}

const titleOf = ({ figure, isLessBetter }: Line): string => (isLessBetter ? `${figure} (less is better)` : figure);
