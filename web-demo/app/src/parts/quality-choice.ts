/** Which rendition is heard. */
import { h } from '../dom.ts';

const NAMES: Record<string, string> = {
  auto: 'Auto',
  source: 'Original',
  high: 'High · 128 kb/s',
  medium: 'Medium · 64 kb/s',
  low: 'Low · 24 kb/s mono',
};

/** A choice among a station's renditions. */
export class QualityChoice {
  /** The labelled choice; hidden while there is nothing to choose. */
  readonly element: HTMLElement;
  readonly #select: HTMLSelectElement;
  #shown = '';

  /** @param choose gets what was chosen. */
  constructor(choose: (rendition: string) => void) {
    this.#select = h('select', {
      id: 'quality',
      on: {
        change: () => {
          choose(this.#select.value);
        },
      },
    });
    this.element = h(
      'p',
      { class: 'quality', hidden: true },
      h('label', { for: 'quality', text: 'Quality' }),
      this.#select,
    );
  }

  /** Shows what there is and which one is heard. */
  show(renditions: readonly string[], current: string): void {
    const choices = ['auto', ...renditions];
    const shown = choices.join();
    if (shown !== this.#shown) {
      this.#shown = shown;
      this.#select.replaceChildren(
        ...choices.map((value) => h('option', { value, text: NAMES[value] ?? value })),
      );
    }
    this.#select.value = current;
    this.element.hidden = renditions.length < 2;
  }
}
