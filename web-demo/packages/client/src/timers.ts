/** Time as it is handed to the parts that run without a browser. */

/** A pending call. */
export interface Timer {
  /** Takes the call back; does nothing when it has happened. */
  cancel(): void;
}

/** Clocks and timers of the surroundings. */
export interface Timers {
  /** Milliseconds since some fixed point; never goes back. */
  now(): number;
  /** Milliseconds since the Unix epoch, the one clock all threads of a page share. */
  wallClock(): number;
  /** Calls `run` once, `ms` milliseconds from now. */
  after(ms: number, run: () => void): Timer;
}

/** Resolves after `ms`, or at once when `signal` aborts. */
export function sleep(timers: Timers, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const timer = timers.after(ms, finish);
    signal.addEventListener('abort', finish, { once: true });
    function finish(): void {
      timer.cancel();
      signal.removeEventListener('abort', finish);
      resolve();
    }
  });
}
