/**
 * The program: finds the command, runs it, and turns what went wrong into a line and an exit status.
 *
 * 0 success, 1 failure at run time, 2 wrong usage or configuration.
 */
import { AuthSetupError } from "../auth/auth-setup-error.ts";
import { ConfigError } from "../config/config-error.ts";
import { version } from "../gateway/version.ts";
import { didYouMean } from "../text/nearest.ts";
import { UsageError } from "./arguments.ts";
import { commands, helpText } from "./help.ts";
import { complain, print } from "./output.ts";

/** Runs the command line `args` and resolves to the exit status; `serve` goes on running after that. */
export async function run(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined) {
    process.stderr.write(helpText());
    return 2;
  }
  try {
    await dispatch(name, rest);
    return 0;
  } catch (error) {
    complain(error instanceof Error ? error.message : String(error));
    if (error instanceof UsageError) process.stderr.write(`${hint(error)}\n`);
    return isUsersMistake(error) ? 2 : 1;
  }
}

async function dispatch(name: string, rest: readonly string[]): Promise<void> {
  const command = commands.find((known) => known === name);
  if (asksHelp([name, ...rest])) return help(command);
  if (name === "--version") return print(`tidegate ${version}`);
  if (command === undefined) throw new UsageError(unknownCommand(name));
  // Each is loaded when it is run: help and a wrong word need none.
  switch (command) {
    case "serve":
      return (await import("./serve.ts")).serve(rest);
    case "check":
      return (await import("./check.ts")).check(rest);
    case "doctor":
      return (await import("./doctor.ts")).doctor(rest);
    case "token":
      return (await import("./token.ts")).token(rest);
    case "tail":
      return (await import("./tail.ts")).tail(rest);
    case "publish":
      return (await import("./api-commands.ts")).publish(rest);
    case "connections":
      return (await import("./api-commands.ts")).connections(rest);
    case "disconnect":
      return (await import("./api-commands.ts")).disconnect(rest);
    case "info":
      return (await import("./api-commands.ts")).info(rest);
    case "help":
      if (rest.length > 1) throw new UsageError(`unexpected argument ${JSON.stringify(rest[1])}`);
      return help(rest[0]);
  }
}

/** `--help` and `-h` anywhere, up to a lone `--`. */
function asksHelp(args: readonly string[]): boolean {
  const end = args.indexOf("--");
  return args.slice(0, end === -1 ? args.length : end).some((arg) => arg === "--help" || arg === "-h");
}

function help(name: string | undefined): void {
  const command = commands.find((known) => known === name);
  if (name !== undefined && command === undefined) throw new UsageError(unknownCommand(name));
  process.stdout.write(helpText(command));
}

function unknownCommand(name: string): string {
  const kind = name.startsWith("-") ? "flag" : "command";
  const known = kind === "flag" ? ["--help", "--version"] : commands;
  return `unknown ${kind} ${JSON.stringify(name)}${didYouMean(name, known)}`;
}

function hint({ command }: UsageError): string {
  return `Try 'tidegate help${command === undefined ? "" : ` ${command}`}'.`;
}

function isUsersMistake(error: unknown): boolean {
  return error instanceof UsageError || error instanceof ConfigError || error instanceof AuthSetupError;
}
