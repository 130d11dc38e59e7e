/**
 * The paced drain: connections are sent elsewhere one by one over a window, each told when to come back, so that the
 * other nodes get a stream of them and not a herd.
 *
 * The rule: the pace is the clock's, so that the window ends when it should; and what a process that stood still is
 * behind with is made up for at twice the pace and never faster.
 */
import type { Clock } from "../clock/clock.ts";
import type { Connection } from "../connection/connection.ts";
import type { Log } from "../log/log.ts";

const stepMs = 50;
const catchUp = 2;
/** Clients spread their return over this much more, so that those closed in one step do not arrive in one. */
export const returnSpreadMs = 1000;

export interface DrainParts {
  readonly clock: Pick<Clock, "nowMs">;
  readonly log: Pick<Log, "debug" | "info">;
}

/** Closes all `connections` within `seconds`. Resolves when the last close frame is handed to its socket. */
export async function drainConnections(
  connections: Iterable<Connection>,
  seconds: number,
  { clock, log }: DrainParts,
): Promise<void> {
  const remaining = [...connections];
  const total = remaining.length;
  const steps = Math.max(1, Math.floor((seconds * 1000) / stepMs));
  const startedMs = clock.nowMs();
  log.info({ connections: total, seconds }, "sending connections elsewhere");
  let due = 0; // with fractions
  let tookMs = 0;
  let stillMs = 0; // of it, what cannot be made up for
  while (remaining.length > 0) {
    const elapsedMs = clock.nowMs() - startedMs;
    stillMs += Math.max(0, elapsedMs - tookMs - catchUp * stepMs);
    tookMs = elapsedMs;
    const byTheClock = (total * (elapsedMs + stepMs)) / (steps * stepMs);
    due = Math.min(byTheClock, due + (catchUp * total) / steps, total);
    for (const connection of remaining.splice(total - Math.ceil(due))) sendElsewhere(connection, log);
    if (remaining.length > 0) await step();
  }
  log.info(
    { connections: total, tookMs: Math.round(tookMs), stillMs: Math.round(stillMs) },
    "connections sent elsewhere",
  );
}

/** By the global timer, which tests drive; that of `node:timers/promises` is out of their reach. */
const step = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, stepMs));

function sendElsewhere(connection: Connection, log: DrainParts["log"]): void {
  if (!connection.isOpen) return;
  const retryInMs = Math.floor(Math.random() * returnSpreadMs);
  log.debug({ connection: connection.id, retryInMs }, "connection sent elsewhere");
  connection.cork(() => {
    connection.send({ action: "reconnect", retry_in_ms: retryInMs });
    connection.close("going_away", "the node is draining");
  });
}
