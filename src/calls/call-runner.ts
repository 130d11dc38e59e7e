/**
 * From what a caller sent to the call's result: checked, carried out, and its fault told in words.
 *
 * The rule: whatever comes in, a call ends with its result or with a `CallError`; what was not foreseen is logged here
 * and told as `internal`.
 */
import type { z } from "zod";
import type { Log } from "../log/log.ts";
import { jsonFault, lessNesting } from "../protocol/json-value.ts";
import { didYouMean } from "../text/nearest.ts";
import { batchItem, channelRule } from "./call-schemas.ts";
import {
  type CallContext,
  type CallName,
  type CallRow,
  type CallServices,
  callNames,
  callTable,
  errorAnswer,
  type IssuedToken,
  type ItemAnswer,
  isBatchable,
  isGathered,
  type TokenCall,
} from "./call-table.ts";
import { taskOf, unanswered } from "./call-tasks.ts";
import { CallError, type Calls } from "./calls.ts";

export interface CallLimits {
  /** Levels of arrays and objects in a published message. */
  readonly depthMax: number;
  readonly batchItemsMax: number;
  /** For the answers of a batch, from the start of its last item on. */
  readonly answerTimeoutSeconds: number;
}

/** Faults told of one call, at most. */
const faultsMax = 3;
const shownLengthMax = 80;
/** Calls of one batch that wait for all processes at once: a tenth of what `Gathering` lets wait. */
const gatheredMax = 100;

export class CallRunner implements CallContext {
  readonly calls: Calls;
  readonly #services: CallServices;
  readonly #limits: CallLimits;
  readonly #log: Pick<Log, "error">;

  constructor(services: CallServices, limits: CallLimits, log: Pick<Log, "error">) {
    this.calls = services.calls;
    this.#services = services;
    this.#limits = limits;
    this.#log = log;
  }

  issueToken = (call: TokenCall): IssuedToken => this.#services.issueToken(call);
  explain: CallServices["explain"] = (call) => this.#services.explain(call);
  batch = (items: readonly unknown[]): Promise<readonly ItemAnswer[]> => this.#batch(items);

  /**
   * Carries out the call `name` with what was parsed of its JSON text. What can be said at once is thrown, everything
   * else rejects; see `callErrorOf`.
   */
  run(name: CallName, params: unknown): Promise<unknown> {
    const row: CallRow = callTable[name];
    return row.run(this.#checked(name, row, params) as never, this);
  }

  /** The same for whoever can do without a promise: `done` gets the result or a `CallError`, once. Never throws. */
  start(name: CallName, params: unknown, done: (outcome: unknown) => void): void {
    try {
      const row: CallRow = callTable[name];
      const call = this.#checked(name, row, params);
      if (row.runNow?.(call as never, this, done) === true) return;
      row.run(call as never, this).then(done, (error) => done(this.callErrorOf(name, error)));
    } catch (error) {
      done(this.callErrorOf(name, error));
    }
  }

  #checked(name: CallName, row: CallRow, params: unknown): unknown {
    const call = row.isPlain?.(params) === true ? params : checkedBy(name, row.input, params);
    const { message } = call as { readonly message?: unknown };
    if (message !== undefined) this.#checkDepth(name, message);
    return call;
  }

  /** `error` as a `CallError`; one that was not foreseen is logged. */
  callErrorOf(name: string, error: unknown): CallError {
    if (error instanceof CallError) return error;
    this.#log.error({ err: error, call: name }, "cannot carry out a call");
    return new CallError("internal", "Internal error: the gateway's log tells why");
  }

