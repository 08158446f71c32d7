/** Rooms: all that are open to everybody, and one's own. */
import { askNewRoom } from '../parts/room/new-room.ts';
import { avatar } from '../parts/avatar.ts';
import { button } from '../parts/buttons.ts';
import { channelPath } from '../router.ts';
import { errorWords } from '../error-words.ts';
import { h, setText } from '../dom.ts';
import type { Radio } from '../radio.ts';
import type { RoomInfo } from '@skywave/client';
import type { View } from './view.ts';

const PAGE = 30;
const PAUSE_MS = 250;

/** Builds it. */
export function roomsView(radio: Radio, go: (path: string) => void): View {
  const list = new RoomList(radio);
  const make = button(
    'New room',
    () => {
      if (radio.account.require()) askNewRoom(radio, go);
    },
    { class: 'button button-small' },
  );
  let pause: ReturnType<typeof setTimeout> | undefined;
  const query = h('input', {
    type: 'search',
    class: 'search-field',
    'aria-label': 'Find a room by name',
    placeholder: 'Find a room by name',
    maxlength: 80,
    on: {
      input: () => {
        clearTimeout(pause);
        pause = setTimeout(() => {
          void list.look(query.value.trim(), list.joined);
        }, PAUSE_MS);
      },
    },
  });
  const choices = [false, true].map((joined) =>
    h('button', {
      type: 'button',
      class: 'choice',
      text: joined ? 'Mine' : 'Open to all',
      on: {
        click: () => {
          if (joined && !radio.account.require()) return;
          void list.look(query.value.trim(), joined).then(mark);
          mark();
        },
      },
    }),
  );
  const mark = (): void => {
    choices.forEach((choice, at) => {
      choice.setAttribute('aria-pressed', String(list.joined === (at === 1)));
    });
  };
  mark();
  const again = (): void => {
    void list.look(query.value.trim(), list.joined && radio.chat.me !== undefined).then(mark);
  };
  const stops = [radio.chat.on('user', again), radio.chat.on('connected', again)];
  if (radio.chat.connected) again();
  return {
    element: h(
      'div',
      { class: 'page narrow' },
      h('header', { class: 'side-head' }, h('h1', { text: 'Rooms' }), make),
      h(
        'div',
        { class: 'list-tools' },
        h('div', { class: 'choices', role: 'group', 'aria-label': 'Which rooms' }, ...choices),
        query,
      ),
      list.element,
    ),
    title: 'Rooms · Skywave',
    close: () => {
      clearTimeout(pause);
      for (const stop of stops) stop();
    },
  };
}

class RoomList {
  readonly element: HTMLElement;
  joined = false;
  readonly #radio: Radio;
  readonly #list = h('ul', { class: 'room-list' });
  readonly #told = h('p', { class: 'soft', role: 'status' });
  readonly #more: HTMLButtonElement;
  #query = '';
  #next: string | undefined;
  #round = 0;

  constructor(radio: Radio) {
    this.#radio = radio;
    this.#more = button('More', () => {
      void this.#load(this.#next);
    });
    this.#more.hidden = true;
    this.element = h('div', {}, this.#told, this.#list, this.#more);
  }

  look(query: string, joined: boolean): Promise<void> {
    this.#query = query;
    this.joined = joined;
    return this.#load();
  }

  async #load(after?: string): Promise<void> {
    // What is answered late is about something else by then.
    const round = ++this.#round;
    try {
      const { rooms, next } = await this.#radio.chat.rooms({
        limit: PAGE,
        ...(this.#query === '' ? {} : { query: this.#query }),
        ...(this.joined ? { joined: true } : {}),
        ...(after === undefined ? {} : { after }),
      });
      if (round !== this.#round) return;
      const rows = rooms.map(row);
      if (after === undefined) this.#list.replaceChildren(...rows);
      else this.#list.append(...rows);
      this.#next = next;
      this.#more.hidden = next === undefined;
      const none = this.joined ? 'You are in no room yet.' : 'No room of that name.';
      setText(this.#told, this.#list.childElementCount === 0 ? none : '');
    } catch (error) {
      if (round === this.#round) setText(this.#told, errorWords(error));
    }
  }
}

function row({ channel, kind, name, topic, members, mine }: RoomInfo): HTMLElement {
  const top = h('span', { class: 'row-top' }, h('span', { class: 'row-name', text: name }));
  const tags = [
    ...(kind === 'station' ? ['Station'] : []),
    ...(kind === 'private' ? ['Private'] : []),
    ...(mine && mine.role !== 'member' ? [mine.role === 'owner' ? 'Yours' : 'Moderator'] : []),
  ];
  for (const text of tags) top.append(h('span', { class: 'tag', text }));
  const count = `${members.toLocaleString('en')} ${members === 1 ? 'member' : 'members'}`;
  const bottom = h(
    'span',
    { class: 'row-bottom' },
    h('span', { class: 'row-preview', text: topic === '' ? count : `${count} · ${topic}` }),
  );
  if (mine && mine.unread > 0) {
    const words = h('span', { class: 'spoken', text: ' unread' });
    bottom.append(h('span', { class: 'count' }, String(mine.unread), words));
  }
  const face = avatar(channel, name);
  const link = h(
    'a',
    { class: 'row', href: channelPath(channel) },
    face,
    h('span', { class: 'row-text' }, top, bottom),
  );
  return h('li', {}, link);
}
