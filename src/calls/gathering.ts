/**
 * One command to all processes, and their answers: both go through the log, so that it works alike in one process, with
 * workers, and among nodes.
 *
 * The rule: an asker waits for everyone whom its bus has heard of lately, and for everyone whom those name, but never
 * longer than the command's time; who is missing then makes the result partial. Cost: each answer is read by every
 * process.
 */
import type { AnswerRecord, Bus, CommandRecord } from "../bus/bus.ts";
import { taskOf, unanswered } from "./call-tasks.ts";
import { CallError } from "./calls.ts";
import {
  type Command,
  type CommandName,
  type CommandOf,
  type CommandResult,
  isQuery,
  type ResultOf,
  readAnswer,
  readCommand,
  timeoutMsOf,
} from "./commands.ts";

export interface GatheringParts {
  readonly bus: Pick<Bus, "append" | "incarnation" | "processes">;
  /** Carries a command out on this process' connections. `undefined`: it cannot answer. Absent: it has no connections. */
  readonly act: ((command: Command) => CommandResult | undefined | Promise<CommandResult | undefined>) | undefined;
  /** Further processes that answer: the workers of a supervisor. */
  others(): readonly string[];
  readonly log: { error(fields: object, text: string): void };
}

/** What all processes answered. `isPartial`: some did not. */
export interface Gathered<T> {
  readonly results: readonly T[];
  readonly isPartial: boolean;
}

interface Pending {
  readonly name: CommandName;
  readonly results: CommandResult[];
  readonly expected: Set<string>;
  readonly answered: Set<string>;
  finish(): void;
}

/** Commands of this process that wait for answers. What they hold in bytes is the log's to bound. */
const pendingMax = 1000;
const bodyBytesMax = 256 * 1024;

export class Gathering {
  readonly #parts: GatheringParts;
  readonly #pending = new Map<number, Pending>(); // by the command's number
  #commands = 0;

  constructor(parts: GatheringParts) {
    this.#parts = parts;
  }

  /**
   * Resolves to all answers. `channel`: in whose order it stands; `keptUntil`: see `CommandRecord`. Rejects with a
   * `CallError` where the log does not take it, or does not bring it back in time: then it may still be carried out.
   */
  ask<N extends CommandName>(command: CommandOf<N>, channel = "", keptUntil = 0): Promise<Gathered<ResultOf<N>>> {
    const { bus, others } = this.#parts;
    const body = JSON.stringify(command);
    if (body.length > bodyBytesMax)
      return fail(
        "too_large",
        `cannot ${taskOf(command.name)}: all it names must fit ${bodyBytesMax} bytes, got ${body.length}`,
      );
    if (this.#pending.size >= pendingMax)
      return fail(
        "unavailable",
        `cannot ${taskOf(command.name)}: ${pendingMax} calls wait for answers already. Try again.`,
      );
    this.#commands += 1;
    const id = this.#commands;
    return new Promise((resolve, reject) => {
      const end = (settle: () => void): void => {
        clearTimeout(timer);
        if (this.#pending.delete(id)) settle();
      };
      const pending: Pending = {
        name: command.name,
        results: [],
        expected: new Set([...bus.processes(), ...others()]),
        answered: new Set(),
        finish: () =>
          end(() => {
            const isPartial = [...pending.expected].some((process) => !pending.answered.has(process));
            resolve({ results: pending.results as ResultOf<N>[], isPartial });
          }),
      };
      const timer = setTimeout(() => {
        if (pending.answered.size > 0) pending.finish();
        else end(() => reject(unanswered(command.name)));
      }, timeoutMsOf(command));
      this.#pending.set(id, pending);
      bus.append({ kind: "command", channel, node: bus.incarnation, id, body, keptUntil }, (outcome) => {
        if (outcome === "unavailable") end(() => reject(refused(command.name)));
      });
    });
  }

  /** Takes the commands and answers of the log. Never throws. `ageMs`: above 0, nobody waits for an answer. */
  apply(record: CommandRecord | AnswerRecord, ageMs: number): void {
    if (record.kind === "command") this.#carryOut(record, ageMs);
    else if (record.node === this.#parts.bus.incarnation) this.#collect(record);
  }

  #carryOut(record: CommandRecord, ageMs: number): void {
    const { bus, act, log } = this.#parts;
    const command = readCommand(record.body);
    if (command === undefined) return;
    const isOwn = record.node === bus.incarnation;
    const isAwaited = ageMs === 0 || isOwn;
    if (!isAwaited && isQuery(command)) return;
    const failed = (err: unknown): void => log.error({ err, command: command.name }, "cannot carry out a command");
    const answer = (result: CommandResult | undefined): void => {
      if (act !== undefined && result === undefined) return;
      if (isOwn) this.#answered(record.id, bus.incarnation, result, []);
      else if (isAwaited) this.#answer(record, result);
    };
    try {
      const result = act?.(command);
      if (result instanceof Promise) result.then(answer).catch(failed);
      else answer(result);
    } catch (error) {
      failed(error);
    }
  }

  #answer({ channel, node, id }: CommandRecord, result: CommandResult | undefined): void {
    const { bus, others } = this.#parts;
    // A process that has no connections of its own holds the log for others, and hears who else is there.
    const also = this.#parts.act === undefined ? [...bus.processes(), ...others()] : [];
    const body = JSON.stringify({ result, also });
    bus.append({ kind: "answer", channel, node, id, from: bus.incarnation, body }, () => {});
  }

  #collect({ id, from, body }: AnswerRecord): void {
    const pending = this.#pending.get(id);
    const answer = pending && readAnswer(pending.name, body);
    if (answer !== undefined) this.#answered(id, from, answer.result, answer.also);
  }

  #answered(id: number, from: string, result: CommandResult | undefined, also: readonly string[]): void {
    const pending = this.#pending.get(id);
    if (pending === undefined || pending.answered.has(from)) return;
    pending.answered.add(from);
    if (result !== undefined) pending.results.push(result);
    for (const process of also) pending.expected.add(process);
    for (const process of pending.expected) if (!pending.answered.has(process)) return;
    pending.finish();
  }
}

const fail = (code: "too_large" | "unavailable", message: string): Promise<never> =>
  Promise.reject(new CallError(code, message));
const refused = (name: CommandName): CallError =>
  new CallError("unavailable", `cannot ${taskOf(name)}: the log is away, or what waits for it is full. Try again.`);
