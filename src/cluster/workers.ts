/**
 * All workers of a supervisor: started together, each replaced when it dies, drained together.
 *
 * Ready means: at first, that all of them take connections; from then on that at least half of them do. One that dies is
 * back in a second or two, and its clients are served by the others meanwhile: no reason to send a whole machine's away.
 */
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { type AuthSetupCode, AuthSetupError } from "../auth/auth-setup-error.ts";
import type { WorkerBusOptions } from "../bus/worker-bus.ts";
import type { Config } from "../config/config-schema.ts";
import { version } from "../gateway/version.ts";
import type { Log } from "../log/log.ts";
import type { Health } from "../metrics/health.ts";
import type { MetricSnapshot } from "../metrics/metric.ts";
import type { Failure, Order } from "./control.ts";
import { deferred } from "./deferred.ts";
import { processState } from "./process-state.ts";
import type { SharedLog } from "./shared-log.ts";
import { WorkerProcess } from "./worker-process.ts";

export interface WorkersParts {
  readonly config: Config;
  readonly count: number;
  readonly sharedLog: SharedLog;
  readonly health: Health;
  readonly log: Log;
  /** The last word of a worker that died. */
  retired(metrics: readonly MetricSnapshot[]): void;
}

/** A worker's place; its number is the place's, whichever process fills it. */
interface Place {
  process: WorkerProcess | undefined;
  restarts: number;
  shortLives: number; // in a row
  restarting: NodeJS.Timeout | undefined;
}

const beatMs = 1000;
/** A worker that died younger than this makes the next one wait longer. */
const shortLifeMs = 30_000;
const restartAtFirstMs = 100;
const restartMaxMs = 10_000;
/** Over the time of the drain; then a worker is ended. */
const drainGraceMs = 10_000;

export class Workers {
  readonly #parts: WorkersParts;
  readonly #places: readonly Place[];
  readonly #complete = deferred();
  readonly #beating: NodeJS.Timeout;
  #isComplete = false; // all were ready once
  #isDraining = false;
  #toldObstacle = "";

  constructor(parts: WorkersParts) {
    this.#parts = parts;
    this.#places = Array.from({ length: parts.count }, () => ({
      process: undefined,
      restarts: 0,
      shortLives: 0,
      restarting: undefined,
    }));
    this.#beating = setInterval(() => this.#beat(), beatMs);
    process.once("exit", () => this.killAll());
  }

  /** By place. */
  get processes(): readonly (WorkerProcess | undefined)[] {
    return this.#places.map(({ process }) => process);
  }

  /** By place. */
  get restarts(): readonly number[] {
    return this.#places.map(({ restarts }) => restarts);
  }

  /** Resolves once all of them take connections. Rejects where one says that it cannot start. */
  async start(): Promise<void> {
    for (const [number, place] of this.#places.entries()) this.#fork(number, place);
    await this.#complete.promise;
  }

  /** Hands an order to every worker. */
  order(order: Order): void {
    for (const process of this.processes) process?.order(order);
  }

  /** Tells the workers what `health` says, where that is news. */
  tellObstacle(): void {
    const { reason } = this.#parts.health.ready();
    if (reason === this.#toldObstacle) return;
    this.#toldObstacle = reason;
    this.order({ kind: "obstacle", reason });
  }

  /** Resolves when all have ended; those that take longer than they should are made to. */
  async drain(delaySeconds: number, seconds: number): Promise<void> {
    this.#isDraining = true;
    for (const { restarting } of this.#places) clearTimeout(restarting);
    this.order({ kind: "drain", delaySeconds, seconds });
    const overdueMs = performance.now() + (delaySeconds + seconds) * 1000 + drainGraceMs;
    while (this.processes.some((process) => process !== undefined)) {
      if (performance.now() > overdueMs) this.killAll();
      await sleep(20);
    }
    clearInterval(this.#beating);
  }

  killAll(): void {
    for (const process of this.processes) process?.kill();
  }

  #fork(number: number, place: Place): void {
    const { sharedLog, log, config } = this.#parts;
    const bus: WorkerBusOptions = { ...sharedLog.workerBus, incarnation: randomBytes(6).toString("base64url") };
    const start = { kind: "start", worker: number, release: version, config, bus } as const;
    const life = new WorkerProcess(start, sharedLog.hub, sharedLog.lease, {
      listening: () => {
        log.info({ worker: number, workerPid: life.pid, node: life.incarnation }, "worker ready");
        life.order({ kind: "obstacle", reason: this.#toldObstacle });
        this.#assess();
      },
      failed: (error) => {
        if (!this.#isComplete) return this.#complete.reject(errorOf(error));
        log.error({ worker: number, reason: error.message }, "worker cannot start");
      },
      ended: (code, signal) => this.#ended(number, place, life, code, signal),
      noticed: (events) => {
        for (const event of events) sharedLog.webhooks?.sink.emit(event);
      },
    });
    place.process = life;
  }

  #ended(number: number, place: Place, life: WorkerProcess, code: number | null, signal: string | null): void {
    const { sharedLog, log, retired } = this.#parts;
    place.process = undefined;
    retired(life.metrics);
    sharedLog.ended(life.incarnation); // its members leave, on all nodes
    void life.endLease(this.#isDraining);
    if (this.#isDraining) return;
    place.shortLives = performance.now() - life.startedMs < shortLifeMs ? place.shortLives + 1 : 0;
    const restartInMs = Math.min(restartMaxMs, restartAtFirstMs * 2 ** Math.max(0, place.shortLives - 1));
    log.error(
      { worker: number, workerPid: life.pid, node: life.incarnation, code, signal, restartInMs },
      "worker ended: another one takes its place",
    );
    place.restarting = setTimeout(() => {
      place.restarts += 1;
      this.#fork(number, place);
    }, restartInMs);
    this.#assess();
  }

  #assess(): void {
    const { count, health } = this.#parts;
    const ready = this.processes.filter((process) => process?.isListening).length;
    if (!this.#isComplete && ready === count) {
      this.#isComplete = true;
      health.clear("start");
      this.#complete.resolve();
    }
    if (this.#isComplete && ready * 2 < count) health.block("workers", `${ready} of ${count} workers are ready`);
    else health.clear("workers");
    this.tellObstacle();
  }

  #beat(): void {
    for (const [worker, life] of this.processes.entries()) {
      const reason = life?.beat();
      if (life === undefined || reason === undefined) continue;
      const state = life.pid === undefined ? undefined : processState(life.pid);
      this.#parts.log.error({ worker, workerPid: life.pid, reason, state }, "worker is stuck: it is ended");
      life.kill();
    }
  }
}

/** The worker's error as if it had been thrown here: the command line tells a user's mistake by its class. */
function errorOf({ name, code, message }: Failure): Error {
  if (name === AuthSetupError.name) return new AuthSetupError(code as AuthSetupCode, message);
  return Object.assign(new Error(message), { code });
}
