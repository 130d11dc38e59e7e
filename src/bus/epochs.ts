/**
 * Names of the lives of a log. A later one sorts after an earlier one, so that nodes which notice the same break apart
 * from each other agree in the end: the latest name in the log counts.
 */
import { randomBytes } from "node:crypto";
import type { Control } from "./control.ts";

/** A new epoch that sorts after `before`, whatever the clocks say. */
export function newEpoch(before = ""): string {
  const epoch = Date.now().toString(36).padStart(9, "0") + randomBytes(4).toString("hex");
  return epoch > before ? epoch : `${before}0`;
}

/** The first node of a new log names its epoch, under `key`; the others take that name. */
export async function agreedEpoch(control: Control, key: string): Promise<string> {
  await control.run((client) => client.set(key, newEpoch(), "NX"));
  return (await control.run((client) => client.get(key))) ?? newEpoch();
}
