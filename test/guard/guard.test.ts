import assert from "node:assert/strict";
import { it } from "node:test";
import { Policies } from "../../src/channel/policy.ts";
import { systemClock } from "../../src/clock/clock.ts";
import { Connections } from "../../src/connection/connections.ts";
import { startGuard } from "../../src/gateway/start-guard.ts";
import type { Hooks } from "../../src/guard/hooks.ts";
import { createLog } from "../../src/log/log.ts";
import { Counters } from "../../src/metrics/counters.ts";
import { load } from "../config/faults.ts";

async function guardOf(flags: object, hooks?: Hooks) {
  const { config } = load({ flags });
  const counters = new Counters();
  const connections = new Connections(
    { node: 0, incarnation: "a", isShared: false },
    { counters, compress: false, flushReplies: () => {} },
  );
  const log = createLog({ level: "silent", format: "json" });
  const policies = new Policies(config.channels, 8);
  const guard = await startGuard(config, hooks, {
    ...{ policies, connections, counters, log },
    clock: systemClock,
    isRevoked: () => false,
  });
  const { connect, authenticate, subscribe, publish, closed } = guard;
  return Object.entries({ connect, authenticate, subscribe, publish, closed })
    .filter(([, ask]) => ask !== undefined)
    .map(([name]) => name);
}

const authorize = (on: string[], url = "http://127.0.0.1/") => ({ channels: { "a.>": { authorize: { url, on } } } });

it("Somebody is asked only about what a hook or a backend is there for: everything else goes its way untouched", async () => {
  assert.deepEqual(await guardOf({}), []);
  assert.deepEqual(await guardOf(authorize(["subscribe", "publish"], "")), []);
  assert.deepEqual(await guardOf(authorize(["publish"])), ["publish"]);
  assert.deepEqual(await guardOf(authorize(["subscribe"])), ["subscribe"]);
  assert.deepEqual(await guardOf({ callouts: { connect: { url: "http://127.0.0.1/" } } }), ["connect", "authenticate"]);
  assert.deepEqual(await guardOf({}, { onConnect() {} }), ["connect", "authenticate"]);
  assert.deepEqual(await guardOf({}, { onSubscribe() {} }), ["subscribe"]);
  assert.deepEqual(await guardOf({}, { onMessage() {} }), ["publish"]);
  assert.deepEqual(await guardOf({}, { onClose() {} }), ["closed"]);
});
