/** Relates the audio clock to the wall clock that all threads of a page share. */

// Blocks come in bursts of the audio device's period, and the wall clock of a worklet
// counts whole milliseconds: a second of blocks is averaged.
const WEIGHT = 1 / 375;
const JUMP_MS = 200;

/** A running estimate of wall clock minus audio clock. */
export class WallClock {
  #offsetMs: number | undefined;

  /** Both clocks at one moment, in ms. */
  observe(audioMs: number, wallMs: number): void {
    const offsetMs = wallMs - audioMs;
    const known = this.#offsetMs;
    const jumped = known === undefined || Math.abs(offsetMs - known) > JUMP_MS;
    // After a suspension or a clock that was set, averaging would take seconds.
    this.#offsetMs = jumped ? offsetMs : known + (offsetMs - known) * WEIGHT;
  }

  /** Wall clock minus audio clock, in ms. */
  get offsetMs(): number {
    return this.#offsetMs ?? 0;
  }
}
