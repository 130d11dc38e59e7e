/**
 * History as the supervisor can answer it, from what it keeps for its workers; the same answers as theirs, see
 * `channel/history.ts`.
 */
import type { HistoryEntry, HistoryLog } from "../channel/history.ts";
import type { Policies } from "../channel/policy.ts";
import type { Clock } from "../clock/clock.ts";
import { withPosition } from "../protocol/encode.ts";
import type { StreamPosition } from "../protocol/messages.ts";
import type { Replay } from "./replay.ts";

export class ReplayHistory {
  readonly #replay: Replay;
  readonly #log: HistoryLog;
  readonly #policies: Policies;
  readonly #clock: Clock;

  constructor(replay: Replay, log: HistoryLog, policies: Policies, clock: Clock) {
    this.#replay = replay;
    this.#log = log;
    this.#policies = policies;
    this.#clock = clock;
  }

  position(channel: string): StreamPosition {
    return this.#present(channel).messages.at(-1)?.position ?? this.#log.tail(channel);
  }

  since(channel: string, since: StreamPosition): readonly HistoryEntry[] | undefined {
    const { messages, floor } = this.#present(channel);
    if (since.epoch !== this.#log.tail(channel).epoch) return undefined;
    const isHere = messages.some(({ position }) => position.offset === since.offset) || since.offset === floor;
    if (!isHere && (since.offset < floor || !this.#log.knows(channel, since.offset))) return undefined;
    return messages.filter(({ position }) => position.offset > since.offset).map(entryOf);
  }

  latest(channel: string, limit: number): readonly HistoryEntry[] {
    return limit === 0 ? [] : this.#present(channel).messages.slice(-limit).map(entryOf);
  }

  /** The messages of the present epoch that are not past their age, and the offset behind which none is missing. */
  #present(channel: string) {
    const { epoch } = this.#log.tail(channel);
    const oldestMs = this.#clock.nowMs() - this.#policies.of(channel).history.seconds * 1000;
    const kept = this.#replay.messages(channel).filter(({ position }) => position.epoch === epoch);
    const messages = kept.filter(({ atMs }) => atMs >= oldestMs);
    const past = kept[kept.length - messages.length - 1]; // they are in the order of their age
    const floor = past?.position.offset ?? this.#replay.floor(channel) ?? this.#log.knownFrom(channel);
    return { messages, floor };
  }
}

type Message = ReturnType<Replay["messages"]>[number];

const entryOf = ({ record, position }: Message): HistoryEntry => ({
  offset: position.offset,
  body: withPosition(record.head, position),
});
