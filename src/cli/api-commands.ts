/**
 * `tidegate publish`, `connections`, `disconnect` and `info`: the server API of a running gateway, from a terminal.
 *
 * One line a thing, for people; with `--raw` the result as it came, as JSON.
 */
import type { ConnectionInfo, Info, Page, WebhookInfo } from "../calls/calls.ts";
import { isChannelName } from "../protocol/names.ts";
import { ApiClient, apiFlags } from "./api-client.ts";
import { parseArguments, UsageError } from "./arguments.ts";
import { complain, counted, endWithReader, print, printable } from "./output.ts";

/** Publishes one message. */
export async function publish(args: readonly string[]): Promise<void> {
  const flags = { ...apiFlags, user: "value", key: "value" } as const;
  const { values, operands } = parseArguments({ command: "publish", flags, operands: ["CHANNEL", "JSON"] }, args);
  const [channel = "", json = ""] = operands;
  if (!isChannelName(channel)) {
    const rule = "words of letters, digits, _ and - joined by dots";
    throw new UsageError(`CHANNEL must be ${rule}, got ${JSON.stringify(channel)}`, "publish");
  }
  const message = jsonOf(json);
  const client = new ApiClient("publish", values);
  const call = { channel, message, ...(values.user !== undefined && { users: [values.user] }), key: values.key };
  const result = (await client.call("publish", call)) as { offset?: string; epoch?: string; duplicate?: true };
  if (values.raw) return print(JSON.stringify(result));
  const place = result.offset === undefined ? "" : ` at ${result.offset} of ${result.epoch}`;
  const outcome = result.duplicate === true ? "its key came before: not delivered again" : "published";
  print(printable(`${channel}: ${outcome}${place}`));
}

/** Lists the open connections, all pages of them. */
export async function connections(args: readonly string[]): Promise<void> {
  const flags = { ...apiFlags, user: "value" } as const;
  const { values } = parseArguments({ command: "connections", flags, operands: [] }, args);
  endWithReader();
  const client = new ApiClient("connections", values);
  let isPartial = false;
  let cursor: string | undefined;
  do {
    const page = (await client.call("connections", { user: values.user, limit: 1000, cursor })) as Page<ConnectionInfo>;
    for (const item of page.items) print(values.raw ? JSON.stringify(item) : connectionLine(item));
    isPartial ||= page.isPartial === true;
    cursor = page.next;
  } while (cursor !== undefined);
  warnOfPart(isPartial);
}

/** Closes connections. */
export async function disconnect(args: readonly string[]): Promise<void> {
  const own = { user: "value", connection: "value", session: "value", code: "value", reason: "value" } as const;
  const { values } = parseArguments({ command: "disconnect", flags: { ...apiFlags, ...own }, operands: [] }, args);
  const { user, connection, session, reason } = values;
  if (user === undefined && connection === undefined && session === undefined)
    throw new UsageError("disconnect needs --user ID, --connection ID or --session NAME", "disconnect");
  const code = numberOf("--code", values.code);
  const call = {
    users: user === undefined ? undefined : [user],
    connections: connection === undefined ? undefined : [numberOf("--connection", connection)],
    sessions: session === undefined ? undefined : [session],
    code,
    reason,
  };
  const result = (await new ApiClient("disconnect", values).call("disconnect", call)) as Info;
  if (values.raw) return print(JSON.stringify(result));
  print(`${counted(result.connections, "connection")} closed`);
  warnOfPart(result.isPartial === true);
}

/** Tells the nodes and what they hold, and how webhooks are. */
export async function info(args: readonly string[]): Promise<void> {
  const { values } = parseArguments({ command: "info", flags: apiFlags, operands: [] }, args);
  const result = (await new ApiClient("info", values).call("info", {})) as Info;
  if (values.raw) return print(JSON.stringify(result));
  const held = (of: { connections: number; subscriptions: number }) =>
    `${counted(of.connections, "connection")}, ${counted(of.subscriptions, "subscription")}`;
  print(printable(`tidegate ${result.version}: ${counted(result.nodes.length, "node")}, ${held(result)}`));
  for (const node of result.nodes)
    print(printable(`${node.node}  ${node.version}  ${held(node)}, up ${uptime(node.uptimeSeconds)}`));
  for (const webhook of result.webhooks ?? []) print(printable(webhookLine(webhook)));
  warnOfPart(result.isPartial === true);
}

function webhookLine({ url, queued, oldestSeconds, deadLetters }: WebhookInfo): string {
  const waiting = queued === 0 ? "nothing waits" : `${counted(queued, "event")} waiting for ${uptime(oldestSeconds)}`;
  return `${url}  ${waiting}, ${counted(deadLetters, "dead letter")}`;
}

function connectionLine(item: ConnectionInfo): string {
  const { connection, session, node, user, role, address, format, channels, queuedBytes } = item;
  const who = user === undefined ? "anonymous" : `${user}${role === undefined ? "" : ` (${role})`}`;
  const queued = queuedBytes === 0 ? "" : `  ${queuedBytes} bytes queued`;
  return printable(`${connection}  ${session}  ${who}  ${address}  ${format}  ${node}${queued}  ${channels.join(" ")}`);
}

/** The value that `text` is; text itself is written in quotes, so that a slip in JSON is never published as one. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    const hint = /^[^{["]/.test(text) ? `; a text is written ${`'${JSON.stringify(text)}'`}` : "";
    throw new UsageError(`JSON must be a JSON value, got ${JSON.stringify(text)}${hint}`, "publish");
  }
}

function numberOf(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,16}$/.test(text)) return Number(text);
  throw new UsageError(`${flag} must be a whole number, got ${JSON.stringify(text)}`, "disconnect");
}

function warnOfPart(isPartial: boolean): void {
  if (isPartial) complain("warning: a node did not answer in time, and what it has is missing");
}

/** `3 d 4 h`, `5 h 6 min`, `7 min`, `8 s`. */
function uptime(seconds: number): string {
  const whole = Math.floor(seconds);
  const [days, hours, minutes] = [
    Math.floor(whole / 86_400),
    Math.floor(whole / 3600) % 24,
    Math.floor(whole / 60) % 60,
  ];
  if (days > 0) return `${days} d ${hours} h`;
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min` : `${whole} s`;
}
