/**
 * One worker as the hub sees it: silent until it is filled, then one of those that are told everything.
 *
 * The past goes out a message at a time, each when the one before has been written; what is new meanwhile waits behind
 * it. `queuedBytes` is for the link's owner, who ends a worker that does not follow.
 */
import type { StreamPosition } from "../protocol/messages.ts";
import type { AppendFault, Bus } from "./bus.ts";
import { portionsOf } from "./worker-bus.ts";
import { decodeUp, encodeDown } from "./worker-messages.ts";
import type { PastRecords } from "./worker-past.ts";
import type { LogView, Standing } from "./worker-view.ts";

/** The way to a worker. */
export interface HubLink {
  /** `written` is called once the message is on its way; never, where the worker is gone. */
  send(message: Uint8Array, written?: () => void): void;
  /** The worker is ready to be filled. */
  asked(): void;
}

/** Runs, and floors of channels, in one message. */
const listMax = 1000;

export class WorkerSeat {
  readonly #link: HubLink;
  readonly #source: Pick<Bus, "append">;
  readonly #schedule: () => void;
  #state: "silent" | "filling" | "live" | "gone" = "silent";
  #behind: Uint8Array[] = []; // what is new while it is filled
  #outcomes: { readonly number: number; readonly outcome: StreamPosition | AppendFault }[] = [];
  queuedBytes = 0; // of #behind

  /** `schedule`: outcomes are waiting, see `sendOutcomes`. */
  constructor(link: HubLink, source: Pick<Bus, "append">, schedule: () => void) {
    this.#link = link;
    this.#source = source;
    this.#schedule = schedule;
  }

  /** Takes a message of the worker. */
  receive(bytes: Uint8Array): void {
    if (this.#state === "gone") return; // its end may stand in the log already: nothing of it may follow
    const message = decodeUp(bytes);
    if (message === undefined) return; // a later release's
    if (message.kind === "attach") return this.#link.asked();
    for (const [i, record] of message.records.entries()) {
      const done = (outcome: StreamPosition | AppendFault): void => {
        this.#outcomes.push({ number: message.first + i, outcome });
        this.#schedule();
      };
      if (record === undefined) done("unavailable");
      else this.#source.append(record, done);
    }
  }

  /** Sends the past, then everything that `tell` is given from this moment on. */
  join(nodeNumber: number, standings: readonly Standing[], view: LogView, past: PastRecords): void {
    this.#state = "filling";
    void this.#fill(pastMessages(nodeNumber, standings, view, past));
  }

  /** The worker has another number in the cluster. */
  renumber(number: number): void {
    this.tell(encodeDown({ kind: "number", number }));
  }

  /** Hot path. */
  tell(message: Uint8Array): void {
    if (this.#state === "live") this.#link.send(message);
    else if (this.#state === "filling") {
      this.#behind.push(message);
      this.queuedBytes += message.byteLength;
    }
  }

  sendOutcomes(): void {
    if (this.#outcomes.length === 0 || this.#state === "gone") return;
    const outcomes = this.#outcomes;
    this.#outcomes = [];
    this.#link.send(encodeDown({ kind: "outcomes", outcomes }));
  }

  leave(): void {
    this.#state = "gone";
    this.#behind = [];
    this.queuedBytes = 0;
  }

  async #fill(messages: Iterable<Uint8Array>): Promise<void> {
    for (const message of messages) {
      await new Promise<void>((resolve) => this.#link.send(message, resolve));
      if (this.#state === "gone") return;
    }
    for (const message of this.#behind) this.#link.send(message);
    this.#link.send(encodeDown({ kind: "present" }));
    this.#behind = [];
    this.queuedBytes = 0;
    this.#state = "live";
  }
}

/**
 * Everything that is known up to now. What may change is copied before the first message; the messages themselves are
 * made one at a time.
 */
function pastMessages(
  nodeNumber: number,
  standings: readonly Standing[],
  view: LogView,
  past: PastRecords,
): Iterable<Uint8Array> {
  const parts = standings.map((_, shard) => view.offsets(shard).parts(listMax));
  return (function* () {
    yield encodeDown({ kind: "number", number: nodeNumber });
    for (const [shard, { epoch, tail, knownFrom }] of standings.entries()) {
      const standing = { epoch, tail, knownFrom: past.knownFrom(shard) ?? knownFrom };
      yield encodeDown({ kind: "standing", shard, standing });
      for (const runs of parts[shard]!) yield encodeDown({ kind: "runs", shard, runs });
    }
    for (let from = 0; from < past.floors.length; from += listMax)
      yield encodeDown({ kind: "floors", floors: past.floors.slice(from, from + listMax) });
    for (const placed of portionsOf(past.records, ({ record }) => record))
      yield encodeDown({ kind: "past", placed, agesMs: placed.map(({ ageMs }) => ageMs) });
  })();
}
