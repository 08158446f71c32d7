/**
 * The server's clock, estimated from pings.
 *
 * A sample says: when `server_time` was read, our clock stood somewhere between sending
 * and receiving; taking the middle errs by at most half the round trip. So the sample
 * with the shortest round trip of the recent ones is the best, and is taken alone.
 */

/** One ping: our wall clock at both ends, and the server's in between, in milliseconds. */
export interface ClockSample {
  /** When the request was sent. */
  readonly sentMs: number;
  /** When the reply came. */
  readonly receivedMs: number;
  /** What the server's clock showed, in milliseconds since the Unix epoch. */
  readonly serverMs: number;
}

/** What is known of the server's clock. */
export interface ClockEstimate {
  /** Server time minus ours, in milliseconds. */
  readonly offsetMs: number;
  /** Round trip of the latest ping, in milliseconds. */
  readonly roundTripMs: number;
  /** The offset is right to within this many milliseconds. */
  readonly errorMs: number;
}

// At one ping in five seconds a minute and a half: long enough to hold a lucky fast sample,
// short enough that drift between two quartz clocks (say 50 ppm: 5 ms) stays small.
const SAMPLES_KEPT = 16;

/** Keeps the latest samples and picks the best. */
export class ClockEstimator {
  #samples: { offsetMs: number; roundTripMs: number }[] = [];

  /** Takes a ping; samples in which our clock went backwards are ignored. */
  add({ sentMs, receivedMs, serverMs }: ClockSample): void {
    const roundTripMs = receivedMs - sentMs;
    if (!(roundTripMs >= 0)) return;
    const offsetMs = serverMs - (sentMs + receivedMs) / 2;
    const best = this.estimate();
    // A wall clock that was set (by hand, or after sleep) shows as an offset that no
    // round trip explains; older samples then speak of another clock.
    if (best && Math.abs(offsetMs - best.offsetMs) > best.errorMs + roundTripMs / 2 + 50) {
      this.#samples = [];
    }
    this.#samples.push({ offsetMs, roundTripMs });
    if (this.#samples.length > SAMPLES_KEPT) this.#samples.shift();
  }

  /** The best estimate, or `undefined` before the first sample. */
  estimate(): ClockEstimate | undefined {
    const latest = this.#samples.at(-1);
    if (!latest) return undefined;
    let best = latest;
    for (const sample of this.#samples) {
      if (sample.roundTripMs < best.roundTripMs) best = sample;
    }
    return {
      offsetMs: best.offsetMs,
      roundTripMs: latest.roundTripMs,
      errorMs: best.roundTripMs / 2,
    };
  }
}
