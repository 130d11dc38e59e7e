/**
 * Calls hooks so that nothing they do hurts more than the request they were called for: what they throw is caught, those
 * that hang are given up after a time, and only so many may be waited for.
 *
 * One thing it cannot keep from the others: a hook that computes without a pause stops this process, and everybody on it,
 * until it is done. That is counted and named in the log; a worker that does not come back from it is ended.
 */
import type { Clock } from "../clock/clock.ts";
import type { Log } from "../log/log.ts";
import type { GuardCounters, HookName, HookOutcome } from "../metrics/guard-counters.ts";
import { type ErrorCode, errorTexts } from "../protocol/codes.ts";
import { type Refusal, refusal } from "../protocol/refusal.ts";
import type { HookRefusal } from "./hooks.ts";

export interface HookRunnerParts {
  readonly counters: GuardCounters;
  readonly clock: Clock;
  /** Limited: clients bring about what is written. */
  readonly log: Log;
  /** Is told which hook begins to run, and `undefined` once it has returned. */
  readonly hookRunning?: ((name: HookName | undefined) => void) | undefined;
}

/** Longer than this without a pause is too long for everyone else on the process. */
const blockMs = 100;
/** Calls of one hook that are waited for at once; they hold a request each, or a handshake's socket. */
const pendingMax = 10_000;

type Settled<T> = T | Refusal | undefined;

export class HookRunner {
  readonly #timeoutMs: number;
  readonly #parts: HookRunnerParts;
  readonly #pending: Readonly<Record<HookName, Set<Promise<unknown>>>> = {
    onConnect: new Set(),
    onSubscribe: new Set(),
    onMessage: new Set(),
    onClose: new Set(),
  };

  constructor(timeoutMs: number, parts: HookRunnerParts) {
    this.#timeoutMs = timeoutMs;
    this.#parts = parts;
  }

  /**
   * Calls `hook`. What it answers is read by `read`, which throws where that makes no sense. Gives a refusal, what was
   * read, or `undefined` for leave; a promise only where the hook gave one. Never throws or rejects.
   */
  run<T>(
    name: HookName,
    hook: () => unknown,
    read: (answer: object) => T,
    about: { readonly connection?: number | undefined },
  ): Settled<T> | Promise<Settled<T>> {
    const { clock, hookRunning } = this.#parts;
    const pending = this.#pending[name];
    if (pending.size >= pendingMax) return this.#ended(name, "overloaded", refusal("unavailable"));
    const startedMs = clock.nowMs();
    let answer: unknown;
    let isLater = false;
    hookRunning?.(name);
    try {
      answer = hook();
      isLater = isThenable(answer); // looks at a property of theirs, which may throw too
    } catch (error) {
      return this.#thrown(name, error, about);
    } finally {
      hookRunning?.(undefined);
      if (clock.nowMs() - startedMs > blockMs) this.#blocked(name, clock.nowMs() - startedMs);
    }
    if (!isLater) return this.#answered(name, answer, read, about);
    const waiting = this.#wait(name, answer as PromiseLike<unknown>, read, about);
    pending.add(waiting);
    return waiting.finally(() => pending.delete(waiting));
  }

  /** Resolves once no call is waited for: within the time-out of a hook. */
  async idle(): Promise<void> {
    const all = (): Promise<unknown>[] => Object.values(this.#pending).flatMap((pending) => [...pending]);
    for (let pending = all(); pending.length > 0; pending = all()) await Promise.all(pending);
  }

  async #wait<T>(
    name: HookName,
    answer: PromiseLike<unknown>,
    read: (answer: object) => T,
    about: object,
  ): Promise<Settled<T>> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<typeof tooLate>((resolve) => {
      timer = setTimeout(resolve, this.#timeoutMs, tooLate);
    });
    try {
      const settled = await Promise.race([answer, late]);
      if (settled !== tooLate) return this.#answered(name, settled, read, about);
      this.#parts.log.error({ ...about, hook: name, timeoutMs: this.#timeoutMs }, "hook did not answer in time");
      return this.#ended(name, "timed_out", refusal("unavailable"));
    } catch (error) {
      return this.#thrown(name, error, about);
    } finally {
      clearTimeout(timer);
    }
  }

  #answered<T>(name: HookName, answer: unknown, read: (answer: object) => T, about: object): Settled<T> {
    if (answer === undefined) return this.#ended(name, "allowed", undefined);
    try {
      if (answer instanceof Error) return this.#thrown(name, answer, about);
      if (typeof answer !== "object" || answer === null) throw new TypeError(`an answer of type ${typeof answer}`);
      return this.#ended(name, "rewritten", read(answer));
    } catch (error) {
      return this.#failed(name, error, about);
    }
  }

  /** What was thrown may be anything, also something that throws itself where it is looked at. */
  #thrown(name: HookName, error: unknown, about: object): Refusal {
    let refused: Refusal | undefined;
    try {
      refused = isHookRefusal(error) ? refusalOf(error) : undefined;
    } catch {
      // It is no refusal of ours.
    }
    return refused === undefined ? this.#failed(name, error, about) : this.#ended(name, "refused", refused);
  }

  #failed(name: HookName, error: unknown, about: object): Refusal {
    const { log } = this.#parts;
    const fields = { ...about, hook: name };
    try {
      const err = error instanceof Error ? error : new Error(`thrown: ${String(error)}`);
      log.error({ ...fields, err }, "hook failed");
    } catch {
      log.error({ ...fields, err: new Error("thrown: something that cannot be told") }, "hook failed");
    }
    return this.#ended(name, "failed", refusal("internal"));
  }

  #ended<R>(name: HookName, outcome: HookOutcome, result: R): R {
    this.#parts.counters.hookCalls[name][outcome] += 1;
    return result;
  }

  #blocked(name: HookName, tookMs: number): void {
    this.#parts.counters.hookBlocks[name] += 1;
    this.#parts.log.warn({ hook: name, tookMs: Math.round(tookMs) }, "hook held up the whole process");
  }
}

const tooLate = Symbol("too late");

function refusalOf({ code, message, retryAfter }: HookRefusal): Refusal {
  const isTime = typeof retryAfter === "number" && retryAfter >= 0 && retryAfter < Number.POSITIVE_INFINITY;
  const seconds = isTime ? Math.ceil(retryAfter) : undefined; // whole, as the header and the frame have it
  return { ...refusal(code, message === "" ? errorTexts[code] : String(message)), retryAfter: seconds };
}

/** By its name: a program may have loaded its own copy of this package. */
function isHookRefusal(value: unknown): value is HookRefusal {
  return value instanceof Error && value.name === "HookRefusal" && isErrorCode((value as HookRefusal).code);
}

const isErrorCode = (code: unknown): code is ErrorCode => typeof code === "string" && Object.hasOwn(errorTexts, code);

function isThenable(value: unknown): boolean {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}
