/** Like, favourite, follow and share a station, with how many did. */
import { errorWords } from '../error-words.ts';
import { h, icon, setText } from '../dom.ts';
import type { InteractionKind, Interactions, Room } from '@skywave/client';
import type { Radio } from '../radio.ts';

const ICONS: Record<InteractionKind, string> = {
  like: 'M12 20.5 4.3 12.9a4.9 4.9 0 0 1 7-6.9l.7.7.7-.7a4.9 4.9 0 0 1 7 6.9z',
  favourite: 'm12 3.2 2.7 5.6 6.1.8-4.5 4.2 1.1 6.1L12 17l-5.4 2.9 1.1-6.1-4.5-4.2 6.1-.8z',
  follow:
    'M12 3a6 6 0 0 0-6 6v4.2L4.3 16a.7.7 0 0 0 .6 1h14.2a.7.7 0 0 0 .6-1L18 13.2V9a6 6 0 0 0-6-6zM9.8 19a2.3 2.3 0 0 0 4.4 0z',
  share:
    'M17 3a3 3 0 1 1-2.4 4.8L9.9 10.5a3 3 0 0 1 0 3l4.7 2.7a3 3 0 1 1-.8 1.4l-4.9-2.8a3 3 0 1 1 0-5.6l4.9-2.8A3 3 0 0 1 17 3z',
};
const NAMES: Record<InteractionKind, string> = {
  like: 'Like',
  favourite: 'Favourite',
  follow: 'Follow',
  share: 'Share',
};
const KINDS = ['like', 'favourite', 'follow', 'share'] as const;

/** See the file's head. */
export class InteractionBar {
  /** A row of buttons. */
  readonly element: HTMLElement;
  readonly #radio: Radio;
  readonly #station: string;
  readonly #counts = new Map<InteractionKind, HTMLElement>();
  readonly #buttons = new Map<InteractionKind, HTMLButtonElement>();
  readonly #told = h('span', { class: 'copied', role: 'status' });
  readonly #stops: (() => void)[];
  #mine: readonly InteractionKind[] = [];
  #version = -1;

  /** @param room the station's room, which tells of changes. */
  constructor(radio: Radio, station: string, room: Room) {
    this.#radio = radio;
    this.#station = station;
    const buttons = KINDS.map((kind) => this.#button(kind));
    this.element = h(
      'p',
      { class: 'interactions', role: 'group', 'aria-label': 'This station' },
      ...buttons,
      this.#told,
    );
    const ask = (): void => {
      void this.#ask();
    };
    this.#stops = [
      room.on('interactions', (interactions) => {
        this.#show(interactions);
      }),
      radio.chat.on('user', () => {
        this.#mine = [];
        ask();
      }),
      radio.chat.on('connected', ask),
    ];
    ask();
  }

  /** Stops following. */
  close(): void {
    for (const stop of this.#stops) stop();
  }

  async #ask(): Promise<void> {
    if (!this.#radio.chat.connected) return;
    try {
      this.#version = -1;
      this.#show(await this.#radio.chat.interactions(this.#station));
    } catch {
      // A station nobody ever heard has none.
    }
  }

  #button(kind: InteractionKind): HTMLButtonElement {
    const count = h('span', { class: 'interaction-count' });
    const button = h(
      'button',
      {
        type: 'button',
        class: `interaction interaction-${kind}`,
        on: {
          click: () => {
            void this.#press(kind);
          },
        },
      },
      icon(ICONS[kind]),
      h('span', { text: NAMES[kind] }),
      count,
    );
    if (kind !== 'share') button.setAttribute('aria-pressed', 'false');
    this.#counts.set(kind, count);
    this.#buttons.set(kind, button);
    return button;
  }

  async #press(kind: InteractionKind): Promise<void> {
    try {
      // What is shared counts once and only for who is known; anybody may share.
      if (kind === 'share') {
        await this.#share();
        if (!this.#radio.account.user) return;
      } else if (!this.#radio.account.require()) return;
      const on = kind === 'share' || !this.#mine.includes(kind);
      this.#show(await this.#radio.chat.interact(this.#station, kind, on));
    } catch (error) {
      setText(this.#told, errorWords(error));
    }
  }

  async #share(): Promise<void> {
    const { share } = navigator as { share?: Navigator['share'] };
    const url = `${location.origin}/station/${this.#station}`;
    if (share && matchMedia('(pointer: coarse)').matches) {
      // Whoever changes their mind has not failed.
      await share.call(navigator, { url }).catch(() => undefined);
      return;
    }
    await navigator.clipboard.writeText(url);
    setText(this.#told, 'Link copied');
    setTimeout(() => {
      setText(this.#told, '');
    }, 2_500);
  }

  #show(interactions: Interactions): void {
    if (interactions.mine) this.#mine = interactions.mine;
    // A push may be older than an answer.
    else if (interactions.version <= this.#version) return;
    this.#version = Math.max(this.#version, interactions.version);
    const { likes, favourites, followers, shares } = interactions;
    const counts = { like: likes, favourite: favourites, follow: followers, share: shares };
    for (const kind of KINDS) {
      const count = this.#counts.get(kind);
      if (count) setText(count, counts[kind] === 0 ? '' : counts[kind].toLocaleString('en'));
      const mine = this.#mine.includes(kind);
      if (kind !== 'share') this.#buttons.get(kind)?.setAttribute('aria-pressed', String(mine));
    }
  }
}
