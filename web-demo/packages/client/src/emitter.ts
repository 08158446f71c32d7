/** A small typed event source. */

/** Listens until called; calling it again does nothing. */
export type Unsubscribe = () => void;

/** Events by name, each with the value its listeners get. */
export class Emitter<Events extends object> {
  readonly #listeners = new Map<keyof Events, Set<(value: never) => void>>();

  /**
   * Calls `listener` at every `event` from now on. What a listener throws is reported as
   * an uncaught error and keeps no other listener from being called.
   */
  on<Name extends keyof Events>(event: Name, listener: (value: Events[Name]) => void): Unsubscribe {
    let listeners = this.#listeners.get(event);
    if (!listeners) {
      listeners = new Set();
      this.#listeners.set(event, listeners);
    }
    // A wrapper of its own for each call, so that one function may listen twice.
    const entry = (value: never): void => {
      listener(value);
    };
    listeners.add(entry);
    return () => {
      listeners.delete(entry);
    };
  }

  /** Tells all listeners of `event`. */
  protected emit<Name extends keyof Events>(event: Name, value: Events[Name]): void {
    for (const listener of [...(this.#listeners.get(event) ?? [])]) {
      try {
        (listener as (value: Events[Name]) => void)(value);
      } catch (error) {
        reportUncaught(error);
      }
    }
  }

  /** Forgets all listeners. */
  protected removeAllListeners(): void {
    this.#listeners.clear();
  }
}

function reportUncaught(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
