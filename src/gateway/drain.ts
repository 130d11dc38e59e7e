/**
 * The paced drain: connections are sent elsewhere one by one over a window, each told when to come back, so that the
 * other nodes get a stream of them and not a herd.
 */
import { setTimeout } from "node:timers/promises";
import type { Connection } from "../connection/connection.ts";

const stepMs = 50;
/** Clients spread their return over this much more, so that those closed in one step do not arrive in one. */
export const returnSpreadMs = 1000;

/** Closes all `connections` within `seconds`. Resolves when the last close frame is handed to its socket. */
export async function drainConnections(connections: Iterable<Connection>, seconds: number): Promise<void> {
  const remaining = [...connections];
  const steps = Math.max(1, Math.floor((seconds * 1000) / stepMs));
  const perStep = remaining.length / steps;
  for (let step = 1; remaining.length > 0; step += 1) {
    const left = Math.max(0, Math.floor(perStep * (steps - step)));
    for (const connection of remaining.splice(left)) sendElsewhere(connection);
    if (remaining.length > 0) await setTimeout(stepMs);
  }
}

function sendElsewhere(connection: Connection): void {
  connection.cork(() => {
    connection.send({ action: "reconnect", retry_in_ms: Math.floor(Math.random() * returnSpreadMs) });
    connection.close("going_away", "the node is draining");
  });
}
