/**
 * The package: a gateway inside another program.
 *
 *     const gateway = createGateway({ port: 9501, hooks: { onConnect: async ({ user }) => {} } });
 *     await gateway.start();
 *
 * `startGateway` is the step below: for a configuration from files and the environment, as `loadConfig` reads it.
 */

export type {
  Affected,
  CallErrorCode,
  ConnectionInfo,
  ConnectionsCall,
  DisconnectCall,
  Json,
  Page,
  PublishCall,
  Published,
} from "../calls/calls.ts";
export { CallError } from "../calls/calls.ts";
export { ConfigError } from "../config/config-error.ts";
export type { Config } from "../config/config-schema.ts";
export { loadConfig } from "../config/load-config.ts";
export type {
  CloseEvent,
  ConnectRequest,
  ConnectRewrite,
  HookConnection,
  Hooks,
  HookTarget,
  HookUser,
  MessageRequest,
  MessageRewrite,
  SubscribeRequest,
  SubscribeRewrite,
} from "../guard/hooks.ts";
export { HookRefusal } from "../guard/hooks.ts";
export { createLog, type Log } from "../log/log.ts";
export { createGateway, type EmbeddedGateway, type GatewayOptions } from "./create-gateway.ts";
export type { Gateway } from "./gateway.ts";
export { startGateway } from "./start-gateway.ts";
export { version } from "./version.ts";
