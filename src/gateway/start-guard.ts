/** Who is asked besides the rules, as the configuration and the embedding program want it. */

import type { Identity } from "../auth/identity.ts";
import type { BreakerState } from "../callout/breaker.ts";
import { Callouts } from "../callout/callouts.ts";
import type { Clock } from "../clock/clock.ts";
import type { Config } from "../config/config-schema.ts";
import type { Connections } from "../connection/connections.ts";
import { createGuard, type Guard, type GuardParts } from "../guard/guard.ts";
import { HookRunner, type HookRunnerParts } from "../guard/hook-runner.ts";
import type { Hooks } from "../guard/hooks.ts";
import { loadHooks } from "../guard/load-hooks.ts";
import type { Log } from "../log/log.ts";
import type { Counters } from "../metrics/counters.ts";

export interface RunningGuard extends Guard {
  /** How many backends stand in each state. */
  breakers(): Record<BreakerState, number>;
  /** Resolves once no hook is waited for. */
  stop(): Promise<void>;
}

export interface GuardNeeds {
  readonly policies: GuardParts["policies"];
  readonly connections: Connections;
  readonly counters: Counters;
  readonly clock: Clock;
  readonly log: Log;
  readonly hookRunning?: HookRunnerParts["hookRunning"];
  isRevoked(identity: Identity): boolean;
}

/** `given` are the hooks of the embedding program; without them the configured module is loaded. Rejects where it cannot be. */
export async function startGuard(config: Config, given: Hooks | undefined, needs: GuardNeeds): Promise<RunningGuard> {
  const { policies, connections, clock, log, isRevoked, hookRunning } = needs;
  const hooks = given ?? (config.hooks.module === "" ? {} : await loadHooks(config.hooks.module));
  const counters = needs.counters.guard;
  const callouts = new Callouts(config.callouts, { clock, counters, log });
  const runner = new HookRunner(config.hooks.timeoutMs, { clock, counters, log, hookRunning });
  const authorized = Object.values(config.channels).flatMap(({ authorize }) => (authorize?.url ? authorize.on : []));
  const options = { ...config, connect: config.callouts.connect, authorized };
  const guard = createGuard(options, { hooks, runner, callouts, policies, connections, clock, isRevoked });
  if (guard.closed !== undefined) connections.onClose(guard.closed);
  return {
    ...guard,
    breakers: () => callouts.breakers(),
    async stop() {
      await runner.idle();
      callouts.stop();
    },
  };
}
