/**
 * The package: a gateway inside another program.
 *
 *     const { config } = loadConfig({ env: process.env, flags: { port: 9501 } });
 *     const gateway = await startGateway(config, createLog(config.log));
 */

export { ConfigError } from "../config/config-error.ts";
export type { Config } from "../config/config-schema.ts";
export { loadConfig } from "../config/load-config.ts";
export { createLog, type Log } from "../log/log.ts";
export { type Gateway, startGateway } from "./gateway.ts";
export { version } from "./version.ts";
