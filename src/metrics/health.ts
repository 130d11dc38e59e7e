/**
 * Whether this node lives and whether it is ready for new clients, and the answers to the two questions that load
 * balancers ask, in the same words on the public and on the admin port.
 *
 * The one rule: ready means that nothing stands in the way. Each part of the gateway blocks under its own name and
 * clears that name alone.
 */
export class Health {
  readonly #obstacles = new Map<string, string>([["start", "starting"]]);

  /** The node is not ready while `part` is blocked. `reason` is one short line; a later one replaces it. */
  block(part: string, reason: string): void {
    this.#obstacles.set(part, reason);
  }

  /** Ends the obstacle of `part`, if there is one. A new `Health` is blocked by the part `start`. */
  clear(part: string): void {
    this.#obstacles.delete(part);
  }

  /** `reason` holds all obstacles, oldest first; empty when ready. */
  ready(): { readonly ok: boolean; readonly reason: string } {
    return { ok: this.#obstacles.size === 0, reason: [...this.#obstacles.values()].join("; ") };
  }
}

export interface HealthAnswer {
  readonly status: 200 | 503;
  /** Plain text. */
  readonly body: string;
}

export const healthPaths: readonly string[] = ["/healthz", "/readyz"];

/** The answer to a GET of `path`, one of `healthPaths`; `undefined` for any other. */
export function healthAnswer(path: string, health: Pick<Health, "ready">): HealthAnswer | undefined {
  if (path === "/healthz") return { status: 200, body: "ok" }; // whoever can answer lives
  if (path !== "/readyz") return undefined;
  const { ok, reason } = health.ready();
  return ok ? { status: 200, body: "ready" } : { status: 503, body: reason };
}
