/** Worker buses without processes: a hub on a memory bus, and links that carry copies of messages, later and in order. */
import { setTimeout as sleep } from "node:timers/promises";
import type { LogRecord } from "../../src/bus/bus.ts";
import { MemoryBus } from "../../src/bus/memory-bus.ts";
import { WorkerBus, type WorkerBusOptions } from "../../src/bus/worker-bus.ts";
import { type SourceLog, WorkerHub } from "../../src/bus/worker-hub.ts";
import type { Placed } from "../../src/bus/worker-messages.ts";
import type { Past } from "../../src/bus/worker-past.ts";
import type { WorkerSeat } from "../../src/bus/worker-seat.ts";
import type { Standing } from "../../src/bus/worker-view.ts";
import type { StreamPosition } from "../../src/protocol/messages.ts";

export interface WorkerNodes {
  readonly source: MemoryBus;
  readonly hub: WorkerHub;
  /** Makes a worker's bus, not started. `beforeFill` is called in the turn in which it is filled. */
  worker(options?: Partial<WorkerBusOptions>, beforeFill?: () => void): WorkerNode;
  /** The log enters another epoch, as that of a Redis that lost its data. */
  enter(standing: Standing): void;
}

export interface WorkerNode {
  readonly bus: WorkerBus;
  readonly seat: WorkerSeat;
  /** Ends it as SIGKILL would; what is on its way from it arrives. */
  kill(): void;
}

/** A started memory bus with a hub. `past`: by default one that keeps every record. */
export async function createWorkerNodes(past: Past = new WholePast()): Promise<WorkerNodes> {
  const source = new MemoryBus();
  let standing: Standing | undefined;
  const log: SourceLog = {
    shards: 1,
    append: (record, done) => source.append(record, done),
    standing: () => standing ?? { ...source.tail(), tail: source.tail().offset, knownFrom: source.knownFrom() },
  };
  const hub = new WorkerHub(log, past, 1000);
  await source.start(hub.apply);
  let numbers = 0;
  return {
    source,
    hub,
    enter(entered) {
      standing = entered;
      hub.entered(0);
    },
    worker(options = {}, beforeFill = () => {}) {
      numbers += 1;
      const number = numbers;
      let isAlive = true;
      const down = createPipe((message) => isAlive && bus.receive(message));
      const asked = (): void => {
        beforeFill();
        hub.fill(seat, number);
      };
      const seat = hub.attach({ send: down, asked });
      const up = createPipe((message) => seat.receive(message));
      const defaults = {
        incarnation: `worker-${number}`,
        holder: source.incarnation,
        shards: 1,
        runsMax: 1000,
        queueBytesMax: 1e9,
      };
      const bus = new WorkerBus({ ...defaults, ...options }, { send: (message) => up(message) });
      const kill = (): void => {
        isAlive = false;
        hub.detach(seat);
      };
      return { bus, seat, kill };
    },
  };
}

/** Carries messages one at a time, each a little later. */
function createPipe(deliver: (message: Uint8Array) => void): (message: Uint8Array, written?: () => void) => void {
  let last: Promise<unknown> = Promise.resolve();
  return (message, written = () => {}) => {
    const copy = Uint8Array.from(message);
    last = last.then(() => sleep(0)).then(() => deliver(copy));
    setImmediate(written);
  };
}

class WholePast implements Past {
  readonly #records: (Placed & { readonly ageMs: number })[] = [];

  add(record: LogRecord, position: StreamPosition, ageMs: number): void {
    this.#records.push({ record, position, ageMs });
  }

  enter(): void {}

  all() {
    return { records: [...this.#records], floors: [], knownFrom: () => undefined };
  }
}
