/**
 * What the processes of a gateway count and how they are, for a console: the form of it.
 *
 * The rule: counts never fall while a process lives, so whoever asks twice knows what happened in between.
 */
import { z } from "zod";

const count = (what: string) => z.number().describe(`${what}; never falls while the process lives.`);
const buckets = (what: string) =>
  z
    .array(z.number())
    .describe(`${what}: how many there were by bucket of \`latencyBoundsSeconds\`, the last above all.`);

/** The log in Redis, as one process sees it. */
const sharedLog = z.strictObject({
  queueBytes: z.number().describe("Records that wait for Redis."),
  unreadEntries: z.number().describe("Entries sent and not read back."),
  lagSeconds: z.number().describe("How long an entry takes until it is read back; of one that is late, so far."),
  isLeased: z.boolean().describe("The other nodes take this one for alive."),
  failures: count("Attempts to read or write that failed"),
  reconnects: count("Connections made anew"),
  epochChanges: count("Breaks of the log"),
});

export const processStats = z.strictObject({
  node: z.string(),
  version: z.string(),
  host: z.string(),
  pid: z.number(),
  uptimeSeconds: z.number(),
  connections: z.number(),
  subscriptions: z.number(),
  memoryBytes: z.number().describe("Resident."),
  busySeconds: count("How long its thread has worked"),
  framesIn: count("Frames from clients"),
  framesOut: count("Frames handed to clients"),
  bytesIn: count("Their payload"),
  bytesOut: count("Their payload"),
  publications: count("Publications of the whole gateway that it has seen"),
  deliveries: count("Publications handed to subscribers, once for each"),
  refusals: count("Error frames"),
  dropped: count("Frames that a full send queue did not take"),
  deliveryLatency: buckets("From the arrival of a publication until it is handed to subscribers"),
  appendLatency: buckets("From the append of a publication until the log has it"),
  log: sharedLog.optional().describe("Where the log is in Redis, and this process reads it there."),
});
export type LogStats = z.infer<typeof sharedLog>;
export type ProcessStats = z.infer<typeof processStats>;

export const stats = z.strictObject({
  processes: z.array(processStats).describe("Those that have connections."),
  latencyBoundsSeconds: z.array(z.number()),
  ready: z.boolean().describe("Whether the process that answers accepts clients, as /readyz says."),
  reason: z.string().describe("What stands in the way; empty where nothing does."),
  log: sharedLog.optional().describe("Where the log is in Redis: as the process sees it that answers."),
  isPartial: z.literal(true).optional().describe("A process did not answer in time: what it has is missing."),
});
export type Stats = z.infer<typeof stats>;
