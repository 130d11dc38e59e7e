/**
 * One life of one worker, as its supervisor sees it: a child process, its seat at the log, and what it last said.
 *
 * The rule: it is over once, at its `exit`, and from then on nothing of it counts. A worker whose channel broke, that
 * says nothing, or that does not follow the log, is ended with SIGKILL: it could do nothing right any more.
 */
import cluster, { type Worker } from "node:cluster";
import type { WorkerHub } from "../bus/worker-hub.ts";
import type { WorkerLease } from "../bus/worker-leases.ts";
import type { WorkerSeat } from "../bus/worker-seat.ts";
import type { ProcessStats } from "../calls/stats.ts";
import type { MetricSnapshot } from "../metrics/metric.ts";
import type { WebhookEvent } from "../webhooks/event.ts";
import type { Failure, Order, Report } from "./control.ts";

export interface WorkerEvents {
  /** It takes connections. */
  listening(): void;
  /** It cannot start; `ended` follows. */
  failed(error: Failure): void;
  ended(code: number | null, signal: string | null): void;
  /** Of its connections, for webhooks; also those that arrive behind its end. */
  noticed(noticed: readonly WebhookEvent[]): void;
}

/**
 * How many beats a worker may be silent: 6, so that one whose event loop stands still has a successor within 10 s, and a
 * long collection of garbage does not count as that. More before its first word, for it may have to load from a slow disk.
 */
const silenceMax = 6;
const silenceAtFirstMax = 60;
/** What may wait to be written to a worker. */
const queueBytesMax = 256 * 1024 * 1024;

export class WorkerProcess {
  readonly incarnation: string;
  readonly startedMs = performance.now();
  /** The latest, at most a second old while it is not silent. */
  metrics: readonly MetricSnapshot[] = [];
  stats: ProcessStats | undefined;
  isListening = false;
  readonly #child: Worker;
  readonly #seat: WorkerSeat;
  #lease: WorkerLease | undefined;
  #toldNumber = -1;
  #silentBeats = 0;
  #hasSpoken = false;
  #unsentBytes = 0;
  #isOver = false;

  /**
   * Forks it and, once it is up, gives it its first order. `leased` gets a node number once the log can be read; it may take long.
   */
  constructor(
    start: Order & { readonly kind: "start" },
    hub: WorkerHub,
    leased: (incarnation: string) => Promise<WorkerLease>,
    events: WorkerEvents,
  ) {
    this.incarnation = start.bus.incarnation;
    const child = cluster.fork();
    this.#child = child;
    this.#seat = hub.attach({
      send: (message, written) => this.#send(message, written),
      asked: () => void this.#fill(hub, leased),
    });
    child.on("message", (message: Uint8Array | Report) => {
      if (message instanceof Uint8Array) this.#seat.receive(message);
      else if (message.kind === "up") this.order(start);
      else this.#hear(message, events);
    });
    child.process.on("error", () => {}); // it cannot be reached, or not be killed: `exit` says so, or the next beat
    child.process.once("disconnect", () => this.kill());
    child.process.once("exit", (code, signal) => {
      this.#isOver = true;
      this.isListening = false;
      hub.detach(this.#seat);
      events.ended(code, signal);
    });
  }

  get pid(): number | undefined {
    return this.#child.process.pid;
  }

  /** Beats since it was last heard of. */
  get silentBeats(): number {
    return this.#silentBeats;
  }

  order(order: Order): void {
    if (!this.#isOver) this.#child.send(order, () => {});
  }

  kill(): void {
    if (!this.#isOver) this.#child.process.kill("SIGKILL");
  }

  /** Once a second. Why the worker must be ended, or `undefined`. Counts beats: they stop with a supervisor that stands still. */
  beat(): string | undefined {
    this.#silentBeats += 1;
    const number = this.#lease?.number ?? this.#toldNumber;
    if (number !== this.#toldNumber) {
      this.#toldNumber = number;
      this.#seat.renumber(number);
    }
    if (this.#silentBeats > (this.#hasSpoken ? silenceMax : silenceAtFirstMax)) return "it says nothing";
    return this.#unsentBytes + this.#seat.queuedBytes > queueBytesMax ? "it does not follow the log" : undefined;
  }

  /** Gives the node number back; `isOrderly`: at once. */
  async endLease(isOrderly: boolean): Promise<void> {
    if (isOrderly) await this.#lease?.release();
    else this.#lease?.lapse();
  }

  async #fill(hub: WorkerHub, leased: (incarnation: string) => Promise<WorkerLease>): Promise<void> {
    try {
      this.#lease = await leased(this.incarnation);
    } catch {
      return; // all of it is being stopped
    }
    if (this.#isOver) return this.#lease.lapse();
    this.#toldNumber = this.#lease.number;
    hub.fill(this.#seat, this.#lease.number);
  }

  #hear(report: Exclude<Report, { kind: "up" }>, events: WorkerEvents): void {
    if (report.kind === "events") events.noticed(report.events);
    if (this.#isOver) return;
    this.#silentBeats = 0;
    this.#hasSpoken = true;
    switch (report.kind) {
      case "listening":
        this.isListening = true;
        return events.listening();
      case "failed":
        return events.failed(report.error);
      case "snapshot":
        this.metrics = report.metrics;
        this.stats = report.stats;
    }
  }

  #send(message: Uint8Array, written: () => void = () => {}): void {
    if (this.#isOver) return;
    this.#unsentBytes += message.byteLength;
    this.#child.send(message, (error) => {
      this.#unsentBytes -= message.byteLength;
      if (error === null) written();
    });
  }
}
