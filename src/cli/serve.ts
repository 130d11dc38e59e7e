/**
 * `tidegate serve`: the configuration from all sources, then the gateway, which runs until a signal ends it: in this
 * process, or in several that this one supervises.
 */
import { availableParallelism } from "node:os";
import { loadConfig } from "../config/load-config.ts";
import { processEnvironment } from "../config/process-environment.ts";
import { sizeYoungGeneration } from "../gateway/young-generation.ts";
import { parseArguments, UsageError } from "./arguments.ts";

const grammar = {
  command: "serve",
  flags: {
    config: "value",
    host: "value",
    port: "value",
    "admin-host": "value",
    "admin-port": "value",
    workers: "value",
    "log-level": "value",
    redis: "value",
  },
  operands: [],
} as const;

/** Resolves once the gateway listens; it keeps the process running. */
export async function serve(args: readonly string[]): Promise<void> {
  const { values } = parseArguments(grammar, args);
  const { host, port, "admin-host": adminHost, "admin-port": adminPort, "log-level": level, workers } = values;
  if (values.redis === "")
    // of a variable that is not set: no reason to take the Redis of this machine
    throw new UsageError("--redis must be the URL of a Redis, such as redis://host:6379, got nothing", "serve");
  const redis = values.redis === undefined ? undefined : { enabled: true, url: values.redis };
  const flags = { host, port, adminHost, adminPort, workers, log: { level }, redis };
  const { config, warnings } = loadConfig({ file: values.config, env: processEnvironment, flags });
  sizeYoungGeneration(); // before the modules of a gateway grow it
  const { runGateway } = await import("../gateway/run.ts"); // loads the native library, which the other commands spare
  const count = config.workers === "auto" ? availableParallelism() : config.workers;
  if (count < 2) return runGateway(config, warnings);
  const { startCluster } = await import("../cluster/cluster.ts");
  await runGateway(config, warnings, (_, log) => startCluster(config, count, log));
}
