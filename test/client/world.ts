/**
 * A world without time: a clock that jumps to what is next, chance from a seed, and sockets that lead to a model of the
 * gateway. Everything that happens in it happens again with the same seed.
 */
import type { Socket, Surroundings } from "../../src/client/surroundings.ts";
import { randomOf } from "../support/random.ts";

interface Timer {
  readonly atMs: number;
  readonly run: () => void;
}

export class World {
  nowMs = 1000;
  /** Several publications in one frame, so often. */
  arrays = 0;
  readonly random: () => number;
  readonly #timers: Timer[] = []; // sorted, the next last
  #changed = (_isGood: boolean): void => {};

  constructor(seed: number) {
    this.random = randomOf(seed);
  }

  /** What a client is given of it. */
  get surroundings(): Surroundings {
    return {
      now: () => this.nowMs,
      random: this.random,
      after: (ms, run) => {
        const timer = this.in(ms, run);
        return () => {
          const at = this.#timers.indexOf(timer);
          if (at !== -1) this.#timers.splice(at, 1);
        };
      },
      watch: (changed) => {
        this.#changed = changed;
        return () => {
          this.#changed = () => {};
        };
      },
    };
  }

  /** The platform says that the network came back, or went. */
  tellNetwork(isGood: boolean): void {
    this.#changed(isGood);
  }

  /** A whole number from 0 to below `count`. */
  upTo(count: number): number {
    return Math.floor(this.random() * count);
  }

  chance(probability: number): boolean {
    return this.random() < probability;
  }

  in(ms: number, run: () => void): Timer {
    const timer = { atMs: this.nowMs + Math.max(0, ms), run };
    let at = this.#timers.length;
    while (at > 0 && this.#timers[at - 1]!.atMs <= timer.atMs) at -= 1; // of equal times the earlier made goes first
    this.#timers.splice(at, 0, timer);
    return timer;
  }

  /** Lets everything happen until `untilMs`, or until `isDone`. */
  async run(untilMs: number, isDone: () => boolean = () => false): Promise<void> {
    await settle();
    while (!isDone()) {
      const next = this.#timers.at(-1);
      if (next === undefined || next.atMs > untilMs) {
        this.nowMs = untilMs;
        return;
      }
      this.#timers.pop();
      this.nowMs = Math.max(this.nowMs, next.atMs);
      next.run();
      await settle();
    }
  }
}

/** Promises that are due: chains in the client are shorter than this. */
async function settle(): Promise<void> {
  for (let i = 0; i < 10; i += 1) await undefined;
}

/** The end of a connection that the gateway holds. */
export interface Peer {
  received(frame: Record<string, unknown>): void;
  closed(): void;
}

/** A connection with a delay each way, in order. `open` decides what is at its other end. */
export class ModelSocket implements Socket {
  binaryType = "";
  onmessage: Socket["onmessage"] = null;
  onclose: Socket["onclose"] = null;
  onerror: Socket["onerror"] = null;
  readonly protocols: readonly string[];
  peer: Peer | undefined;
  readonly #world: World;
  #isOpen = true;
  #isDead = false; // nothing goes through, and nobody is told
  #lastUpMs = 0;
  #lastDownMs = 0;
  #together: object[] = []; // publications of this moment

  constructor(world: World, protocols: readonly string[], open: (socket: ModelSocket) => void) {
    this.#world = world;
    this.protocols = protocols;
    world.in(world.upTo(50), () => open(this));
  }

  send(data: string | Uint8Array): void {
    if (!this.#isOpen || this.#isDead) return;
    this.#lastUpMs = Math.max(this.#lastUpMs, this.#world.nowMs + this.#delayMs());
    this.#world.in(this.#lastUpMs - this.#world.nowMs, () => {
      if (this.#isOpen && !this.#isDead) this.peer?.received(JSON.parse(String(data)));
    });
  }

  /** From the client's side. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.peer?.closed();
  }

  /** From the gateway's side: a frame. */
  deliver(frame: object): void {
    this.#flush();
    this.#deliver(frame);
  }

  /** The same for a publication: those of one moment come as an array. */
  publish(frame: object): void {
    this.#together.push(frame);
    if (this.#together.length === 1) this.#world.in(0, () => this.#flush());
  }

  /** The gateway closes, or with 1006 the network breaks: frames on their way are lost then. */
  end(code: number): void {
    if (!this.#isOpen) return;
    this.#flush();
    this.peer?.closed();
    this.peer = undefined;
    const close = (): void => {
      this.#isOpen = false;
      this.onclose?.({ code, reason: "" });
    };
    if (code !== 1006) return this.#down(close);
    if (this.#isDead) return;
    this.#isDead = true;
    this.#world.in(this.#world.upTo(200), () => this.#isOpen && close());
  }

  /** The network swallows everything, and nobody is told. */
  die(): void {
    this.#isDead = true;
    this.peer?.closed();
    this.peer = undefined;
  }

  #flush(): void {
    const together = this.#together;
    this.#together = [];
    if (together.length > 1) this.#world.arrays += 1;
    if (together.length > 0) this.#deliver(together.length === 1 ? together[0]! : together);
  }

  #deliver(data: object): void {
    this.#down(() => this.onmessage?.({ data: JSON.stringify(data) }));
  }

  #down(arrive: () => void): void {
    if (!this.#isOpen || this.#isDead) return;
    this.#lastDownMs = Math.max(this.#lastDownMs, this.#world.nowMs + this.#delayMs());
    this.#world.in(this.#lastDownMs - this.#world.nowMs, () => {
      if (this.#isOpen && !this.#isDead) arrive();
    });
  }

  #delayMs(): number {
    return this.#world.chance(0.05) ? this.#world.upTo(800) : this.#world.upTo(40);
  }
}
