/**
 * Commands that processes which start later are told of as well, until their time is over: held in memory, by whoever
 * can tell. Bounded by bytes; past that the oldest go first.
 */
import type { CommandRecord, LogRecord } from "./bus.ts";

const bytesMax = 32 * 1024 * 1024;
const overheadBytes = 300;

export class KeptCommands {
  readonly #commands = new Map<string, CommandRecord>(); // oldest first
  #bytes = 0;

  /** Keeps `record` where it is one to be kept, each once. */
  note(record: LogRecord): void {
    if (record.kind !== "command" || record.keptUntil === 0) return;
    const name = `${record.node} ${record.id}`;
    if (this.#commands.has(name)) return;
    this.#commands.set(name, record);
    this.#bytes += bytesOf(record);
    for (const [oldest, command] of this.#commands) {
      if (this.#bytes <= bytesMax) return;
      this.#drop(oldest, command);
    }
  }

  /** Those whose time is not over, oldest first. Linear in what is kept. */
  present(unixSeconds: number): readonly CommandRecord[] {
    for (const [name, command] of this.#commands) if (command.keptUntil <= unixSeconds) this.#drop(name, command);
    return [...this.#commands.values()];
  }

  #drop(name: string, command: CommandRecord): void {
    this.#commands.delete(name);
    this.#bytes -= bytesOf(command);
  }
}

const bytesOf = ({ body }: CommandRecord): number => body.length + overheadBytes;
