/** A station's chat, beside its player. */
import { h, setText } from '../dom.ts';
import { RoomTools } from './room/room-tools.ts';
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

  /** @param at the message to show first. */
  constructor(radio: Radio, station: string, at: number | undefined, go: (path: string) => void) {
    const where = { radio, channel: stationRoom(station), go };
    this.#panel = new TalkPanel({ ...where, ...(at === undefined ? {} : { at }) });
    const tools = new RoomTools({
      radio,
      room: this.room,
      attempt: (doing) => this.#panel.attempt(doing),
      onLeft: () => undefined,
    });
    const head = h(
      'header',
      { class: 'talk-head' },
      h('h2', { id: 'chat-title', text: 'Chat' }),
      this.#people,
      tools.element,
    );
    this.element = h(
      'section',
      { class: 'talk-card station-chat', 'aria-labelledby': 'chat-title' },
      head,
      this.#panel.element,
    );
    this.element.style.setProperty('--hue', String(stationHue(station)));
    this.room.on('room', () => {
      tools.update();
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
