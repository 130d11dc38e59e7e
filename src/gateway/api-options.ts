/** What the admin port's server API is made of: the configured keys and limits, and the doors behind it. */
import type { ApiOptions } from "../admin/api-server.ts";
import { isLoopback } from "../admin/host-check.ts";
import { loadApiKeys } from "../auth/api-keys.ts";
import type { Calls } from "../calls/calls.ts";
import { explainCall } from "../calls/explain-call.ts";
import { issueToken } from "../calls/issue-token.ts";
import type { Config } from "../config/config-schema.ts";
import type { Log } from "../log/log.ts";
import type { ApiCounters } from "../metrics/api-counters.ts";

/** Reads the key files: throws `AuthSetupError`. Says once in the log where there are no keys. */
export function apiOptions(config: Config, calls: Calls, counters: ApiCounters, log: Log): ApiOptions {
  const { adminHost, api, auth, channels, depthMax } = config;
  const keys = loadApiKeys(api.keys);
  if (keys.count === 0) {
    const fields = { adminHost };
    const text = "no api.keys: the server API answers only requests of this machine";
    if (adminHost === "localhost" || isLoopback(adminHost)) log.info(fields, text);
    else log.warn(fields, text);
  }
  return {
    ...api,
    keys,
    calls,
    issueToken: (call) => issueToken(auth, call),
    explain: (call) => explainCall(channels, call),
    depthMax,
    counters,
  };
}
