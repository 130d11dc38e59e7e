/**
 * A log for events that outsiders can trigger, such as refused handshakes: at most so many lines a second of one
 * event, then one line that says how many were left out. The event is the message, which is a constant text.
 */
import { type Clock, systemClock } from "../clock/clock.ts";
import type { Log, LogFields } from "./log.ts";

export interface LogLimits {
  /** Lines a second of one event and level, at least 1. */
  readonly linesPerSecond: number;
  readonly clock?: Clock;
  /** Calls `action` once, `delayMs` from now; by default a timer that does not keep the process alive. */
  readonly later?: (action: () => void, delayMs: number) => void;
}

/** `log`, limited. Its children share the limits, as the same event comes from many of them. */
export function limited(log: Log, limits: LogLimits): Log {
  return new LimitedLog(log, new EventLimits(log, limits));
}

type Level = Exclude<keyof Log, "child" | "isLevelEnabled">;

class LimitedLog implements Log {
  readonly #log: Log;
  readonly #limits: EventLimits;
  readonly #isDebug: boolean; // asked before anything is counted: there are such lines for each connection

  constructor(log: Log, limits: EventLimits) {
    this.#log = log;
    this.#isDebug = log.isLevelEnabled?.("debug") ?? true;
    this.#limits = limits;
  }

  debug(fields: LogFields, message: string): void {
    if (this.#isDebug && this.#limits.admit("debug", message)) this.#log.debug(fields, message);
  }

  info(fields: LogFields, message: string): void {
    if (this.#limits.admit("info", message)) this.#log.info(fields, message);
  }

  warn(fields: LogFields, message: string): void {
    if (this.#limits.admit("warn", message)) this.#log.warn(fields, message);
  }

  error(fields: LogFields, message: string): void {
    if (this.#limits.admit("error", message)) this.#log.error(fields, message);
  }

  fatal(fields: LogFields, message: string): void {
    this.#log.fatal(fields, message); // the process is about to end: nothing may be missing
  }

  child(fields: LogFields): Log {
    return new LimitedLog(this.#log.child(fields), this.#limits);
  }
}

/** The current second of one event. */
interface Window {
  startMs: number;
  lines: number;
  suppressed: number;
}

/** Events beyond this many share one window, so that a message which is not constant cannot grow the map. */
const eventsMax = 256;

class EventLimits {
  readonly #log: Log;
  readonly #linesPerSecond: number;
  readonly #clock: Clock;
  readonly #later: (action: () => void, delayMs: number) => void;
  readonly #windows = new Map<string, Window>();

  constructor(log: Log, { linesPerSecond, clock = systemClock, later = unreferencedTimer }: LogLimits) {
    this.#log = log;
    this.#linesPerSecond = linesPerSecond;
    this.#clock = clock;
    this.#later = later;
  }

  /** True where the line may be written. A refusal is counted, and told at the end of its second. */
  admit(level: Level, message: string): boolean {
    const nowMs = this.#clock.nowMs();
    const event = this.#windows.size < eventsMax || this.#windows.has(`${level} ${message}`) ? message : "other events";
    const window = this.#window(`${level} ${event}`, nowMs);
    if (nowMs - window.startMs >= 1000) {
      this.#tell(level, event, window);
      window.startMs = nowMs;
      window.lines = 0;
    }
    if (window.lines < this.#linesPerSecond) {
      window.lines += 1;
      return true;
    }
    if (window.suppressed === 0) this.#later(() => this.#tell(level, event, window), window.startMs + 1000 - nowMs);
    window.suppressed += 1;
    return false;
  }

  #tell(level: Level, event: string, window: Window): void {
    if (window.suppressed === 0) return; // told already, by a later line of the same event
    this.#log[level]({ event, suppressed: window.suppressed }, "similar log lines suppressed");
    window.suppressed = 0;
  }

  #window(key: string, nowMs: number): Window {
    let window = this.#windows.get(key);
    if (window === undefined) {
      window = { startMs: nowMs, lines: 0, suppressed: 0 };
      this.#windows.set(key, window);
    }
    return window;
  }
}

function unreferencedTimer(action: () => void, delayMs: number): void {
  setTimeout(action, delayMs).unref();
}
