/**
 * A model of a client that publishes and listens: it comes back with its position, sends again what was not acknowledged,
 * and notes what `check.ts` looks at. What is on its way to it is lost with its connection.
 */
import type { StreamPosition } from "../../../src/protocol/messages.ts";
import type { ModelNode } from "./node.ts";

export type ModelFrame =
  | { readonly kind: "message"; readonly text: string; readonly position: StreamPosition; readonly isReplayed: boolean }
  | { readonly kind: "subscribed"; readonly position: StreamPosition; readonly recovered: boolean | undefined }
  | { readonly kind: "acknowledged"; readonly n: number; readonly position: StreamPosition };

/** What arrived: a message, or word that some may be missing. */
export type ModelEvent = (StreamPosition & { readonly text: string }) | "break";

export class ModelClient {
  readonly name: string;
  readonly events: ModelEvent[] = [];
  readonly faults: string[] = [];
  readonly acknowledged = new Map<number, StreamPosition>();
  readonly unknown = new Set<number>();
  replayed = 0;
  breaks = 0;
  recoveries = 0;
  node: ModelNode | undefined;
  readonly #hasKeys: boolean;
  readonly #waiting = new Map<number, boolean>(); // not acknowledged; true: on its way
  #inbox: ModelFrame[] = [];
  #position: StreamPosition | undefined;
  #published = 0;

  /** Without keys what was on its way is not sent again. */
  constructor(name: string, hasKeys: boolean) {
    this.name = name;
    this.#hasKeys = hasKeys;
  }

  /** Publications without an acknowledgement. */
  get waitingTexts(): string[] {
    return [...this.#waiting.keys()].map((n) => `${this.name}:${n}`);
  }

  get acknowledgedTexts(): string[] {
    return [...this.acknowledged.keys()].map((n) => `${this.name}:${n}`);
  }

  /** From the node: it arrives with `receive`, if the connection lives that long. */
  send(frame: ModelFrame): void {
    this.#inbox.push(frame);
  }

  connect(node: ModelNode): void {
    if (node.isBehind(this.#position)) return; // it waits, and tries again
    this.node = node;
    node.subscribe(this, this.#position);
  }

  disconnect(): void {
    this.node?.clients.delete(this);
    this.node = undefined;
    this.#inbox = [];
    for (const [n, isSent] of this.#waiting) {
      if (isSent && !this.#hasKeys) {
        this.unknown.add(n);
        this.#waiting.delete(n);
      } else this.#waiting.set(n, false);
    }
  }

  publish(): void {
    this.#published += 1;
    this.#waiting.set(this.#published, false);
    this.sendWaiting();
  }

  /** Publishes what is not on its way. */
  sendWaiting(): void {
    const { node } = this;
    if (node === undefined) return;
    for (const [n, isSent] of this.#waiting) {
      if (isSent) continue;
      this.#waiting.set(n, true);
      const text = `${this.name}:${n}`;
      node.publish({ text, key: this.#hasKeys ? text : undefined }, (position) => {
        if (this.node === node) this.send({ kind: "acknowledged", n, position });
      });
    }
  }

  /** Takes up to `count` frames that have come. */
  receive(count: number): void {
    for (const frame of this.#inbox.splice(0, count)) this.#take(frame);
  }

  #take(frame: ModelFrame): void {
    switch (frame.kind) {
      case "acknowledged":
        this.#waiting.delete(frame.n);
        this.unknown.delete(frame.n);
        this.acknowledged.set(frame.n, frame.position);
        return;
      case "subscribed":
        if (frame.recovered === false) this.#broken();
        if (frame.recovered === true) this.recoveries += 1;
        else this.#position = frame.position;
        return;
      case "message":
        return this.#receive(frame);
    }
  }

  #receive({ text, position, isReplayed }: ModelFrame & { readonly kind: "message" }): void {
    const last = this.#position;
    if (last !== undefined && position.epoch !== last.epoch) this.#broken();
    else if (last !== undefined && position.offset <= last.offset)
      this.faults.push(`${text} at ${position.offset} after ${last.offset}`);
    this.#position = position;
    this.events.push({ text, ...position });
    if (isReplayed) this.replayed += 1;
  }

  #broken(): void {
    this.events.push("break");
    this.breaks += 1;
  }
}
