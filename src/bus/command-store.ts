/**
 * The kept commands in Redis, beside the log: a sorted set, by the second in which each ends.
 *
 * The rule: a command is there before it is in the log, so that a node that starts finds it in one or the other. What a
 * Redis has lost is told anew by the nodes that live.
 */
import type { CommandRecord, LogRecord } from "./bus.ts";
import type { Control } from "./control.ts";
import { decodeRecord, encodeRecord } from "./entry-codec.ts";
import { KeptCommands } from "./kept-commands.ts";

/** Told anew at once. */
const pageSize = 500;

export class CommandStore {
  readonly #key: string;
  readonly #control: Control;
  readonly #kept = new KeptCommands();

  constructor(prefix: string, control: Control) {
    this.#key = `${prefix}commands`;
    this.#control = control;
  }

  /** Rejects where Redis does not answer. */
  async add(record: CommandRecord): Promise<void> {
    await this.#control.run((client) => client.zadd(this.#key, record.keptUntil, textOf(record)));
  }

  /** Remembers, for `tidy`, a command that came through the log. */
  note(record: LogRecord): void {
    this.#kept.note(record);
  }

  /** All whose time is not over. Rejects where Redis does not answer. */
  async load(): Promise<readonly CommandRecord[]> {
    const texts = await this.#control.run((client) => client.zrange(this.#key, nowSeconds(), "+inf", "BYSCORE"));
    for (const text of texts) this.#kept.note(recordOf(text) ?? nothing);
    return this.#kept.present(nowSeconds());
  }

  /** Removes those whose time is over, and adds those that Redis has lost. Rejects where it does not answer. */
  async tidy(): Promise<void> {
    await this.#control.run((client) => client.zremrangebyscore(this.#key, "-inf", nowSeconds()));
    const kept = this.#kept.present(nowSeconds());
    if (kept.length === 0 || (await this.#control.run((client) => client.exists(this.#key))) === 1) return;
    for (let from = 0; from < kept.length; from += pageSize) {
      const pairs = kept.slice(from, from + pageSize).flatMap((record) => [record.keptUntil, textOf(record)]);
      await this.#control.run((client) => client.zadd(this.#key, ...pairs));
    }
  }
}

const nothing: LogRecord = { kind: "roll_call", node: "" };
const nowSeconds = (): number => Math.floor(Date.now() / 1000);
const textOf = (record: CommandRecord): string => JSON.stringify(encodeRecord(record, 0));

/** `undefined` for what a later release wrote, or nobody of ours. */
function recordOf(text: string): LogRecord | undefined {
  try {
    return decodeRecord(JSON.parse(text), 0);
  } catch {
    return undefined;
  }
}
