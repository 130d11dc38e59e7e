/** `tidegate tail`: a channel in the terminal, its messages out and typed lines in. */
import { createInterface } from "node:readline";
import { clientToken, processEnvironment } from "../config/process-environment.ts";
import { isChannelName } from "../protocol/names.ts";
import { parseArguments, UsageError } from "./arguments.ts";
import { complain, endWithReader, print, printable } from "./output.ts";
import { TailClient, type TailOutput } from "./tail-client.ts";
import { lineOf } from "./tail-lines.ts";

const grammar = {
  command: "tail",
  flags: { url: "value", token: "value", since: "value", raw: "switch" },
  operands: ["CHANNEL"],
} as const;

/** Resolves at Ctrl-C, or at Ctrl-D on a terminal. Rejects where the channel cannot be followed. */
export async function tail(args: readonly string[]): Promise<void> {
  const { values, operands } = parseArguments(grammar, args);
  const { url = "ws://127.0.0.1:9501", token = clientToken(processEnvironment), since = "0", raw } = values;
  const channel = operands[0]!;
  if (!isChannelName(channel)) throw refused("CHANNEL", "words of letters, digits, _ and - joined by dots", channel);
  if (!URL.canParse(url) || !/^wss?:\/\//i.test(url)) throw refused("--url", "a ws:// or wss:// URL", url);
  if (!/^\d{1,9}$/.test(since)) throw refused("--since", "a whole number of messages", since);
  if (token !== undefined && !/^[\x21-\x7e]+$/.test(token))
    throw new UsageError("the token has characters that no token has", "tail");

  endWithReader();
  const output = raw ? rawOutput : plainOutput;
  const client = new TailClient({ url, token, channel, since: Number(since) }, output);
  process.once("SIGINT", () => client.stop());
  process.once("SIGTERM", () => client.stop());
  publishLines(client);
  try {
    await client.run();
  } finally {
    process.stdin.destroy();
  }
}

const plainOutput: TailOutput = {
  frame(frame) {
    const line = lineOf(frame, new Date());
    if (line !== undefined) print(line);
  },
  notice: complain,
};

const rawOutput: TailOutput = { frame: (_frame, text) => print(printable(text)), notice: complain };

/** Publishes standard input line by line. Its end ends a terminal's session, and only the publishing of a pipe. */
async function publishLines(client: TailClient): Promise<void> {
  process.stdin.on("error", () => {}); // a terminal that is gone is the end of input, and no more
  for await (const line of createInterface({ input: process.stdin })) {
    if (line.trim() !== "") await client.publish(valueOfLine(line));
  }
  if (process.stdin.isTTY) client.stop();
}

/** JSON where it is JSON, otherwise the line as text. */
function valueOfLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return line;
  }
}

function refused(argument: string, rule: string, given: string): UsageError {
  return new UsageError(`${argument} must be ${rule}, got ${JSON.stringify(given)}`, "tail");
}
