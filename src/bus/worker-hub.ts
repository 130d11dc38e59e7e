/**
 * The supervisor's end of the worker buses: appends to its own bus what workers send, and tells every worker what is new
 * in the log. A worker that starts is filled with the past first, and then goes on with everything behind that: no gap,
 * no double, because the past is fixed and the worker joins the others in one step.
 */
import type { StreamPosition } from "../protocol/messages.ts";
import type { Apply, Bus } from "./bus.ts";
import { portionsOf } from "./worker-bus.ts";
import { encodeDown, type Placed } from "./worker-messages.ts";
import type { Past } from "./worker-past.ts";
import { type HubLink, WorkerSeat } from "./worker-seat.ts";
import { LogView, type Standing } from "./worker-view.ts";

/** The bus that the hub hands on. */
export interface SourceLog extends Pick<Bus, "append"> {
  /** Separate orders within the log; `shardOf` says which one a channel is in. */
  readonly shards: number;
  standing(shard: number): Standing;
}

export class WorkerHub {
  readonly #source: SourceLog;
  readonly #past: Past;
  readonly #view: LogView;
  readonly #seats = new Set<WorkerSeat>();
  #pending: Placed[] = [];
  #isScheduled = false;

  /** `runsMax`: how many runs of positions are remembered for each shard. */
  constructor(source: SourceLog, past: Past, runsMax: number) {
    this.#source = source;
    this.#past = past;
    this.#view = new LogView(source.shards, runsMax);
  }

  /** For the bus' `start`. Hot path. */
  readonly apply: Apply = (record, position, ageMs) => {
    this.#past.add(record, position, ageMs);
    if (position.offset === "") return; // a kept command that is older than the log, and than any worker
    this.#view.applied("channel" in record ? this.#view.shardOf(record.channel) : (record.shard ?? 0), position);
    if (this.#seats.size === 0) return;
    this.#pending.push({ record, position });
    this.#schedule();
  };

  /** A shard of the bus has entered a new epoch. */
  entered(shard: number): void {
    this.flush();
    const standing = this.#source.standing(shard);
    this.#past.enter(shard, standing.epoch);
    this.#view.enter(shard, standing);
    this.#tell(encodeDown({ kind: "standing", shard, standing }));
  }

  /** A shard of the bus has passed a position without a record. */
  moved(shard: number, position: StreamPosition): void {
    this.flush();
    this.#view.applied(shard, position);
    this.#tell(encodeDown({ kind: "moved", shard, position }));
  }

  /** Takes a worker's place at the hub; it hears nothing before `fill`. */
  attach(link: HubLink): WorkerSeat {
    const seat = new WorkerSeat(link, this.#source, () => this.#schedule());
    this.#seats.add(seat);
    return seat;
  }

  /** Fills a worker that asked for it, and lets it join the others. Only once the bus has started. */
  fill(seat: WorkerSeat, nodeNumber: number): void {
    this.flush();
    const standings = Array.from({ length: this.#source.shards }, (_, shard) => this.#source.standing(shard));
    seat.join(nodeNumber, standings, this.#view, this.#past.all());
  }

  detach(seat: WorkerSeat): void {
    seat.leave();
    this.#seats.delete(seat);
  }

  /** Sends what is waiting now, instead of behind this turn of the event loop. */
  flush(): void {
    const pending = this.#pending;
    this.#pending = [];
    for (const placed of portionsOf(pending, ({ record }) => record))
      this.#tell(encodeDown({ kind: "records", placed }));
    for (const seat of this.#seats) seat.sendOutcomes();
  }

  #tell(message: Uint8Array): void {
    for (const seat of this.#seats) seat.tell(message);
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.flush();
    });
  }
}
