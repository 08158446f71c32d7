/** Keeps part of a page in step with the player, whichever station it plays. */
import type { Player } from '@skywave/client';
import type { Radio } from '../radio.ts';

const EVENTS = ['statechange', 'nowplaying', 'stationchange'] as const;

/**
 * Calls `update` now and after every change of player or directory; the returned function
 * ends it.
 */
export function followPlayer(radio: Radio, update: (player: Player | undefined) => void) {
  const changed = (): void => {
    update(radio.player);
  };
  for (const event of EVENTS) radio.dock.addEventListener(event, changed);
  const stop = radio.session.on('stations', changed);
  changed();
  return (): void => {
    for (const event of EVENTS) radio.dock.removeEventListener(event, changed);
    stop();
  };
}
