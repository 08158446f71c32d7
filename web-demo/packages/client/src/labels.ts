/** What a player says about itself, in words. Pure. */
import type { Metadata } from './wire/objects.ts';
import type { PlayerState } from './player-state.ts';

/** What it is doing, for people. */
export function stateLabel(state: PlayerState, onAir: boolean): string {
  switch (state) {
    case 'idle':
      return onAir ? 'Live' : 'Off air';
    case 'connecting':
      return 'Connecting…';
    case 'buffering':
      return 'Tuning in…';
    case 'playing':
      return 'Live';
    case 'interrupted':
      return 'Interrupted, back in a moment';
    case 'reconnecting':
      return 'Reconnecting…';
    case 'offline':
      return 'Off air, starts by itself';
    case 'error':
      return 'Cannot play';
  }
}

/** How much later than live it is heard: `30 s behind live`, `2 min behind live`. */
export function behindLabel(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s behind live`;
  const [minutes, rest] = [Math.floor(seconds / 60), seconds % 60];
  return `${minutes} min${rest === 0 ? '' : ` ${rest} s`} behind live`;
}

/** `Title, by Artist` in one line. */
export function nowPlayingLabel(metadata: Metadata | undefined): string {
  if (!metadata) return '';
  const { title, artist } = metadata;
  return artist === undefined || artist === '' ? title : `${title} — ${artist}`;
}

/** `1 listener`, `2 listeners`. */
export function listenersLabel(count: number): string {
  return `${count.toLocaleString('en')} ${count === 1 ? 'listener' : 'listeners'}`;
}

/** A delay: `86 ms`, `1.4 s`. */
export function delayLabel(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}
