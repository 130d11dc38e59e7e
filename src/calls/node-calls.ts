/** The calls of a process that has connections of its own. */
import { type CallParts, createCalls, type RunningCalls } from "./create-calls.ts";
import { OwnConnections, type OwnParts } from "./own-connections.ts";
import type { ProcessStats } from "./stats.ts";

export interface NodeCalls extends RunningCalls {
  /** Of this process. */
  ownStats(): ProcessStats;
}

export type NodeCallParts = Omit<CallParts, "act" | "others" | "own"> & OwnParts;

export function createNodeCalls(parts: NodeCallParts): NodeCalls {
  const own = new OwnConnections(parts);
  const calls = createCalls({
    ...parts,
    act: (command) => own.act(command),
    others: () => [],
    own: () => [own.stats()],
  });
  return { ...calls, ownStats: () => own.stats() };
}
