/**
 * The gateway's log: one line for a change of state, never one for a message.
 *
 * The one rule: the message is a constant text, and everything that varies stands in the fields. Whatever a field
 * holds, an event stays one line (only a stack trace on a terminal takes more), and secrets never appear: known keys
 * are redacted by name, and `line-safety.ts` finds tokens inside texts.
 */
import { pino, stdSerializers, stdTimeFunctions } from "pino";
import { prettyFactory } from "pino-pretty";
import { LineOutput } from "./line-output.ts";
import { safeForJson, safeForTerminal, withoutSecrets } from "./line-safety.ts";

/** Names and values of one line; `err` is an Error, written with its stack. */
export type LogFields = object;

/** What the rest of the gateway sees. */
export interface Log {
  /** Whether lines of `level` are written; absent: all of them. */
  isLevelEnabled?(level: string): boolean;
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
  fatal(fields: LogFields, message: string): void;
  /** A log that adds `fields` to each line. */
  child(fields: LogFields): Log;
}

export const logLevels = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
export type LogLevel = (typeof logLevels)[number];
export const logFormats = ["auto", "json", "pretty"] as const;
export type LogFormat = (typeof logFormats)[number];

export interface LogOptions {
  /** Lines below this level are not written. */
  readonly level: LogLevel;
  /** `auto`: readable on a terminal, JSON elsewhere. */
  readonly format: LogFormat;
}

/** Takes whole lines, with their line end. */
export interface LogDestination {
  write(line: string): void;
}

/** What may wait for a reader of standard output, or for room on its disk. */
const waitingBytesMax = 4 * 1024 * 1024;

/** A log that writes to `destination`, by default standard output, where nothing that goes wrong stops the gateway. */
export function createLog(options: LogOptions, destination?: LogDestination): Log {
  const isTerminal = destination === undefined && process.stdout.isTTY === true;
  const isPretty = options.format === "pretty" || (options.format === "auto" && isTerminal);
  const dropped = (lines: number): void => log.warn({ lines }, "log lines were dropped: standard output took none");
  const output = destination ?? standardOutput(isTerminal, dropped);
  const layOut = isPretty ? prettyLines(isTerminal) : safeForJson;
  const log: Log = pino(
    {
      level: options.level,
      base: { pid: process.pid },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: stdSerializers.errWithCause },
      redact: { paths: redactedPaths, censor: "[redacted]" },
    },
    { write: (line: string) => void output.write(layOut(withoutSecrets(line))) },
  );
  return log;
}

/** One for the process: lines of several logs keep their order. */
let opened: LineOutput | undefined;

function standardOutput(isSync: boolean, dropped: (lines: number) => void): LogDestination {
  opened ??= new LineOutput({ fd: 1, bytesMax: waitingBytesMax, isSync, dropped });
  return opened;
}

function prettyLines(colorize: boolean): (line: string) => string {
  const prettify = prettyFactory({ colorize, singleLine: true, ignore: "pid", translateTime: "SYS:HH:MM:ss.l" });
  return (line) => prettify(safeForTerminal(line));
}

// `command.args`: an error of ioredis carries its command, and AUTH has the password among its arguments.
const secretKeys = ["token", "authorization", "secret", "password", "passphrase", "apiKey", "command.args"];
const redactedPaths = ["", "*.", "*.*.", "*.*.*.", "*.*.*.*."].flatMap((prefix) =>
  secretKeys.map((key) => prefix + key),
);
