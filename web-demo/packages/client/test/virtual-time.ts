/** Timers that stand still until a test moves them. */
import type { Timer, Timers } from '../src/timers.ts';

/** See the file's head. Promises settle between the steps. */
export class VirtualTime implements Timers {
  #now = 0;
  #jumped = 0;
  #due: { at: number; run: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  wallClock(): number {
    return 1_700_000_000_000 + this.#now + this.#jumped;
  }

  after(ms: number, run: () => void): Timer {
    const entry = { at: this.#now + ms, run };
    this.#due.push(entry);
    return {
      cancel: () => {
        this.#due = this.#due.filter((other) => other !== entry);
      },
    };
  }

  /** Lets `ms` pass, calling what falls due on the way, in order. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settle();
    for (;;) {
      this.#due.sort((left, right) => left.at - right.at);
      const next = this.#due[0];
      if (!next || next.at > end) break;
      this.#due.shift();
      this.#now = Math.max(this.#now, next.at);
      next.run();
      await settle();
    }
    this.#now = end;
  }

  /** The machine slept: the wall clock moved, timers did not. */
  sleepMachine(ms: number): void {
    this.#jumped += ms;
  }
}

/** Lets everything happen that only waits for promises. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 30; turn++) await Promise.resolve();
}
