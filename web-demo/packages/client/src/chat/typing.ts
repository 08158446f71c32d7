/** Says that one writes: every few seconds while keys are pressed. Pure. */
import type { Timer, Timers } from '../timers.ts';

/** How often it is said at most, in milliseconds; with the relay it wears off after 6 s. */
export const TYPING_MS = 3_000;

/** See the file's head. */
export class TypingSender {
  readonly #send: (on: boolean) => void;
  readonly #timers: Timers;
  #saidAt: number | undefined;
  #timer: Timer | undefined;

  /** @param send tells the relay; whether it arrives does not matter. */
  constructor(send: (on: boolean) => void, timers: Timers) {
    this.#send = send;
    this.#timers = timers;
  }

  /** A key was pressed. */
  handleInput(): void {
    const now = this.#timers.now();
    this.#timer?.cancel();
    // Who pauses for longer than the relay remembers is said to have stopped by the relay.
    this.#timer = this.#timers.after(2 * TYPING_MS, () => {
      this.#saidAt = undefined;
    });
    if (this.#saidAt !== undefined && now - this.#saidAt < TYPING_MS) return;
    this.#saidAt = now;
    this.#send(true);
  }

  /** The text was sent, which the relay takes for the end of writing by itself. */
  handleSent(): void {
    this.#timer?.cancel();
    this.#saidAt = undefined;
  }

  /** The text was thrown away or the page left. */
  handleStopped(): void {
    if (this.#saidAt !== undefined) this.#send(false);
    this.handleSent();
  }
}
