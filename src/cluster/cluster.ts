/**
 * A gateway of several processes: this one supervises. It holds the log, the admin port and nothing else; connections
 * are its workers'.
 *
 * The rule: it does little that can fail, for its workers end with it. It is started again by whoever started it.
 */
import cluster from "node:cluster";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import type { AdminServer } from "../admin/admin-server.ts";
import { createCalls } from "../calls/create-calls.ts";
import { systemClock } from "../clock/clock.ts";
import { readCertificate } from "../config/certificate.ts";
import type { Config } from "../config/config-schema.ts";
import { openAdminPort } from "../gateway/admin-port.ts";
import type { Gateway } from "../gateway/gateway.ts";
import { version } from "../gateway/version.ts";
import type { Log } from "../log/log.ts";
import { ApiCounters } from "../metrics/api-counters.ts";
import { Health } from "../metrics/health.ts";
import { ClusterMetrics } from "./cluster-metrics.ts";
import { createSharedLog } from "./shared-log.ts";
import { findSharedPort } from "./shared-port.ts";
import { Workers } from "./workers.ts";

/** Starts `count` workers; resolves once all of them take connections. Rejects as `startGateway` does. */
export async function startCluster(configured: Config, count: number, log: Log): Promise<Gateway> {
  const port = await findSharedPort(configured.host, configured.port);
  const config: Config = { ...configured, port };
  cluster.setupPrimary({ exec: workerProgram, args: [], serialization: "advanced" });

  const health = new Health();
  const status = {
    block: (reason: string) => {
      health.block("bus", reason);
      workers?.tellObstacle();
    },
    clear: () => {
      health.clear("bus");
      workers?.tellObstacle();
    },
  };
  let workers: Workers | undefined; // before they are made, Redis may already be in trouble
  const sharedLog = createSharedLog(config, status, log, (...applied) => calls.apply(...applied));
  const calls = createCalls({
    ...sharedLog.state,
    clock: systemClock,
    version,
    log,
    messageBytesMax: config.messageBytesMax,
    act: undefined, // connections are the workers'
    others: () => (workers?.processes ?? []).flatMap((life) => (life?.isListening ? [life.incarnation] : [])),
    flush: () => {},
    webhooks: sharedLog.webhooks?.figures,
    health,
    figures: sharedLog.figures,
    own: () => (workers?.processes ?? []).flatMap((life) => life?.stats ?? []),
  });
  const apiCounters = new ApiCounters();
  const metrics = new ClusterMetrics({
    workers: () => workers?.processes ?? [],
    restarts: () => workers?.restarts ?? [],
    publications: () => sharedLog.publications,
    ready: () => (health.ready().ok ? 1 : 0),
    bus: sharedLog.figures,
    api: apiCounters,
    webhooks: sharedLog.webhooks?.figures,
  });
  let admin: AdminServer | undefined;
  const close = async (): Promise<void> => {
    await sharedLog.stop();
    admin?.stop();
  };
  try {
    admin = await openAdminPort(config, { metrics, health, publicPort: port, calls, apiCounters, log });
    workers = new Workers({ config, count, sharedLog, health, log, retired: (last) => metrics.retire(last) });
    await Promise.all([sharedLog.start(), workers.start()]);
  } catch (error) {
    workers?.killAll();
    await close();
    throw error;
  }
  const running = workers;
  return {
    port,
    adminPort: admin.port,
    calls,
    reloadCertificate() {
      if (config.tls.certFile !== "") readCertificate(config.tls); // by all workers or by none
      running.order({ kind: "reload" });
    },
    async stop({ delaySeconds = config.drain.delaySeconds, seconds = config.drain.seconds } = {}) {
      health.block("drain", "draining");
      running.tellObstacle();
      await running.drain(delaySeconds, seconds);
      await close();
    },
  };
}

/** As TypeScript, or as what was built of it. */
const workerProgram = fileURLToPath(new URL(`../worker-main${extname(import.meta.url)}`, import.meta.url));