  /**
   * Starts one after the other, so that calls for one channel keep their order; they are awaited together. Those that all
   * processes must answer wait for an earlier one of their kind where too many are open, and hold up what follows them.
   */
  async #batch(items: readonly unknown[]): Promise<readonly ItemAnswer[]> {
    const { batchItemsMax } = this.#limits;
    if (items.length > batchItemsMax)
      throw new CallError("too_large", `cannot batch: calls must be ${batchItemsMax} at most, got ${items.length}`);
    const answers: (Promise<ItemAnswer> | ItemAnswer)[] = [];
    const open = new Set<Promise<ItemAnswer>>();
    for (const item of items) {
      const mustWait = isGathered((item as { readonly method?: unknown } | null)?.method);
      if (mustWait && open.size >= gatheredMax) await Promise.race(open);
      const answer = this.#item(item);
      answers.push(answer);
      if (!mustWait || !(answer instanceof Promise)) continue;
      open.add(answer);
      void answer.then(() => open.delete(answer)); // it never rejects
    }
    return this.#inTime(items, answers);
  }

  /** What has not been answered in time is answered by an error. */
  async #inTime(
    items: readonly unknown[],
    answers: readonly (Promise<ItemAnswer> | ItemAnswer)[],
  ): Promise<readonly ItemAnswer[]> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(resolve, this.#limits.answerTimeoutSeconds * 1000, undefined);
    });
    const settled = await Promise.race([Promise.all(answers), late]);
    clearTimeout(timer);
    if (settled !== undefined) return settled;
    const lateAnswer = (item: unknown) => errorAnswer(unanswered((item as { readonly method: CallName }).method));
    return Promise.all(answers.map((answer, i) => Promise.race([answer, lateAnswer(items[i])])));
  }

  #item(item: unknown): Promise<ItemAnswer> | ItemAnswer {
    let name = "batch";
    const failed = (error: unknown): ItemAnswer => errorAnswer(this.callErrorOf(name, error));
    try {
      if (item instanceof CallError) throw item;
      const { method, params = {} } = checkedBy("batch", batchItem, item) as z.output<typeof batchItem>;
      if (!isBatchable(method)) throw unknownMethod(method);
      name = method;
      return this.run(method, params).then((result) => ({ result }), failed);
    } catch (error) {
      return failed(error);
    }
  }

  /** Its size is for whoever writes it as text, which is done once. */
  #checkDepth(name: CallName, message: unknown): void {
    const { depthMax } = this.#limits;
    const fault = jsonFault(message, depthMax);
    if (fault === undefined) return;
    const limit = fault === lessNesting ? ` (${depthMax} levels at most)` : "";
    throw new CallError("invalid_call", `cannot ${taskOf(name)}: message must be a ${fault}${limit}`);
  }
}

function unknownMethod(method: string): CallError {
  const guess = method === shortened(method) ? didYouMean(method, callNames) : "";
  const rule = method === "batch" ? "another call than batch" : `a call${guess}`;
  return new CallError("invalid_call", `cannot batch: method must be ${rule}, got ${shown(method)}`);
}

function checkedBy(name: CallName, schema: z.ZodType, params: unknown): unknown {
  const checked = schema.safeParse(params);
  if (!checked.success) throw refusalOf(name, checked.error.issues, params, schema);
  return checked.data;
}

/** What is wrong, in words. A name of a channel that is none has a code of its own. */
function refusalOf(name: CallName, issues: readonly z.core.$ZodIssue[], given: unknown, schema: z.ZodType): CallError {
  const isChannel = issues.every(({ message, path }) => message === channelRule && isText(valueAt(given, path)));
  const faults = new Set(issues.slice(0, faultsMax).flatMap((issue) => described(issue, given, schema)));
  return new CallError(
    isChannel ? "invalid_channel" : "invalid_call",
    `cannot ${taskOf(name)}: ${[...faults].slice(0, faultsMax).join("; ")}`,
  );
}

/** One text, or several of unknown fields: the first of them. */
function described(issue: z.core.$ZodIssue, given: unknown, schema: z.ZodType): string | string[] {
  const { path } = issue;
  if (issue.code === "unrecognized_keys") {
    const known = path.length === 0 ? fieldsOf(schema) : [];
    const at = path.length === 0 ? "" : `${pathText(path)}.`;
    return issue.keys.slice(0, faultsMax).map((key) => {
      const name = shortened(key); // a longer one is no slip of the pen, and costly to compare
      return `${at}${name} is not a known field${name === key ? didYouMean(key, known) : ""}`;
    });
  }
  const place = path.length === 0 ? "it" : pathText(path);
  return `${place} must be ${issue.message}, got ${shown(valueAt(given, path))}`;
}

function fieldsOf(schema: z.ZodType): readonly string[] {
  return Object.keys((schema as { readonly shape?: object }).shape ?? {});
}

/** `users[0]`, `since.offset`. */
function pathText(path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (text, part) => (typeof part === "number" ? `${text}[${part}]` : `${text}${text === "" ? "" : "."}${String(part)}`),
    "",
  );
}

function shown(value: unknown): string {
  if (value === undefined) return "nothing";
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === "object" && value !== null) return "an object";
  return shortened(JSON.stringify(value));
}

const shortened = (text: string): string =>
  text.length <= shownLengthMax ? text : `${text.slice(0, shownLengthMax)}…`;

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (at, part) => (typeof at === "object" && at !== null ? (at as Record<PropertyKey, unknown>)[part] : undefined),
    value,
  );
}

const isText = (value: unknown): boolean => typeof value === "string";
