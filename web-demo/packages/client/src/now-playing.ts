/**
 * Metadata and the moment at which it is to be shown: when the sample plays from which it
 * holds, not when the news of it arrived.
 */
import type { Metadata } from './wire/objects.ts';

// What one goes back for was played before, and a station that announces more ahead than the
// rest of this is announcing its programme.
const PENDING_MAX = 128;

/** Metadata in the order of media time. */
export class NowPlayingTimeline {
  #pending: { timestamp: number; metadata: Metadata }[] = [];
  #current: Metadata | undefined;

  /** What is shown. */
  get current(): Metadata | undefined {
    return this.#current;
  }

  /** Shows this at once, whatever its time: what a station is said to play before it is heard. */
  show(metadata: Metadata | undefined): void {
    this.#current = metadata;
  }

  /**
   * Takes news. Without a timestamp it holds at once; with one from
   * {@link advance} on.
   */
  add(metadata: Metadata): void {
    const { timestamp } = metadata;
    if (timestamp === undefined) {
      this.#current = metadata;
      return;
    }
    // A correction of what was announced for the same moment takes its place.
    this.#pending = this.#pending.filter((entry) => entry.timestamp !== timestamp);
    this.#pending.push({ timestamp, metadata });
    this.#pending.sort((left, right) => left.timestamp - right.timestamp);
    if (this.#pending.length > PENDING_MAX) this.#pending.pop();
  }

  /** The media time has come to `position`; `true` when something else is shown now. */
  advance(position: number): boolean {
    let changed = false;
    while (this.#pending[0] && this.#pending[0].timestamp <= position) {
      this.#current = this.#pending.shift()?.metadata;
      changed = true;
    }
    return changed;
  }

  /** The media time of the next change, when there is one. */
  get next(): number | undefined {
    return this.#pending[0]?.timestamp;
  }

  /** Another stream: what was announced on the former media time is void. */
  clear(): void {
    this.#pending = [];
  }
}
