/**
 * The embedded default: the log is this process. A record is applied before `append` returns, and nothing is kept here,
 * for what readers need they build from the records.
 */
import { randomBytes } from "node:crypto";
import type { StreamPosition } from "../protocol/messages.ts";
import type { AppendFault, Apply, Bus, LogRecord } from "./bus.ts";

/** Offsets start here, so that all have twelve digits for 9 x 10^11 records and text order is number order. */
const firstOffset = 1e11;

export class MemoryBus implements Bus {
  readonly node = 0;
  readonly incarnation = randomBytes(6).toString("base64url");
  readonly isShared = false;
  /** A new life of the log with every process: nothing from before can be recovered, and clients are told so. */
  readonly #epoch = randomBytes(6).toString("base64url");
  #offset = firstOffset;
  #apply: Apply | undefined;

  async start(apply: Apply): Promise<void> {
    this.#apply = apply;
  }

  /** Hot path. */
  append(record: LogRecord, done: (outcome: StreamPosition | AppendFault) => void): void {
    if (this.#apply === undefined) return done("unavailable");
    this.#offset += 1;
    const position = { offset: String(this.#offset), epoch: this.#epoch };
    this.#apply(record, position, 0);
    done(position);
  }

  processes(): readonly string[] {
    return [this.incarnation];
  }

  tail(): StreamPosition {
    return { offset: String(this.#offset), epoch: this.#epoch };
  }

  knownFrom(): string {
    return String(firstOffset);
  }

  knows(_channel: string, offset: string): boolean {
    return /^\d{12}$/.test(offset) && Number(offset) >= firstOffset && Number(offset) <= this.#offset;
  }

  async stop(): Promise<void> {
    this.#apply = undefined;
  }
}
