/**
 * Which rendition a listener of `auto` takes: moves by measured loss and throughput. Pure.
 *
 * The twin of `client/src/auto.rs`, which tells how it decides; one set of vectors
 * (`wire/vectors/auto.json`) holds both to the same decisions.
 */

/** One rendition to choose. */
export interface Rung {
  /** Its name on the wire. */
  readonly name: string;
  /** Bits per second. */
  readonly bitrate: number;
}

/** What came in about a second. */
export interface Second {
  /** Packets that came by themselves. */
  readonly received: number;
  /** Packets that did not: lost, or brought by repair. */
  readonly missing: number;
  /** Sound made up, in milliseconds. */
  readonly concealedMs: number;
  /** Sound played, the made-up part included, in milliseconds. */
  readonly playedMs: number;
}

// Seconds looked at together.
const WINDOW = 3;
// After a change nothing is judged for so long: what is seen is of before.
const SETTLE_MS = 3_000;
// Loss beyond the path's own, and sound made up, from which a rendition is too much.
const LOSS_BAD = 0.12;
const CONCEALED_BAD = 0.04;
// A single second as bad as this is believed without the others.
const LOSS_AT_ONCE = 0.3;
// The same below which all is well.
const LOSS_GOOD = 0.02;
const CONCEALED_GOOD = 0.01;
// The share of what came through that a rendition may take.
const ROOM = 0.85;
// Loss that stays above this share of what it was is none of too many bytes.
const CURED = 0.7;
// The largest loss that is taken for the path's own, and how it is forgotten each second.
const FLOOR_MAX = 0.5;
const FLOOR_KEPT = 0.98;
// Clean time before a step up, at first and at most; how long a step up has to hold.
const WAIT_MS = 10_000;
const WAIT_MS_MAX = 300_000;
const TRIAL_MS = 10_000;
// A rendition is of use only when it takes less than this share of the next better one.
const STEP = 0.8;

/** The decision of one listener. */
export class Auto {
  readonly #rungs: Rung[] = [];
  #current = 0;
  #window: Second[] = [];
  #settledAt = 0;
  #goodSince: number | undefined;
  #waitMs = WAIT_MS;
  #trialUntil: number | undefined;
  #lossBefore: number | undefined;
  #floor = 0;

  /**
   * Begins with the first of `rungs`, which come best first; those that would hardly take
   * less than a better one are left out. Without any there is nothing to decide.
   */
  constructor(rungs: readonly Rung[]) {
    for (const rung of rungs) {
      const better = this.#rungs.at(-1);
      if (better === undefined || rung.bitrate < better.bitrate * STEP) this.#rungs.push(rung);
    }
  }

  /** What is taken now. */
  get current(): Rung | undefined {
    return this.#rungs[this.#current];
  }

  /**
   * The relay did not give what was chosen: `name` is still taken, and the next try waits as
   * after a step that failed.
   */
  refused(name: string, nowMs: number): void {
    const back = this.#rungs.findIndex((rung) => rung.name === name);
    if (back >= 0) this.#current = back;
    this.#waitMs = Math.min(this.#waitMs * 2, WAIT_MS_MAX);
    this.#settle(nowMs);
    this.#trialUntil = undefined;
    this.#lossBefore = undefined;
  }

  /**
   * Takes what came since the last call, at `nowMs` of any steady clock; answers what to take
   * from now on when that is something else.
   */
  handle(nowMs: number, second: Second): Rung | undefined {
    if (nowMs < this.#settledAt) return undefined;
    if (second.received + second.missing === 0) {
      // Nothing at all is an interruption, which says nothing about bytes.
      this.#window = [];
      this.#goodSince = undefined;
      return undefined;
    }
    if (this.#window.length === WINDOW) this.#window.shift();
    this.#window.push(second);
    const { loss, concealed } = this.#seen();
    this.#learn(loss);
    if (this.#isBad(loss, concealed)) {
      this.#goodSince = undefined;
      return this.#down(nowMs, loss);
    }
    if (loss - this.#floor > LOSS_GOOD || concealed > CONCEALED_GOOD + this.#floor) {
      this.#goodSince = undefined;
      return undefined;
    }
    return this.#up(nowMs);
  }

  #seen(): { loss: number; concealed: number } {
    const sum = (value: (second: Second) => number): number =>
      this.#window.reduce((total, second) => total + value(second), 0);
    const missing = sum((second) => second.missing);
    const all = missing + sum((second) => second.received);
    const played = sum((second) => second.playedMs);
    const concealed = sum((second) => second.concealedMs);
    return { loss: missing / all, concealed: played > 0 ? concealed / played : 0 };
  }

  #isBad(loss: number, concealed: number): boolean {
    const excess = loss - this.#floor;
    // Whether a step down helped is seen over the whole window.
    const needed = this.#lossBefore === undefined ? 2 : WINDOW;
    if (this.#window.length < needed) return excess > LOSS_AT_ONCE;
    return excess > LOSS_BAD || concealed > CONCEALED_BAD + this.#floor;
  }

  // Sees whether the last step down helped, and forgets what the path lost before.
  #learn(loss: number): void {
    if (this.#window.length < WINDOW) return;
    const before = this.#lossBefore ?? 0;
    this.#lossBefore = undefined;
    if (before > LOSS_BAD && loss > before * CURED) {
      this.#floor = Math.min(loss, FLOOR_MAX);
      this.#waitMs = WAIT_MS;
    }
    if (loss < this.#floor) this.#floor = Math.max(loss, this.#floor * FLOOR_KEPT);
  }

  #down(nowMs: number, loss: number): Rung | undefined {
    const onTrial = this.#trialUntil !== undefined && nowMs < this.#trialUntil;
    this.#trialUntil = undefined;
    if (onTrial) this.#waitMs = Math.min(this.#waitMs * 2, WAIT_MS_MAX);
    const lowest = this.#rungs.length - 1;
    const taken = this.#rungs[this.#current];
    if (!taken || this.#current >= lowest) return undefined;
    const last = this.#window.at(-1);
    const lastLoss = last ? last.missing / (last.missing + last.received) : loss;
    const room = taken.bitrate * (1 - lastLoss) * ROOM;
    const fits = this.#rungs.findIndex(
      (rung, index) => index > this.#current && rung.bitrate <= room,
    );
    this.#current = fits < 0 ? lowest : fits;
    this.#settle(nowMs);
    this.#lossBefore = loss;
    return this.current;
  }

  #up(nowMs: number): Rung | undefined {
    if (this.#trialUntil !== undefined && nowMs >= this.#trialUntil) {
      this.#trialUntil = undefined;
      this.#waitMs = Math.max(Math.floor(this.#waitMs / 2), WAIT_MS);
    }
    this.#goodSince ??= nowMs;
    if (this.#current === 0 || nowMs - this.#goodSince < this.#waitMs) return undefined;
    this.#current--;
    this.#settle(nowMs);
    this.#trialUntil = nowMs + SETTLE_MS + TRIAL_MS;
    this.#lossBefore = undefined;
    return this.current;
  }

  #settle(nowMs: number): void {
    this.#settledAt = nowMs + SETTLE_MS;
    this.#window = [];
    this.#goodSince = undefined;
  }
}
