/**
 * The program of one worker: a gateway without an admin port, on the port that all workers share, with the supervisor's
 * log. It takes orders from the supervisor alone, and does not outlive it.
 */
import cluster from "node:cluster";
import { WorkerBus } from "./bus/worker-bus.ts";
import { Members } from "./channel/presence.ts";
import { type Order, type Report, reportMs } from "./cluster/control.ts";
import { startWatch } from "./cluster/watch.ts";
import { createWebhookPipe } from "./cluster/webhook-pipe.ts";
import { type Node, startNode } from "./gateway/gateway.ts";
import { version } from "./gateway/version.ts";
import { sizeYoungGeneration } from "./gateway/young-generation.ts";
import { createLog, type Log } from "./log/log.ts";
import { Health } from "./metrics/health.ts";

const health = new Health();
let log: Log | undefined;
let bus: WorkerBus | undefined;
let node: Node | undefined;
let isDraining = false;

cluster.worker?.once("disconnect", () => {
  if (!isDraining) log?.fatal({}, "the supervisor is gone: this worker ends at once");
  process.exit(1);
});
// A terminal, and systemd, send their signals to all processes; what follows from them is the supervisor's to say.
for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => {});
process.on("uncaughtException", (err) => {
  log?.fatal({ err }, "the process ends: an unexpected error");
  process.exit(1);
});
process.on("message", (message: Uint8Array | Order) => {
  if (message instanceof Uint8Array) bus?.receive(message);
  else obey(message);
});
sizeYoungGeneration();
setInterval(reportSnapshot, reportMs);
report({ kind: "up" });

function obey(order: Order): void {
  switch (order.kind) {
    case "start":
      return void start(order);
    case "obstacle":
      if (order.reason === "") health.clear("supervisor");
      else health.block("supervisor", order.reason);
      return;
    case "reload":
      return reload();
    case "drain":
      return void drain(order);
  }
}

async function start(order: Order & { readonly kind: "start" }): Promise<void> {
  const { config, worker, release } = order;
  log = createLog(config.log).child({ worker });
  if (release !== version)
    log.warn({ release: version, supervisor: release }, "newer files are in place: restart the gateway to run them");
  bus = new WorkerBus(order.bus, { send: (message) => void process.send?.(message, undefined, {}, () => {}) });
  const hookRunning = config.hooks.module === "" ? undefined : startWatch({ worker, log: config.log });
  const members = new Members(order.bus.shards);
  const webhooks = createWebhookPipe(config.webhooks, log, (events, sent) => report({ kind: "events", events }, sent));
  try {
    node = await startNode(config, log, { bus, health, members, sharesPort: true, webhooks, hookRunning });
    report({ kind: "listening" });
  } catch (error) {
    const { name, message, code } = error as NodeJS.ErrnoException;
    report({ kind: "failed", error: { name, code, message } }, () => process.exit(1));
  }
}

function reload(): void {
  try {
    node?.reloadCertificate();
    log?.info({}, "certificate reloaded");
  } catch (err) {
    log?.error({ err }, "certificate not reloaded: the old one stays");
  }
}

async function drain(times: { readonly delaySeconds: number; readonly seconds: number }): Promise<void> {
  isDraining = true;
  await node?.stop(times);
  process.exit(0);
}

function reportSnapshot(): void {
  const taken = node?.metrics.snapshot() ?? Promise.resolve([]);
  taken.then(
    (metrics) => report({ kind: "snapshot", metrics, stats: node?.stats() }),
    (err: unknown) => log?.error({ err }, "cannot read the metrics"),
  );
}

function report(message: Report, sent: () => void = () => {}): void {
  process.send?.(message, undefined, {}, sent);
}
