/** Finds what was said in the rooms and conversations one is in. */
import { button } from '../parts/buttons.ts';
import { channelPath } from '../router.ts';
import { channelTarget, previewOf, type Hit } from '@skywave/client';
import { errorWords } from '../error-words.ts';
import { h, setText } from '../dom.ts';
import { marked } from '../parts/marked.ts';
import { shortTime } from '../parts/talk/words.ts';
import type { Radio } from '../radio.ts';
import type { View } from './view.ts';

const PAGE = 20;
const NAMED_MAX = 50;

/** Builds it, for one channel if that is given. */
export function searchView(radio: Radio, channel: string | undefined): View {
  const results = new Results(radio, channel);
  const query = h('input', {
    type: 'search',
    class: 'search-field',
    'aria-label': 'Words to look for',
    placeholder: 'Words to look for',
    maxlength: 200,
    enterkeyhint: 'search',
  });
  const form = h(
    'form',
    {
      class: 'list-tools',
      role: 'search',
      on: {
        submit: (event) => {
          event.preventDefault();
          if (radio.account.require()) void results.look(query.value.trim());
        },
      },
    },
    query,
    h('button', { type: 'submit', class: 'button button-small', text: 'Search' }),
  );
  const where = h('p', { class: 'soft' });
  const name = async (): Promise<void> => {
    await results.learnNames();
    const words = channel === undefined ? 'all rooms and conversations you are in' : '';
    setText(where, `In ${words === '' ? results.name(channel ?? '') : words}.`);
  };
  const stops = [
    radio.chat.on('user', () => {
      void name();
    }),
  ];
  void name();
  const everywhere =
    channel === undefined ? [] : [h('a', { href: '/search', text: 'Search everywhere' })];
  return {
    element: h(
      'div',
      { class: 'page narrow' },
      h('header', { class: 'side-head' }, h('h1', { text: 'Search' })),
      form,
      where,
      ...everywhere,
      results.element,
    ),
    title: 'Search · Skywave',
    close: () => {
      for (const stop of stops) stop();
    },
  };
}

class Results {
  readonly element: HTMLElement;
  readonly #radio: Radio;
  readonly #channel: string | undefined;
  readonly #list = h('ul', { class: 'room-list' });
  readonly #told = h('p', { class: 'soft', role: 'status' });
  readonly #more: HTMLButtonElement;
  readonly #names = new Map<string, string>();
  #query = '';
  #next: number | undefined;
  #round = 0;

  constructor(radio: Radio, channel: string | undefined) {
    this.#radio = radio;
    this.#channel = channel;
    this.#more = button('Older', () => {
      void this.#load(this.#next);
    });
    this.#more.hidden = true;
    this.element = h('div', {}, this.#told, this.#list, this.#more);
  }

  look(query: string): Promise<void> {
    this.#query = query;
    return query === '' ? Promise.resolve() : this.#load();
  }

  /** What the rooms one is in are called. */
  async learnNames(): Promise<void> {
    if (!this.#radio.chat.me) return;
    try {
      const { rooms } = await this.#radio.chat.rooms({ joined: true, limit: NAMED_MAX });
      for (const { channel, name } of rooms) this.#names.set(channel, name);
    } catch {
      // Their ids say enough.
    }
  }

  name(channel: string): string {
    const { kind, id } = channelTarget(channel);
    if (kind === 'conversation') return this.#radio.chat.inbox?.title(channel) ?? 'Conversation';
    return this.#names.get(channel) ?? id;
  }

  async #load(before?: number): Promise<void> {
    const round = ++this.#round;
    setText(this.#told, 'Looking…');
    try {
      const { hits, next } = await this.#radio.chat.search(this.#query, {
        limit: PAGE,
        ...(this.#channel === undefined ? {} : { channel: this.#channel }),
        ...(before === undefined ? {} : { before }),
      });
      if (round !== this.#round) return;
      const rows = hits.map((hit) => this.#row(hit));
      if (before === undefined) this.#list.replaceChildren(...rows);
      else this.#list.append(...rows);
      this.#next = next;
      this.#more.hidden = next === undefined;
      const count = this.#list.childElementCount;
      const some = `${count}${next === undefined ? '' : ' or more'} found`;
      setText(this.#told, count === 0 ? 'Nothing found.' : some);
    } catch (error) {
      if (round === this.#round) setText(this.#told, errorWords(error));
    }
  }

  #row({ channel, message }: Hit): HTMLElement {
    const author = message.from?.name ?? message.from?.sub ?? '';
    const text = h('span', { class: 'hit-text' });
    text.append(...marked(previewOf(message.content), this.#query));
    const link = h(
      'a',
      { class: 'notification', href: channelPath(channel, message.seq) },
      h('strong', { text: `${author} in ${this.name(channel)}` }),
      h('span', { class: 'row-time', text: shortTime(message.at, Date.now()) }),
      text,
    );
    return h('li', {}, link);
  }
}
