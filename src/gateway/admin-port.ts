/** The admin port of a running gateway, whether that is one process or many: what it tells, and the server API. */
import { type AdminServer, startAdmin } from "../admin/admin-server.ts";
import type { ApiOptions } from "../admin/api-server.ts";
import { isLoopback } from "../admin/host-check.ts";
import { loadApiKeys } from "../auth/api-keys.ts";
import type { CallServices } from "../calls/call-table.ts";
import type { Calls } from "../calls/calls.ts";
import { explainCall } from "../calls/explain-call.ts";
import { issueToken } from "../calls/issue-token.ts";
import type { Config } from "../config/config-schema.ts";
import { limited } from "../log/limited-log.ts";
import type { Log } from "../log/log.ts";
import type { ApiCounters } from "../metrics/api-counters.ts";
import type { Health } from "../metrics/health.ts";
import type { Registry } from "../metrics/registry.ts";
import { version } from "./version.ts";

export interface AdminParts {
  readonly metrics: Pick<Registry, "contentType" | "text">;
  readonly health: Health;
  /** That clients connect to. */
  readonly publicPort: number;
  readonly calls: Calls;
  readonly apiCounters: ApiCounters;
  readonly log: Log;
}

/** Opens it. Rejects with `ListenError`, or with `AuthSetupError` where a key of the server API is not fit. */
export async function openAdminPort(config: Config, parts: AdminParts): Promise<AdminServer> {
  const { metrics, health, publicPort } = parts;
  const log = limited(parts.log, outsiders);
  return startAdmin({
    host: config.adminHost,
    port: config.adminPort,
    metrics,
    health,
    publicPort: () => publicPort,
    tls: config.tls.certFile !== "",
    version,
    log,
    api: apiOptions(config, parts),
  });
}

/** Log lines a second of one event that outsiders can trigger. */
export const outsiders = { linesPerSecond: 10 };

/** Says in the log, once, where there are no keys. */
function apiOptions(config: Config, { calls, apiCounters, log }: AdminParts): ApiOptions {
  const { adminHost, api } = config;
  const keys = loadApiKeys(api.keys);
  if (keys.count === 0) {
    const isOpen = adminHost !== "localhost" && !isLoopback(adminHost);
    log[isOpen ? "warn" : "info"]({ adminHost }, "no api.keys: the server API answers only requests of this machine");
  }
  return {
    ...api,
    keys,
    ...callServices(config, calls),
    depthMax: config.depthMax,
    counters: apiCounters,
  };
}

/** What carries calls out, by the configuration of this process. */
export const callServices = ({ auth, channels }: Config, calls: Calls): CallServices => ({
  calls,
  issueToken: (call) => issueToken(auth, call),
  explain: (call) => explainCall(channels, call),
});
