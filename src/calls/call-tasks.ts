/** What calls do, in the words of error texts; apart from their schemas, so that a command that asks a gateway loads none. */
import type { CallName } from "./call-table.ts";
import { CallError } from "./calls.ts";

/** What the calls do that are no verbs. */
const tasks: { readonly [Name in CallName]?: string } = {
  presence: "list members",
  presence_stats: "count members",
  history: "read history",
  channels: "list channels",
  connections: "list connections",
  info: "tell info",
  stats: "tell stats",
  token: "issue token",
  "authorize/explain": "explain authorization",
};

/** Why a call is answered though nothing is known of what it was to do. */
export const unanswered = (name: CallName): CallError =>
  new CallError("unavailable", `cannot ${taskOf(name)} in time: the log is away. It may still be carried out.`);

/** What a call does, for error texts: `cannot list connections: …`. */
export const taskOf = (name: CallName): string => tasks[name] ?? name;
