/**
 * What supervisor and worker say to each other besides the log: orders down, reports up. Bytes on the same channel are
 * the log's, see `bus/worker-messages.ts`.
 */
import type { WorkerBusOptions } from "../bus/worker-bus.ts";
import type { ProcessStats } from "../calls/stats.ts";
import type { Config } from "../config/config-schema.ts";
import type { MetricSnapshot } from "../metrics/metric.ts";
import type { WebhookEvent } from "../webhooks/event.ts";

/** To a worker. */
export type Order =
  /**
   * The first one, for one that is up: become worker `worker`, with the supervisor's configuration, not what the file says
   * by now. `release`: the supervisor's.
   */
  | {
      readonly kind: "start";
      readonly worker: number;
      readonly release: string;
      readonly config: Config;
      readonly bus: WorkerBusOptions;
    }
  /** What stands in the way of all workers, as /readyz is to say it; "" for nothing. */
  | { readonly kind: "obstacle"; readonly reason: string }
  /** Read the certificate files again. */
  | { readonly kind: "reload" }
  /** Drain, then end. */
  | { readonly kind: "drain"; readonly delaySeconds: number; readonly seconds: number };

/** From a worker. */
export type Report =
  /** It hears: what was sent before is lost, for node:cluster has listened already. */
  | { readonly kind: "up" }
  /** It takes connections. */
  | { readonly kind: "listening" }
  /** It cannot start, and ends. */
  | { readonly kind: "failed"; readonly error: Failure }
  /** Every second, also while it starts: it is not stuck, and this is what it has counted. */
  | { readonly kind: "snapshot"; readonly metrics: readonly MetricSnapshot[]; readonly stats: ProcessStats | undefined }
  /** What happened to its connections, for the supervisor's webhooks. */
  | { readonly kind: "events"; readonly events: readonly WebhookEvent[] };

/** An error on its way between processes. */
export interface Failure {
  readonly name: string;
  readonly code: string | undefined;
  readonly message: string;
}

export const reportMs = 1000;
