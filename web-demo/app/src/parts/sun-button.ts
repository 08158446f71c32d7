/** The sun: a play button, with waves around it while the station is heard. */
import { h, icon, setText } from '../dom.ts';
import type { PlayerState } from '@skywave/client';

const PLAY = 'M8.2 5.3v13.4c0 .6.7 1 1.2.7l10.6-6.7c.5-.3.5-1.1 0-1.4L9.4 4.6c-.5-.3-1.2.1-1.2.7z';
const PAUSE = 'M7 5h3.4v14H7zM13.6 5H17v14h-3.4z';
const BUSY: readonly PlayerState[] = ['connecting', 'buffering', 'reconnecting'];

/** What the button shows. */
export interface SunState {
  /** The station's name. */
  readonly name: string;
  /** Whether this station plays or is about to. */
  readonly wanted: boolean;
  /** What the player does, when it plays this station. */
  readonly state: PlayerState;
}

/** See the file's head. */
export class SunButton {
  /** The button with its waves. */
  readonly element: HTMLElement;
  readonly #button: HTMLButtonElement;
  readonly #path: SVGPathElement | null;
  readonly #label = h('span', { class: 'spoken' });

  constructor(press: () => void) {
    const svg = icon(PLAY);
    this.#path = svg.querySelector('path');
    this.#button = h(
      'button',
      { type: 'button', class: 'sun-button', on: { click: press } },
      svg,
      this.#label,
    );
    const wave = (): HTMLElement => h('span', { class: 'sun-wave', 'aria-hidden': 'true' });
    this.element = h('div', { class: 'sun' }, wave(), wave(), wave(), this.#button);
  }

  /** Shows a state. */
  show({ name, wanted, state }: SunState): void {
    setText(this.#label, `${wanted ? 'Pause' : 'Play'} ${name}`);
    this.#path?.setAttribute('d', wanted ? PAUSE : PLAY);
    this.element.classList.toggle('is-busy', wanted && BUSY.includes(state));
    this.element.classList.toggle('is-playing', wanted && state === 'playing');
  }
}
