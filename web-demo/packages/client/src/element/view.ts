/** The element's shadow tree, and how a player's state shows in it. */
import { behindLabel, delayLabel, listenersLabel, nowPlayingLabel, stateLabel } from '../labels.ts';
import { STYLE } from './style.ts';
import type { Player } from '../player.ts';
import type { PlayerState } from '../player-state.ts';

const MARKUP = `
<div class="player" part="player" role="group">
  <button class="toggle" part="button" type="button">
    <svg viewBox="0 0 24 24" aria-hidden="true"><path></path></svg>
  </button>
  <div class="text" part="text">
    <p class="station" part="station"><span class="indicator" part="indicator"></span><span class="name"></span></p>
    <p class="title" part="title" aria-live="polite"></p>
    <p class="status" part="status"><span class="state"></span><span class="listeners"></span><span class="delay" part="delay"></span></p>
  </div>
  <div class="past" part="past" hidden>
    <button class="back" part="back" type="button">Back 30 s</button>
    <button class="present" part="live" type="button" aria-label="Go live">Live</button>
  </div>
  <div class="volume" part="volume">
    <button class="mute" part="mute" type="button">
      <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M4 9.5v5h3.2L12 18.5v-13L7.2 9.5z"/><path class="sound"></path></svg>
    </button>
    <input part="slider" type="range" min="0" max="100" step="5" aria-label="Volume">
  </div>
  <span class="spoken" role="status"></span>
</div>`;

const PLAY = 'M8 5.2v13.6a.8.8 0 0 0 1.2.7l11-6.8a.8.8 0 0 0 0-1.4l-11-6.8A.8.8 0 0 0 8 5.2z';
const PAUSE = 'M7 5h3.4v14H7zM13.6 5H17v14h-3.4z';
const LOUD = 'M15.5 9a4.2 4.2 0 0 1 0 6M18 6.5a7.8 7.8 0 0 1 0 11';
const MUTED = 'm16 9.5 5 5m0-5-5 5';

const BUSY: readonly PlayerState[] = ['connecting', 'buffering', 'reconnecting'];
const WARNING: readonly PlayerState[] = ['reconnecting', 'interrupted', 'error'];

/** What the user did. */
export interface ViewEvents {
  readonly onToggle: () => void;
  readonly onMute: () => void;
  /** Half a minute further back. */
  readonly onBack: () => void;
  /** Back to the present. */
  readonly onLive: () => void;
  /** From 0 to 1. */
  readonly onVolume: (volume: number) => void;
}

/** See the file's head. */
export class View {
  readonly #root: ShadowRoot;
  readonly #frame: HTMLElement;
  readonly #toggle: HTMLButtonElement;
  readonly #past: HTMLElement;
  readonly #back: HTMLButtonElement;
  readonly #present: HTMLButtonElement;
  readonly #mute: HTMLButtonElement;
  readonly #slider: HTMLInputElement;

  constructor(root: ShadowRoot, events: ViewEvents) {
    this.#root = root;
    root.innerHTML = MARKUP;
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    root.adoptedStyleSheets = [sheet];
    this.#frame = this.#find('.player');
    this.#toggle = this.#find('.toggle');
    this.#past = this.#find('.past');
    this.#back = this.#find('.back');
    this.#present = this.#find('.present');
    this.#mute = this.#find('.mute');
    this.#slider = this.#find('input');
    this.#toggle.addEventListener('click', events.onToggle);
    this.#mute.addEventListener('click', events.onMute);
    this.#back.addEventListener('click', events.onBack);
    this.#present.addEventListener('click', events.onLive);
    this.#slider.addEventListener('input', () => {
      events.onVolume(this.#slider.valueAsNumber / 100);
    });
  }

  /** Shows everything; `undefined` while there is no station to play. */
  show(player: Player | undefined): void {
    const state = player?.state ?? 'idle';
    const name = player?.station?.name ?? player?.stationId ?? 'No station';
    const onAir = player?.station?.state === 'live';
    const wanted = player?.wanted ?? false;
    this.#frame.className = [
      'player',
      state,
      BUSY.includes(state) ? 'busy' : '',
      WARNING.includes(state) ? 'warning' : '',
      onAir ? 'live' : '',
    ].join(' ');
    this.#frame.setAttribute('aria-label', `Radio player: ${name}`);
    this.#toggle.disabled = player === undefined;
    this.#toggle.setAttribute('aria-label', `${wanted ? 'Pause' : 'Play'} ${name}`);
    this.#path(this.#toggle, 'path').setAttribute('d', wanted ? PAUSE : PLAY);
    this.#text('.name', name);
    this.#text('.title', nowPlayingLabel(player?.nowPlaying));
    const behindMs = state === 'playing' ? (player?.behindMs ?? 0) : 0;
    const label = behindMs > 0 ? behindLabel(behindMs) : stateLabel(state, onAir);
    this.#past.hidden = !wanted || (player?.station?.rewindMs ?? 0) === 0;
    // Pressed is where one is: the button stays, so that the focus does.
    this.#present.setAttribute('aria-pressed', String((player?.rewind ?? 0) === 0));
    this.#text('.state', state === 'error' ? (player?.error?.message ?? label) : label);
    // Said aloud only when something goes on: an idle player keeps quiet.
    this.#text('.spoken', state === 'idle' ? '' : label);
    this.#text('.listeners', onAir ? listenersLabel(player.station.listeners) : '');
    this.showDelay(player);
    this.showVolume(player);
  }

  /** Shows the delay alone, as it changes all the time. */
  showDelay(player: Player | undefined): void {
    const delayMs = player?.state === 'playing' ? player.stats.delayMs : undefined;
    this.#text('.delay', delayMs === undefined ? '' : `${delayLabel(delayMs)} delay`);
  }

  /** Shows volume and mute. */
  showVolume(player: Player | undefined): void {
    const muted = player?.muted ?? false;
    this.#slider.value = String(Math.round((player?.volume ?? 1) * 100));
    this.#mute.setAttribute('aria-label', muted ? 'Unmute' : 'Mute');
    this.#path(this.#mute, '.sound').setAttribute('d', muted ? MUTED : LOUD);
  }

  #text(selector: string, text: string): void {
    const element = this.#find(selector);
    // Setting the same text again would make a screen reader say it again.
    if (element.textContent !== text) element.textContent = text;
  }

  #path(parent: HTMLElement, selector: string): SVGPathElement {
    const path = parent.querySelector<SVGPathElement>(selector);
    if (!path) throw new Error('the markup has all icons');
    return path;
  }

  // The markup is ours: what is looked for is there.
  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters
  #find<Found extends HTMLElement>(selector: string): Found {
    const found = this.#root.querySelector<Found>(selector);
    if (!found) throw new Error(`the markup has ${selector}`);
    return found;
  }
}
