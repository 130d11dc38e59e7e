/** What a node of the model is given, and what it may be made to do without. */
import type { ModelRedis } from "./redis.ts";

/** Each is taken out in a run of its own, which must then fail. */
export const protections = [
  "look at the cursor",
  "sequences against doubles",
  "sequences against gaps",
  "gaps in the past",
  "a new epoch",
  "epochs of others",
  "breaks while reading up",
  "sending again",
  "wait for a replica",
  "keys",
  "exact offsets",
  "floors",
  "flush before subscribing",
] as const;
export type Protection = (typeof protections)[number];

export interface Surroundings {
  readonly redis: ModelRedis;
  readonly without: Protection | undefined;
  readonly isDurable: boolean;
  newEpoch(before: string): string;
  /** Below all positions of entries, and known to one node alone. */
  startOffset(): string;
}
