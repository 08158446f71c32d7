/** The rendition of a player that leaves the choice to us. */
import { Auto, type Rung } from './auto.ts';
import type { ReceiverStats, WorkletStatus } from './messages.ts';
import type { Track } from './wire.ts';

/** The rendition one asks a player for, never the relay, to have it choose. */
export const AUTO_RENDITION = 'auto';

const LOOK_SECONDS = 1;
// How long what comes first is not judged: buffers fill, and delays are not known yet.
const BEGINNING_SECONDS = 3;

// What a rendition the relay makes takes, in bits per second.
const BITRATES = new Map([
  ['high', 128_000],
  ['medium', 64_000],
  ['low', 24_000],
]);

/** Watches what comes and chooses. */
export class AutoChoice {
  #auto: Auto | undefined;
  #sourceBitrate = 0;
  #before: { readonly at: number; readonly stats: ReceiverStats } | undefined;
  #seenAt = 0;
  #begunAt: number | undefined;
  #playedMs = 0;

  /** What to ask the relay for now. */
  get rendition(): string {
    return this.#auto?.current?.name ?? 'source';
  }

  /** This flows now; a source of another bitrate is another choice. */
  flows(renditions: readonly string[], track: Track): void {
    if (track.rendition !== 'source' || track.bitrate === this.#sourceBitrate) return;
    this.#sourceBitrate = track.bitrate;
    const made: Rung[] = [];
    for (const name of renditions) {
      const bitrate = BITRATES.get(name);
      if (bitrate !== undefined) made.push({ name, bitrate });
    }
    this.#auto = new Auto([{ name: 'source', bitrate: track.bitrate }, ...made]);
  }

  /** The relay did not agree: what was taken before is to be asked for again. */
  refused(before: string, nowMs: number): void {
    this.#auto?.refused(before, nowMs);
  }

  /** Takes the receiver's figures; `true` when another rendition is to be asked for. */
  handle({ stats, state, contextTime }: WorkletStatus): boolean {
    if (state === 'playing') this.#playedMs += Math.max(0, contextTime - this.#seenAt) * 1000;
    this.#seenAt = contextTime;
    const before = (this.#before ??= { at: contextTime, stats });
    if (contextTime - before.at < LOOK_SECONDS) return false;
    this.#before = { at: contextTime, stats };
    const since = (key: keyof ReceiverStats): number => Math.max(0, stats[key] - before.stats[key]);
    const second = {
      received: since('packets'),
      missing: since('lost') + since('recovered') + since('retransmitted'),
      concealedMs: since('concealedMs'),
      playedMs: this.#playedMs,
    };
    this.#playedMs = 0;
    if (second.received > 0) this.#begunAt ??= contextTime;
    if (this.#begunAt === undefined || contextTime - this.#begunAt < BEGINNING_SECONDS)
      return false;
    return this.#auto?.handle(contextTime * 1000, second) !== undefined;
  }
}
