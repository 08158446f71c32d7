/** One line that says what went wrong, or what was done. */
import { errorWords } from '../../error-words.ts';
import { h, setText } from '../../dom.ts';

const TOLD_MS = 6_000;

/** See the file's head. */
export class Notice {
  /** Empty while there is nothing to say. */
  readonly element = h('p', { class: 'told', role: 'status' });
  readonly #onOver: () => void;
  #telling: ReturnType<typeof setTimeout> | undefined;

  /** @param onOver is called when something has been said long enough. */
  constructor(onOver: () => void) {
    this.#onOver = onOver;
  }

  /** Says what went wrong with something, or `told` when nothing did. */
  async attempt(doing: Promise<unknown>, told?: string): Promise<void> {
    try {
      await doing;
      if (told !== undefined) this.say(told);
    } catch (error) {
      this.say(errorWords(error));
    }
  }

  /** Says something for a moment. */
  say(text: string): void {
    this.close();
    setText(this.element, text);
    this.#telling = setTimeout(() => {
      this.#telling = undefined;
      this.#onOver();
    }, TOLD_MS);
  }

  /** Says something until it is something else. */
  stay(text: string): void {
    this.close();
    setText(this.element, text);
  }

  /** Says nothing, unless something is being said for a moment. */
  clear(): void {
    if (!this.#telling) setText(this.element, '');
  }

  /** Stops. */
  close(): void {
    clearTimeout(this.#telling);
    this.#telling = undefined;
  }
}
