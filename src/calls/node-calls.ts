/** The calls of a process that has connections of its own. */
import { type CallParts, createCalls, type RunningCalls } from "./create-calls.ts";
import { OwnConnections, type OwnParts } from "./own-connections.ts";

export type NodeCallParts = Omit<CallParts, "act" | "others"> & OwnParts;

export function createNodeCalls(parts: NodeCallParts): RunningCalls {
  const own = new OwnConnections(parts);
  return createCalls({ ...parts, act: (command) => own.act(command), others: () => [] });
}
