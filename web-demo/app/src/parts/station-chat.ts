/** A station's chat, beside its player. */
import { h, setText } from '../dom.ts';
import { stationHue } from './station-colors.ts';
import { stationRoom, type Room } from '@skywave/client';
import { TalkPanel } from './talk/talk-panel.ts';
import type { Radio } from '../radio.ts';

/** See the file's head. Close it with the page. */
export class StationChat {
  /** A section with a heading. */
  readonly element: HTMLElement;
  readonly #panel: TalkPanel;
  readonly #people = h('span', { class: 'talk-people' });

  constructor(radio: Radio, station: string, go: (path: string) => void) {
    this.#panel = new TalkPanel({ radio, channel: stationRoom(station), go });
    const head = h(
      'header',
      { class: 'talk-head' },
      h('h2', { id: 'chat-title', text: 'Chat' }),
      this.#people,
    );
    this.element = h(
      'section',
      { class: 'talk-card station-chat', 'aria-labelledby': 'chat-title' },
      head,
      this.#panel.element,
    );
    this.element.style.setProperty('--hue', String(stationHue(station)));
    this.room.on('room', () => {
      const { online } = this.room;
      setText(this.#people, online === undefined ? '' : `${online.toLocaleString('en')} here`);
    });
  }

  /** The station's room. */
  get room(): Room {
    return this.#panel.room;
  }

  /** Stops following. */
  close(): void {
    this.#panel.close();
  }
}
