/** `serve`: a gateway as a process, from its start to the signal that ends it. Works as PID 1. */
import { constants } from "node:os";
import type { Config } from "../config/config-schema.ts";
import { createLog, type Log } from "../log/log.ts";
import { descriptorFault, descriptorLimit } from "./descriptors.ts";
import type { Gateway } from "./gateway.ts";
import { startGateway } from "./start-gateway.ts";
import { version } from "./version.ts";

/**
 * Runs what `start` starts, by default a gateway in this process alone, until a signal ends the process. Rejects where it
 * cannot start.
 */
export async function runGateway(
  config: Config,
  warnings: readonly string[],
  start: (config: Config, log: Log) => Promise<Gateway> = startGateway,
): Promise<void> {
  const log = createLog(config.log);
  for (const warning of warnings) log.warn({ warning }, "configuration");
  const descriptors = descriptorFault(descriptorLimit(), config.maxConnections);
  if (descriptors !== undefined) log.warn({}, descriptors);
  process.on("uncaughtException", (err) => {
    log.fatal({ err }, "the process ends: an unexpected error");
    process.exit(1);
  });

  let gateway: Gateway | undefined;
  let isStopping = false;
  const stop = async (signal: "SIGTERM" | "SIGINT"): Promise<void> => {
    if (isStopping || gateway === undefined) {
      log.info({ signal }, "ended at once");
      process.exit(128 + constants.signals[signal]);
    }
    isStopping = true;
    // Whoever presses Ctrl-C has no load balancer that must notice first.
    const delaySeconds = signal === "SIGINT" ? 0 : config.drain.delaySeconds;
    log.info({ signal, delaySeconds, drainSeconds: config.drain.seconds }, "draining; a second signal ends at once");
    await gateway.stop({ delaySeconds });
    log.info({}, "stopped");
    process.exit(0);
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  let mustReload = false; // asked for while nothing could be reloaded yet
  const reload = (): void => {
    if (config.tls.certFile === "") return log.info({}, "no certificate to reload: TLS is off");
    mustReload = gateway === undefined;
    if (gateway === undefined) return;
    try {
      gateway.reloadCertificate();
      log.info({}, "certificate reloaded");
    } catch (err) {
      log.error({ err }, "certificate not reloaded: the old one stays");
    }
  };
  process.on("SIGHUP", reload);

  gateway = await start(config, log);
  log.info(
    { version, node: process.version, port: gateway.port, host: config.host, adminPort: gateway.adminPort },
    "listening",
  );
  log.info(
    { url: `http://${config.adminHost}:${gateway.adminPort}/` },
    "the console, and two clicks to a chat in two tabs",
  );
  if (mustReload) reload();
}
