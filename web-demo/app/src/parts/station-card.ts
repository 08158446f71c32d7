/** One station in the list of those on air. */
import { h, icon, setText } from '../dom.ts';
import { listenersLabel, nowPlayingLabel } from '@skywave/client';
import { showState, stateBadge } from './station-state.ts';
import { stationHue } from './station-colors.ts';
import { stationPath } from '../router.ts';
import type { Station } from '@skywave/client';

const PLAY = 'M8.2 5.3v13.4c0 .6.7 1 1.2.7l10.6-6.7c.5-.3.5-1.1 0-1.4L9.4 4.6c-.5-.3-1.2.1-1.2.7z';
const PAUSE = 'M7 5h3.4v14H7zM13.6 5H17v14h-3.4z';
const WAVE = 'M6 30C11 10 24 10 29 30M29 30C34 4 54 4 59 30';

/** See the file's head. */
export class StationCard {
  /** The list item. */
  readonly element: HTMLLIElement;
  readonly #name = h('span', { class: 'card-name' });
  readonly #badge = stateBadge();
  readonly #playing = h('p', { class: 'card-playing' });
  readonly #listeners = h('span', { class: 'card-listeners' });
  readonly #button: HTMLButtonElement;
  readonly #label = h('span', { class: 'spoken' });
  readonly #path: SVGPathElement | null;

  constructor(id: string, press: () => void) {
    const play = icon(PLAY);
    this.#path = play.querySelector('path');
    this.#button = h(
      'button',
      { type: 'button', class: 'card-play', on: { click: press } },
      play,
      this.#label,
    );
    const art = h('div', { class: 'card-sky', 'aria-hidden': 'true' }, icon(WAVE, '0 0 66 34'));
    const link = h('a', { class: 'card-link', href: stationPath(id) }, this.#name);
    this.element = h(
      'li',
      { class: 'card' },
      art,
      h(
        'div',
        { class: 'card-text' },
        h('h3', {}, link),
        this.#playing,
        h('p', { class: 'card-meta' }, this.#badge, this.#listeners),
      ),
      this.#button,
    );
    this.element.style.setProperty('--hue', String(stationHue(id)));
  }

  /** Shows the station, and whether it is the one that plays. */
  show(station: Station, wanted: boolean): void {
    setText(this.#name, station.name);
    showState(this.#badge, station.state);
    setText(this.#playing, nowPlayingLabel(station.metadata) || station.description);
    setText(this.#listeners, listenersLabel(station.listeners));
    setText(this.#label, `${wanted ? 'Pause' : 'Play'} ${station.name}`);
    this.#path?.setAttribute('d', wanted ? PAUSE : PLAY);
    this.element.classList.toggle('is-wanted', wanted);
  }
}
