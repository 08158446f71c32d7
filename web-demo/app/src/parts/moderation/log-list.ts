/** A list that moderators read, newest first, page by page. */
import { button } from '../buttons.ts';
import { errorWords } from '../../error-words.ts';
import { h, setText } from '../../dom.ts';
import { LOG_PAGE } from '@skywave/client';

/** What stands around the entries. */
export interface LogWords {
  /** The heading. */
  readonly title: string;
  /** Said when there are no entries. */
  readonly none: string;
}

/** See the file's head. */
export class LogList<Entry extends { readonly id: number }> {
  /** A section. */
  readonly element: HTMLElement;
  readonly #words: LogWords;
  readonly #fetch: (before?: number) => Promise<Entry[]>;
  readonly #row: (entry: Entry) => HTMLElement;
  readonly #list = h('ul', { class: 'log-list' });
  readonly #told = h('p', { class: 'soft', role: 'status' });
  readonly #more: HTMLButtonElement;
  #last: number | undefined;
  #round = 0;

  constructor(
    words: LogWords,
    fetch: (before?: number) => Promise<Entry[]>,
    row: (entry: Entry) => HTMLElement,
  ) {
    this.#words = words;
    this.#fetch = fetch;
    this.#row = row;
    this.#more = button('Older', () => {
      void this.load(this.#last);
    });
    this.#more.hidden = true;
    const heading = h('h2', { text: words.title });
    this.element = h('section', {}, heading, this.#told, this.#list, this.#more);
  }

  /** Fetches the newest, or those before one. */
  async load(before?: number): Promise<void> {
    const round = ++this.#round;
    try {
      const entries = await this.#fetch(before);
      if (round !== this.#round) return;
      const rows = entries.map((entry) => h('li', {}, this.#row(entry)));
      if (before === undefined) this.#list.replaceChildren(...rows);
      else this.#list.append(...rows);
      this.#last = entries.at(-1)?.id;
      this.#more.hidden = entries.length < LOG_PAGE;
      setText(this.#told, this.#list.childElementCount === 0 ? this.#words.none : '');
    } catch (error) {
      if (round !== this.#round) return;
      this.#list.replaceChildren();
      setText(this.#told, errorWords(error));
    }
  }
}
