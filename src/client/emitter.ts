/** Listeners by the type of event. The rule: a listener that throws disturbs nobody else; it is named on the console. */
export class Emitter<Events> {
  readonly #listeners = new Map<keyof Events, Set<(event: never) => void>>();

  /** Returns what removes the listener again. */
  on<Type extends keyof Events>(type: Type, listener: (event: Events[Type]) => void): () => void {
    const listeners = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, listeners);
    const own = (event: Events[Type]): void => listener(event); // the same function twice is two listeners
    listeners.add(own);
    return () => void listeners.delete(own);
  }

  emit<Type extends keyof Events>(type: Type, event: Events[Type]): void {
    for (const listener of this.#listeners.get(type) ?? []) {
      try {
        (listener as (event: Events[Type]) => void)(event);
      } catch (error) {
        console.error("tidegate: a listener failed", error);
      }
    }
  }
}
