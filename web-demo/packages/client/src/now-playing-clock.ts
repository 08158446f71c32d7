/** Moves a timeline of metadata along with the sound, to the millisecond. */
import { NowPlayingTimeline } from './now-playing.ts';
import { SAMPLE_RATE } from './wire/datagram.ts';
import type { Metadata } from './wire/objects.ts';

const SAMPLES_PER_MS = SAMPLE_RATE / 1000;

/** See the file's head. */
export class NowPlayingClock {
  readonly #timeline = new NowPlayingTimeline();
  readonly #changed: (metadata: Metadata | undefined) => void;
  #told: string | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param changed gets what is shown from now on. */
  constructor(changed: (metadata: Metadata | undefined) => void) {
    this.#changed = changed;
  }

  /** What is shown. */
  get current(): Metadata | undefined {
    return this.#timeline.current;
  }

  /** Takes news, to be shown when their time comes. */
  add(metadata: Metadata): void {
    this.#timeline.add(metadata);
    this.#tell();
  }

  /** The ear is at `position`; `undefined` while it hears nothing. */
  follow(position: number | undefined): void {
    clearTimeout(this.#timer);
    if (position === undefined) return;
    if (this.#timeline.advance(position)) this.#tell();
    const { next } = this.#timeline;
    if (next === undefined) return;
    const waitMs = (next - position) / SAMPLES_PER_MS;
    // Positions come four times a second; what is further away is left to a later one.
    if (waitMs > 1_000) return;
    this.#timer = setTimeout(() => {
      if (this.#timeline.advance(next)) this.#tell();
    }, waitMs);
  }

  /** Forgets what was announced; what is shown stays. */
  reset(): void {
    clearTimeout(this.#timer);
    this.#timeline.clear();
  }

  /** Nothing plays any more: shows what the station is said to play. */
  release(metadata: Metadata | undefined): void {
    this.reset();
    this.#timeline.show(metadata);
    this.#tell();
  }

  #tell(): void {
    const { current } = this.#timeline;
    // The relay repeats itself after a reconnect; people need not hear it again.
    const text = JSON.stringify(current);
    if (text === this.#told) return;
    this.#told = text;
    this.#changed(current);
  }
}
