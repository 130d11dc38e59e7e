/**
 * Honest clients beside the attackers: one after the other asks for a sign of life, each well within its limits, and what
 * counts is how long the gateway takes to answer.
 */
import { once } from "node:events";
import WebSocket from "ws";

/** Together they ask every three milliseconds. */
export const bystanders = 50;
const pauseMs = 150;

export class Bystander {
  readonly #sockets: readonly WebSocket[];
  readonly #noticed: (latencyMs: number) => void;
  /** The longest wait since it was last set to 0. */
  longestMs = 0;

  private constructor(sockets: readonly WebSocket[], noticed: (latencyMs: number) => void) {
    this.#sockets = sockets;
    this.#noticed = noticed;
    for (const [i, socket] of sockets.entries())
      setTimeout(() => void this.#ask(socket), (i * pauseMs) / sockets.length);
  }

  /** `noticed` hears of each answer. */
  static async connect(url: string, noticed: (latencyMs: number) => void): Promise<Bystander> {
    const sockets = Array.from({ length: bystanders }, () => new WebSocket(url));
    await Promise.all(sockets.map((socket) => once(socket, "open")));
    return new Bystander(sockets, noticed);
  }

  get isConnected(): boolean {
    return this.#sockets.every(({ readyState }) => readyState === WebSocket.OPEN);
  }

  close(): void {
    for (const socket of this.#sockets) socket.terminate();
  }

  async #ask(socket: WebSocket): Promise<void> {
    let answered = (): void => {};
    for (const event of ["pong", "close"]) socket.on(event, () => answered());
    while (socket.readyState === WebSocket.OPEN) {
      const askedMs = performance.now();
      const answer = new Promise<void>((resolve) => {
        answered = resolve;
      });
      socket.ping();
      await answer;
      const latencyMs = performance.now() - askedMs;
      this.longestMs = Math.max(this.longestMs, latencyMs);
      this.#noticed(latencyMs);
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }
}
