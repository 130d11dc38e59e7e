/** The first view: how the gateway is doing now and was doing in the last minutes, as a whole and by process. */
import { Chart } from "./chart.ts";
import { byId, element, tellFields } from "./dom.ts";
import * as format from "./format.ts";
import { type LogFigures, type Point, type ProcessFigures, type Stats, StatsHistory } from "./stats-history.ts";
import { Table } from "./table.ts";

export class Overview {
  readonly #history = new StatsHistory();
  readonly #scope = byId("scope", HTMLSelectElement);
  readonly #window = byId("window", HTMLSelectElement);
  readonly #logCharts = logChartsOf();
  readonly #charts = [...chartsOf(), ...this.#logCharts];
  readonly #processes = new Table<ProcessFigures>("Processes", this.#columns(), ({ node }) => node);
  #isShown = false;

  constructor() {
    byId("charts").append(...this.#charts.map(({ card }) => card));
    for (const { card } of this.#logCharts) card.hidden = true;
    byId("processes").append(this.#processes.element);
    this.#scope.addEventListener("change", () => this.#draw());
    this.#window.addEventListener("change", () => this.#draw());
  }

  show(): void {
    this.#isShown = true;
    this.#draw();
  }

  hide(): void {
    this.#isShown = false;
  }

  /** Takes an answer to `stats`. */
  add(stats: Stats): void {
    this.#history.add(stats, Date.now() / 1000);
    this.#offer(stats.processes);
    this.#processes.show(stats.processes);
    this.#tellLog(stats);
    this.#tellTotals(stats.processes);
    for (const { card } of this.#logCharts) card.hidden = stats.log === undefined;
    byId("start").hidden = stats.processes.some(({ connections }) => connections > 0);
    this.#draw();
  }

  #draw(): void {
    if (!this.#isShown) return;
    const now = Date.now() / 1000;
    const since = now - Number(this.#window.value) * 60;
    const points = this.#history.points(since, this.#node());
    for (const chart of this.#charts) chart.show(points, since, now);
  }

  /** The process that the charts are of; `undefined`: all. */
  #node(): string | undefined {
    return this.#scope.value === "" ? undefined : this.#scope.value;
  }

  /** Keeps the list of processes to choose from; one that is gone stays while it is chosen. */
  #offer(processes: readonly ProcessFigures[]): void {
    const nodes = processes.map(({ node }) => node);
    const chosen = this.#node();
    if (chosen !== undefined && !nodes.includes(chosen)) nodes.push(chosen);
    const offered = [...this.#scope.options].slice(1).map(({ value }) => value);
    if (offered.join() === nodes.join()) return;
    const names = new Map(processes.map((process) => [process.node, nameOf(process)]));
    const options = nodes.map((node) =>
      element("option", { attributes: { value: node } }, names.get(node) ?? `${node} (gone)`),
    );
    this.#scope.replaceChildren(this.#scope.options[0]!, ...options);
    this.#scope.value = chosen ?? "";
  }

  #columns() {
    const latest = ({ node }: ProcessFigures) => this.#history.latest(node);
    const rate = (of: (point: Point) => number) => (process: ProcessFigures) => {
      const point = latest(process);
      return point === undefined ? "–" : format.rate(of(point));
    };
    return [
      { label: "Process", text: nameOf },
      { label: "Node", text: ({ node }: ProcessFigures) => node },
      { label: "Connections", isNumber: true, text: (process: ProcessFigures) => format.count(process.connections) },
      { label: "In/s", isNumber: true, text: rate(({ framesIn }) => framesIn) },
      { label: "Out/s", isNumber: true, text: rate(({ framesOut }) => framesOut) },
      { label: "Deliveries/s", isNumber: true, text: rate(({ deliveries }) => deliveries) },
      { label: "p99", isNumber: true, text: (process: ProcessFigures) => format.latency(latest(process)?.p99) },
      { label: "Busy", isNumber: true, text: (process: ProcessFigures) => format.percent(latest(process)?.busy ?? 0) },
      { label: "Memory", isNumber: true, text: ({ memoryBytes }: ProcessFigures) => format.bytes(memoryBytes) },
      { label: "Log", text: ({ log }: ProcessFigures) => (log === undefined ? "–" : logSummary(log)) },
      { label: "Up", isNumber: true, text: ({ uptimeSeconds }: ProcessFigures) => format.duration(uptimeSeconds) },
    ];
  }

  #tellLog({ log, ready, reason }: Stats): void {
    const latest = this.#history.latest();
    const rows: readonly (readonly [string, string])[] = [
      ["Where", log === undefined ? "in memory" : "Redis"],
      ["State", ready ? "working" : reason],
      ["Acknowledged after, p50", format.latency(latest?.appendP50)],
      ["p99", format.latency(latest?.appendP99)],
      ...(log === undefined ? [] : sharedLogRows(log)),
    ];
    tellFields(byId("log-figures"), rows);
  }

  #tellTotals(processes: readonly ProcessFigures[]): void {
    const total = (of: (figures: ProcessFigures) => number) =>
      format.count(processes.reduce((sum, figures) => sum + of(figures), 0));
    tellFields(byId("totals"), [
      ["Frames in", total(({ framesIn }) => framesIn)],
      ["Frames out", total(({ framesOut }) => framesOut)],
      ["Publications", format.count(Math.max(0, ...processes.map(({ publications }) => publications)))],
      ["Deliveries", total(({ deliveries }) => deliveries)],
      ["Error frames", total(({ refusals }) => refusals)],
      ["Dropped by full queues", total(({ dropped }) => dropped)],
    ]);
  }
}

const nameOf = ({ host, pid }: ProcessFigures): string => `${host}:${pid}`;
const logSummary = ({ isLeased, lagSeconds }: LogFigures): string =>
  isLeased ? `lag ${format.latency(lagSeconds)}` : "no lease";

const sharedLogRows = (log: LogFigures): (readonly [string, string])[] => [
  ["On its way", log.unreadEntries === 0 ? "nothing" : `${log.unreadEntries} entries`],
  ["Lag", format.latency(log.lagSeconds)],
  ["Waiting to be written", format.bytes(log.queueBytes)],
  ["Lease", log.isLeased ? "held" : "not held"],
  ["Failures", format.count(log.failures)],
  ["Reconnects", format.count(log.reconnects)],
  ["Breaks", format.count(log.epochChanges)],
];

const optional = (text: (value: number) => string) => (value: number | undefined) =>
  value === undefined ? "–" : text(value);

/** Shown where the log is in Redis. */
function logChartsOf(): readonly Chart[] {
  return [
    new Chart({
      title: "Acknowledged by Redis",
      lines: [
        { label: "p50", series: 1, value: ({ appendP50 }) => appendP50 },
        { label: "p99", series: 3, value: ({ appendP99 }) => appendP99 },
      ],
      format: format.latency,
      atLeast: 0.0005,
    }),
    new Chart({
      title: "On its way through Redis",
      lines: [{ label: "longest", series: 1, value: ({ lagSeconds }) => lagSeconds }],
      format: format.latency,
      atLeast: 0.0005,
    }),
  ];
}

function chartsOf(): readonly Chart[] {
  return [
    new Chart({
      title: "Connections",
      lines: [{ label: "open", series: 1, value: ({ connections }) => connections }],
      format: optional(format.count),
      atLeast: 4,
    }),
    new Chart({
      title: "Messages per second",
      lines: [
        { label: "in", series: 1, value: ({ framesIn }) => framesIn },
        { label: "out", series: 2, value: ({ framesOut }) => framesOut },
      ],
      format: optional(format.rate),
      atLeast: 4,
    }),
    new Chart({
      title: "Deliveries per second",
      lines: [
        { label: "deliveries", series: 1, value: ({ deliveries }) => deliveries },
        { label: "publications", series: 2, value: ({ publications }) => publications },
      ],
      format: optional(format.rate),
      atLeast: 4,
    }),
    new Chart({
      title: "Publish to delivery",
      lines: [
        { label: "p50", series: 1, value: ({ p50 }) => p50 },
        { label: "p95", series: 2, value: ({ p95 }) => p95 },
        { label: "p99", series: 3, value: ({ p99 }) => p99 },
      ],
      format: format.latency,
      atLeast: 0.0005,
    }),
  ];
}
