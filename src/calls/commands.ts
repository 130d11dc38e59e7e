/**
 * What processes ask of each other through the log: each command, and what one process answers to it for the
 * connections that it has.
 *
 * The rule: what comes out of the log is checked like any input. A command that this release does not know is not
 * answered, and whoever asked sees that its result is partial.
 */
import { z } from "zod";
import { processStats } from "./stats.ts";

const texts = z.array(z.string());
const selection = { users: texts, connections: z.array(z.number()), sessions: texts };
const limit = z.int().min(1);

const commandSchema = z.discriminatedUnion("name", [
  z.object({ name: z.literal("subscribe"), channel: z.string(), ...selection }),
  z.object({ name: z.literal("unsubscribe"), channel: z.string(), ...selection }),
  z.object({ name: z.literal("disconnect"), code: z.int().min(4000).max(4999), reason: z.string(), ...selection }),
  z.object({ name: z.literal("revoke"), tokens: texts, users: texts, before: z.number(), until: z.number() }),
  /** Channels behind `after` in the order of their names. */
  z.object({ name: z.literal("channels"), pattern: z.string(), after: z.string(), limit }),
  /** Connections behind `after` in the order of their ids. */
  z.object({
    name: z.literal("connections"),
    user: z.string().optional(),
    connection: z.number().optional(),
    after: z.number(),
    limit,
  }),
  z.object({ name: z.literal("info") }),
  z.object({ name: z.literal("stats") }),
]);

const affected = z.object({ connections: z.int().min(0) });
/** In the order of its keys, at least one where there is `more`. */
const part = <T extends z.ZodType>(item: T) => z.object({ items: z.array(item), more: z.boolean() });
const connectionInfo = z.object({
  connection: z.number(),
  session: z.string(),
  node: z.string(),
  user: z.union([z.string(), z.number()]).optional(),
  role: z.string().optional(),
  address: z.string(),
  format: z.enum(["json", "msgpack"]),
  channels: texts,
  queuedBytes: z.number(),
});
const nodeInfo = z.object({
  node: z.string(),
  version: z.string(),
  connections: z.number(),
  subscriptions: z.number(),
  uptimeSeconds: z.number(),
});

/** What one process answers, by command. */
const resultSchemas = {
  subscribe: affected,
  unsubscribe: affected,
  disconnect: affected,
  revoke: affected,
  channels: part(z.object({ channel: z.string(), subscribers: z.int() })),
  connections: part(connectionInfo),
  info: nodeInfo,
  stats: z.object(processStats.shape), // of a later release with more than is known here
} as const satisfies Record<Command["name"], z.ZodType>;

/** `result` is absent where a process has no connections; `also`: others that are there, as far as it knows. */
const answerSchema = z.object({ result: z.unknown().optional(), also: texts });

export type Command = z.infer<typeof commandSchema>;
export type CommandName = Command["name"];
export type CommandOf<N extends CommandName> = Extract<Command, { name: N }>;
export type ResultOf<N extends CommandName> = z.infer<(typeof resultSchemas)[N]>;
export type CommandResult = { [N in CommandName]: ResultOf<N> }[CommandName];

/** Commands that change nothing: whoever reads up on the past passes them over. */
export const isQuery = ({ name }: Command): boolean =>
  name === "channels" || name === "connections" || name === "info" || name === "stats";

/** Milliseconds that an asker waits, and that an answer is worth making. To list channels a process looks at every connection. */
export const timeoutMsOf = ({ name }: Pick<Command, "name">): number => (name === "channels" ? 3000 : 1000);

/** `undefined` for what is malformed, or a later release's. */
export const readCommand = (body: string): Command | undefined => commandSchema.safeParse(parsed(body)).data;

/** The same for an answer to the command `name`. */
export function readAnswer<N extends CommandName>(
  name: N,
  body: string,
): { readonly result: ResultOf<N> | undefined; readonly also: readonly string[] } | undefined {
  const answer = answerSchema.safeParse(parsed(body)).data;
  if (answer === undefined) return undefined;
  if (answer.result === undefined) return { result: undefined, also: answer.also };
  const result = resultSchemas[name].safeParse(answer.result).data as ResultOf<N> | undefined;
  return result === undefined ? undefined : { result, also: answer.also };
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}
