/**
 * A chart that moves: a card with a title, the latest values as text, and their lines over the last minutes, drawn by
 * uPlot, which stands on the page as a global.
 *
 * The rule: the picture adds nothing to the text. The values stand beside it, those under the pointer while it is on the
 * chart, and whoever does not see it has them too.
 */

import { element, setText } from "./dom.ts";
import { clockTime } from "./format.ts";
import type { Point } from "./stats-history.ts";

export interface Line {
  readonly label: string;
  /** 1 to 3: the colour `--series-…` of the style. */
  readonly series: number;
  value(point: Point): number | undefined;
}

export interface ChartOptions {
  readonly title: string;
  readonly lines: readonly Line[];
  /** A value as text, also on the axis. */
  format(value: number | undefined): string;
  /** The least height of the axis. */
  readonly atLeast: number;
}

const heightPx = 170;

export class Chart {
  readonly card: HTMLElement;
  readonly #options: ChartOptions;
  readonly #plotArea = element("div", { class: "plot", attributes: { "aria-hidden": "true" } });
  readonly #values: readonly HTMLElement[]; // [line]
  readonly #time = element("span", { class: "at" });
  #plot: uPlot | undefined;
  #points: readonly Point[] = [];
  #range: readonly [number, number] = [0, 1];
  #pointed: number | undefined; // the index of the point under the pointer

  constructor(options: ChartOptions) {
    this.#options = options;
    this.#values = options.lines.map(() => element("b", {}, "–"));
    const entries = options.lines.map(({ label, series }, i) =>
      element("li", { class: `series-${series}` }, `${label} `, this.#values[i]!),
    );
    const heading = element("h2", {}, options.title, this.#time);
    const legend = element("ul", { class: "legend" }, ...entries);
    this.card = element("section", { class: "card chart" }, heading, legend, this.#plotArea);
    new ResizeObserver(() => this.#fit()).observe(this.#plotArea);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#redraw());
  }

  /** Points of which all lie between the two times, in seconds. */
  show(points: readonly Point[], fromSeconds: number, toSeconds: number): void {
    this.#points = points;
    this.#range = [fromSeconds, toSeconds];
    if (this.#plot === undefined) this.#redraw();
    else this.#plot.setData(this.#data());
    this.#tell();
  }

  #data(): uPlot.AlignedData {
    const values = this.#options.lines.map((line) => this.#points.map((point) => line.value(point) ?? null));
    return [this.#points.map(({ atSeconds }) => atSeconds), ...values];
  }

  #tell(): void {
    const pointed = this.#pointed === undefined ? undefined : this.#points[this.#pointed];
    const point = pointed ?? this.#points.at(-1);
    for (const [i, line] of this.#options.lines.entries())
      setText(this.#values[i]!, point === undefined ? "–" : this.#options.format(line.value(point)));
    setText(this.#time, pointed === undefined ? "" : clockTime(new Date(pointed.atSeconds * 1000)));
  }

  #fit(): void {
    const width = this.#plotArea.clientWidth;
    if (width > 0) this.#plot?.setSize({ width, height: heightPx });
  }

  #redraw(): void {
    const width = this.#plotArea.clientWidth;
    if (width === 0) return; // not on the screen
    this.#plot?.destroy();
    this.#plot = new uPlot(this.#plotOptions(width), this.#data(), this.#plotArea);
  }

  #plotOptions(width: number): uPlot.Options {
    const { lines, format, atLeast } = this.#options;
    const style = getComputedStyle(document.documentElement);
    const color = (name: string): string => style.getPropertyValue(name).trim();
    const axis: uPlot.Axis = {
      stroke: color("--soft"),
      font: `11px ${getComputedStyle(this.card).fontFamily}`,
      ticks: { show: false },
    };
    const grid: uPlot.Axis.Grid = { stroke: color("--line"), width: 1 };
    return {
      width,
      height: heightPx,
      legend: { show: false },
      padding: [8, 20, 0, 0], // half the time of the last tick
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
      scales: {
        x: { time: true, range: () => [...this.#range] },
        y: { range: (_plot, _min, max) => [0, Math.max(atLeast, (max ?? 0) * 1.15)] },
      },
      axes: [
        {
          ...axis,
          grid: { show: false },
          size: 26,
          space: 60,
          incrs: minutes,
          values: (_plot, at) => at.map(minuteOf),
        },
        { ...axis, grid, size: 58, space: 34, values: (_plot, at) => at.map((value) => format(value)) },
      ],
      series: [
        {},
        ...lines.map(({ label, series }): uPlot.Series => {
          const stroke = color(`--series-${series}`);
          const fill = lines.length === 1 || series === 1 ? `${stroke}1f` : undefined;
          return { label, stroke, width: 2, points: { show: false }, spanGaps: true, ...(fill && { fill }) };
        }),
      ],
      hooks: {
        setCursor: [
          (plot) => {
            this.#pointed = plot.cursor.idx ?? undefined;
            if ((plot.cursor.left ?? -1) < 0) this.#pointed = undefined;
            this.#tell();
          },
        ],
      },
    };
  }
}

const minutes = [15, 30, 60, 120, 180, 300];

const minuteOf = (seconds: number): string => {
  const text = clockTime(new Date(seconds * 1000));
  return text.endsWith(":00") ? text.slice(0, -3) : text;
};
