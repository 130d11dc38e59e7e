/**
 * The embedded default: the log is this process. A record is applied before `append` returns, and nothing is kept here,
 * for what readers need they build from the records.
 */
import { randomBytes } from "node:crypto";
import type { StreamPosition } from "../protocol/messages.ts";
import type { AppendFault, Apply, Bus, LogRecord } from "./bus.ts";

/**
 * Offsets have twelve digits, so that text order is number order. They are written in two parts, of which only the small
 * one changes with each record: 0.04 us, where a whole number above 2^31 takes 0.14.
 */
const [highFirst, lowFirst, lowEnd] = [10_000, 1_000_000, 10_000_000];

export class MemoryBus implements Bus {
  readonly node = 0;
  readonly incarnation = randomBytes(6).toString("base64url");
  readonly isShared = false;
  /** A new life of the log with every process: nothing from before can be recovered, and clients are told so. */
  readonly #epoch = randomBytes(6).toString("base64url");
  #high = highFirst;
  #highText = String(highFirst);
  #low = lowFirst;
  #apply: Apply | undefined;

  async start(apply: Apply): Promise<void> {
    this.#apply = apply;
  }

  /** Hot path. */
  append(record: LogRecord, done: (outcome: StreamPosition | AppendFault) => void): void {
    if (this.#apply === undefined) return done("unavailable");
    this.#low += 1;
    if (this.#low === lowEnd) this.#carry();
    const position = this.tail();
    this.#apply(record, position, 0);
    done(position);
  }

  processes(): readonly string[] {
    return [this.incarnation];
  }

  tail(): StreamPosition {
    return { offset: this.#highText + this.#low, epoch: this.#epoch };
  }

  knownFrom(): string {
    return `${highFirst}${lowFirst}`;
  }

  knows(_channel: string, offset: string): boolean {
    return /^\d{12}$/.test(offset) && offset >= this.knownFrom() && offset <= this.tail().offset;
  }

  async stop(): Promise<void> {
    this.#apply = undefined;
  }

  #carry(): void {
    this.#high += 1;
    this.#highText = String(this.#high);
    this.#low = lowFirst;
  }
}
